/** A drawing as a picture that needs nothing else, light or dark as its reader has it. */
import { layoutOf, MOST_CHARACTERS } from "./layout.ts";
import { caption, type Drawing, type DrawnNode } from "./model.ts";

const STYLE = [
  ":root{--paper:#fff;--ink:#1f2328;--line:#818b98;--box:#f6f8fa;--many:#ddf4ff}",
  "@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--line:#848d97;--box:#161b22;--many:#12304f}}",
  "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:var(--ink)}",
  ".paper{fill:var(--paper)}.task{fill:var(--box);stroke:var(--line)}.array{fill:var(--many);stroke:var(--line)}",
  ".point,.head{fill:var(--line)}.edge{fill:none;stroke:var(--line)}.each{stroke-dasharray:5 3}",
].join("");

export function svgOf(drawing: Drawing): string {
  const { nodes, edges, title } = drawing;
  const { width, height, boxes, paths } = layoutOf(drawing);
  const size = `width="${round(width)}" height="${round(height)}"`;
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${round(width)} ${round(height)}" role="img">`,
    `<title>${xml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
    '<rect class="paper" width="100%" height="100%"/>',
    ...edges.map(({ to, each }, at) => {
      const head = nodes[to]!.kind === "point" ? "" : ' marker-end="url(#head)"';
      const kind = each ? "edge each" : "edge";
      const about = each ? "<title>element by element</title>" : "";
      return `<path class="${kind}"${head} d="${curve(paths[at]!)}">${about}</path>`;
    }),
    ...nodes.map((node, at) => box(node, boxes[at]!)),
    "</svg>",
  ];
  return `${lines.join("\n")}\n`;
}

function box(node: DrawnNode, at: { x: number; y: number; width: number; height: number }): string {
  const [middle, center] = [round(at.x + at.width / 2), round(at.y + at.height / 2)];
  if (node.kind === "point")
    return `<circle class="point" cx="${middle}" cy="${center}" r="${at.width / 2}"><title>all of these before all of those</title></circle>`;
  const text = caption(node);
  const place = `x="${round(at.x)}" y="${round(at.y)}" width="${round(at.width)}" height="${round(at.height)}"`;
  return [
    `<g><title>${xml(text)}</title><rect class="${node.kind}" rx="6" ${place}/>`,
    `<text x="${middle}" y="${round(at.y + at.height / 2 + 4.5)}" text-anchor="middle">${xml(cut(node))}</text></g>`,
  ].join("");
}

/** The name is cut, never the count. */
function cut(node: DrawnNode): string {
  const text = caption(node);
  if (Bun.stringWidth(text) <= MOST_CHARACTERS) return text;
  const tail = text.slice(node.label.length);
  const room = MOST_CHARACTERS - Bun.stringWidth(tail) - 1;
  let [head, width] = ["", 0];
  for (const { segment } of new Intl.Segmenter().segment(node.label)) {
    width += Bun.stringWidth(segment);
    if (width > room) break;
    head += segment;
  }
  return `${head}…${tail}`;
}

/** Level where it leaves, passes and arrives. */
function curve(points: readonly (readonly [x: number, y: number])[]): string {
  const [[x, y] = [0, 0], ...rest] = points;
  const parts = [`M${round(x)} ${round(y)}`];
  let [lastX, lastY] = [x, y];
  for (const [toX, toY] of rest) {
    // backwards (between arrays that wait for each other's members) it swings out
    const pull = toX > lastX ? (toX - lastX) / 2 : 40;
    parts.push(
      toY === lastY && toX > lastX
        ? `H${round(toX)}`
        : `C${round(lastX + pull)} ${round(lastY)} ${round(toX - pull)} ${round(toY)} ${round(toX)} ${round(toY)}`,
    );
    [lastX, lastY] = [toX, toY];
  }
  return parts.join("");
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

function xml(text: string): string {
  // eslint-disable-next-line no-control-regex -- XML has no way to write them
  const printable = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "\ufffd");
  return printable.replaceAll(/[&<>"]/g, (char) => ENTITIES[char]!);
}
