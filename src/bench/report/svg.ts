/** SVG as text. Colours and fonts are classes of the page's stylesheet, so that one picture serves light, dark and paper. */
import type { Look, Shape } from "./look.ts";

export function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** Coordinates to a tenth: smaller files, and no 12 digits for nothing. */
export function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

type Attributes = Readonly<Record<string, string | number | undefined>>;

export function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? at(value) : escape(value!)}"`)
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

export function line(x1: number, y1: number, x2: number, y2: number, cls: string): string {
  return element("line", { class: cls, x1, y1, x2, y2 });
}

export function label(
  x: number,
  y: number,
  content: string,
  attributes: { class?: string; anchor?: "start" | "middle" | "end"; transform?: string } = {},
): string {
  const { anchor, ...rest } = attributes;
  return element("text", { x, y, "text-anchor": anchor, ...rest }, escape(content));
}

/** About how wide a text is drawn: no fonts here to ask. On the safe side for the usual sans-serif ones. */
export function widthOf(text: string, size = 12): number {
  return text.length * size * 0.58;
}

export function path(points: readonly (readonly [number, number])[], look: Look): string {
  const d = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${at(x)} ${at(y)}`).join("");
  return element("path", { class: `line ${look.color}`, d, "stroke-dasharray": look.dash });
}

/** A sample or a point of a curve. `title` is shown when the pointer rests on it. */
export function mark(
  x: number,
  y: number,
  look: Look,
  options: { radius?: number; title?: string } = {},
): string {
  const { radius = 4, title } = options;
  const cls = `mark ${look.color}${look.hollow ? " hollow" : ""}`;
  const inside = title === undefined ? undefined : element("title", {}, escape(title));
  if (look.shape === "circle")
    return element("circle", { class: cls, cx: x, cy: y, r: radius }, inside);
  const open = look.shape === "cross" || look.shape === "plus" ? `${cls} open` : cls;
  const d = OUTLINES[look.shape]
    .map(([dx, dy, move], i) => {
      const command = i === 0 || move === 1 ? "M" : "L";
      return `${command}${at(x + dx * radius)} ${at(y + dy * radius)}`;
    })
    .join("");
  return element("path", { class: open, d: open === cls ? `${d}Z` : d }, inside);
}

type Corner = readonly [x: number, y: number, move?: 1];

/** Corners around the middle, in radii; 1 in third place: begins a new stroke. */
const OUTLINES: Readonly<Record<Exclude<Shape, "circle">, readonly Corner[]>> = {
  square: corners([0.9, 0.9], [-0.9, 0.9], [-0.9, -0.9], [0.9, -0.9]),
  triangle: corners([0, -1.2], [1.1, 0.8], [-1.1, 0.8]),
  diamond: corners([0, -1.3], [1.1, 0], [0, 1.3], [-1.1, 0]),
  wedge: corners([0, 1.2], [1.1, -0.8], [-1.1, -0.8]),
  cross: corners([-0.9, -0.9], [0.9, 0.9], [-0.9, 0.9, 1], [0.9, -0.9]),
  plus: corners([0, -1.2], [0, 1.2], [-1.2, 0, 1], [1.2, 0]),
  star: Array.from({ length: 10 }, (_, i): Corner => {
    const radius = i % 2 === 0 ? 1.4 : 0.6;
    return [radius * Math.sin((i * Math.PI) / 5), -radius * Math.cos((i * Math.PI) / 5)];
  }),
};

function corners(...all: readonly Corner[]): readonly Corner[] {
  return all;
}

/** The picture: `title` is what a screen reader says. */
export function picture(width: number, height: number, title: string, content: string[]): string {
  return element(
    "svg",
    {
      viewBox: `0 0 ${at(width)} ${at(height)}`,
      role: "img",
      "aria-label": title,
      style: `max-width:${at(width)}px`,
    },
    content.join("\n"),
  );
}
