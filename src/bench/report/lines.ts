/** Curves: figures against something that grows, and cumulated distributions. */
import { ascending, spreadOf } from "../engines/statistics.ts";
import { type Scale, scaleOf } from "./axis.ts";
import type { Look } from "./look.ts";
import { label, line, mark, path, picture, widthOf } from "./svg.ts";

export interface Series {
  name: string;
  look: Look;
  /** each with all of its samples; the curve goes through the medians */
  points: readonly { x: number; values: readonly number[] }[];
}

export interface Axis {
  name: string;
  log: boolean;
  format: (value: number) => string;
  /** linear: begin at 0 */
  zero?: boolean;
}

export interface LinePlot {
  title: string;
  x: Axis & { ticks?: readonly { value: number; label: string }[] };
  y: Axis;
  series: readonly Series[];
  /** a horizontal line with its name */
  reference?: { value: number; name: string };
}

const [WIDTH, HEIGHT] = [860, 400];
const [TOP, BOTTOM] = [16, HEIGHT - 52];
const LABEL_STEP = 16;

export function linePlot(plot: LinePlot): string {
  const names = plot.series.map((each) => each.name);
  const frame = frameOf(names);
  const xs = plot.series.flatMap((each) => each.points.map((point) => point.x));
  const ys = plot.series.flatMap((each) => each.points.flatMap((point) => [...point.values]));
  const { value: extra } = plot.reference ?? { value: Number.NaN };
  const x = scaleOf({ values: xs, range: [frame.left + 8, frame.right - 8], ...axisOf(plot.x) });
  const y = scaleOf({ values: [...ys, extra], range: [BOTTOM, TOP], ...axisOf(plot.y) });
  const parts = grid(
    { ...x, ticks: [...(plot.x.ticks ?? x.ticks)] },
    y,
    plot.x.name,
    plot.y,
    frame,
  );
  if (plot.reference !== undefined) {
    const height = y.at(plot.reference.value);
    parts.push(
      line(frame.left, height, frame.right, height, "reference"),
      label(frame.left + 6, height + (height > BOTTOM - 20 ? -5 : 15), plot.reference.name, {
        class: "tick",
      }),
    );
  }
  const ends: End[] = [];
  for (const { name, look, points } of plot.series) {
    const drawn = points
      .map((point) => ({ ...point, values: point.values.filter((v) => !plot.y.log || v > 0) }))
      .filter((point) => point.values.length > 0)
      .toSorted((a, b) => a.x - b.x)
      .map((point) => ({ ...point, ...spreadOf(point.values) }));
    parts.push(
      path(
        drawn.map((point): [number, number] => [x.at(point.x), y.at(point.median)]),
        look,
      ),
    );
    for (const point of drawn) {
      const px = x.at(point.x);
      if (point.count > 1)
        parts.push(line(px, y.at(point.min), px, y.at(point.max), `range ${look.color}`));
      const title = `${name}, ${plot.x.format(point.x)}: ${plot.y.format(point.median)} (${plot.y.format(point.min)} to ${plot.y.format(point.max)}, ${point.count} of them)`;
      parts.push(mark(px, y.at(point.median), look, { radius: 4.2, title }));
    }
    const last = drawn.at(-1);
    if (last !== undefined) ends.push({ name, look, x: x.at(last.x), y: y.at(last.median) });
  }
  parts.push(...endLabels(ends, frame.right));
  return picture(WIDTH, HEIGHT, plot.title, parts);
}

export interface EcdfPlot {
  title: string;
  axis: string;
  log: boolean;
  format: (value: number) => string;
  series: readonly { name: string; look: Look; values: readonly number[] }[];
}

/** For every value, what share of all is not above it. */
export function ecdfPlot(plot: EcdfPlot): string {
  const frame = frameOf(plot.series.map((each) => each.name));
  const all = plot.series.flatMap((each) => [...each.values]);
  const x = scaleOf({
    values: all,
    range: [frame.left, frame.right - 8],
    log: plot.log,
    label: plot.format,
  });
  const y = scaleOf({
    values: [0, 1],
    range: [BOTTOM, TOP],
    log: false,
    zero: true,
    label: (share) => `${Math.round(share * 100)} %`,
  });
  const log = plot.log ? " (log scale)" : "";
  const parts = grid(
    x,
    y,
    `${plot.axis}${log}`,
    { name: "share of tasks", log: false, format: String },
    frame,
  );
  const ordered = plot.series
    .map((each) => ({ ...each, sorted: ascending(each.values) }))
    .filter((each) => each.sorted.length > 0)
    .toSorted((a, b) => spreadOf(a.values).median - spreadOf(b.values).median);
  ordered.forEach(({ look, sorted }, order) => {
    const thin = Math.max(1, Math.floor(sorted.length / 400));
    const points: [number, number][] = [[x.at(sorted[0]!), y.at(0)]];
    let before = 0;
    sorted.forEach((value, i) => {
      if (i % thin !== 0 && i !== sorted.length - 1) return;
      points.push([x.at(value), y.at(before)], [x.at(value), y.at((i + 1) / sorted.length)]);
      before = (i + 1) / sorted.length;
    });
    parts.push(path(points, look));
    // Marks tell curves apart without colours; shifted, so that curves on top of each other still show theirs.
    for (let share = 0.06 + (order % 7) * 0.035; share < 1; share += 0.25) {
      const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
      parts.push(mark(x.at(value), y.at(share), look, { radius: 3.6 }));
    }
  });
  ordered.forEach(({ name, look }, i) => {
    const height = TOP + 10 + i * LABEL_STEP * 1.15;
    parts.push(
      path(
        [
          [frame.right + 6, height],
          [frame.right + 34, height],
        ],
        look,
      ),
      mark(frame.right + 20, height, look, { radius: 3.6 }),
      label(frame.right + 42, height + 4, name, { class: "name" }),
    );
  });
  return picture(WIDTH, HEIGHT, plot.title, parts);
}

interface Frame {
  left: number;
  right: number;
}

function frameOf(names: readonly string[]): Frame {
  return { left: 84, right: WIDTH - 52 - Math.max(...names.map((name) => widthOf(name, 13)), 40) };
}

function axisOf(axis: Axis): { log: boolean; zero: boolean; label: (value: number) => string } {
  return { log: axis.log, zero: axis.zero === true, label: axis.format };
}

function grid(x: Scale, y: Scale, xName: string, yAxis: Axis, frame: Frame): string[] {
  const parts: string[] = [];
  for (const { value, label: text } of x.ticks) {
    const px = x.at(value);
    parts.push(line(px, TOP, px, BOTTOM, text === "" ? "grid minor" : "grid"));
    if (text !== "") parts.push(label(px, BOTTOM + 17, text, { class: "tick", anchor: "middle" }));
  }
  for (const { value, label: text } of y.ticks) {
    const py = y.at(value);
    parts.push(line(frame.left, py, frame.right, py, text === "" ? "grid minor" : "grid"));
    if (text !== "")
      parts.push(label(frame.left - 8, py + 4, text, { class: "tick", anchor: "end" }));
  }
  const middle = (TOP + BOTTOM) / 2;
  parts.push(
    label((frame.left + frame.right) / 2, BOTTOM + 40, xName, { class: "axis", anchor: "middle" }),
    label(16, middle, `${yAxis.name}${yAxis.log ? " (log scale)" : ""}`, {
      class: "axis",
      anchor: "middle",
      transform: `rotate(-90 16 ${middle})`,
    }),
  );
  return parts;
}

interface End {
  name: string;
  look: Look;
  x: number;
  y: number;
}

/** Names beside the ends of the curves, moved apart where they would lie on each other, with a thin line to their curve. */
function endLabels(ends: readonly End[], right: number): string[] {
  const heights = spread(
    ends.map((end) => end.y),
    LABEL_STEP,
    TOP + 6,
    BOTTOM + 4,
  );
  return ends.flatMap((end, i) => {
    const height = heights[i]!;
    return [
      line(end.x + 6, end.y, right + 10, height, `leader ${end.look.color}`),
      mark(right + 18, height, end.look, { radius: 3.6 }),
      label(right + 28, height + 4, end.name, { class: "name" }),
    ];
  });
}

/** Positions at least `step` apart and in the order they had, as near to the wanted ones as that allows; result in the given order. */
export function spread(
  wanted: readonly number[],
  step: number,
  least: number,
  most: number,
): number[] {
  const order = wanted.map((_, i) => i).toSorted((a, b) => wanted[a]! - wanted[b]! || a - b);
  const gap = Math.min(step, (most - least) / Math.max(1, wanted.length - 1));
  const placed: number[] = [];
  let floor = least;
  for (const i of order) {
    placed.push(Math.max(wanted[i]!, floor));
    floor = placed.at(-1)! + gap;
  }
  let ceiling = most;
  for (let i = placed.length - 1; i >= 0; i--) {
    placed[i] = Math.min(placed[i]!, ceiling);
    ceiling = placed[i]! - gap;
  }
  return wanted.map((_, i) => placed[order.indexOf(i)]!);
}
