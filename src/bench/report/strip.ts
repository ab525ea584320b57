/** One row for each engine: every sample as a mark, the middle half as a box, the median as a bar and in figures. */
import { spreadOf } from "../engines/statistics.ts";
import { scaleOf } from "./axis.ts";
import type { Look } from "./look.ts";
import { element, label, line, mark, picture, widthOf } from "./svg.ts";

export interface StripRow {
  name: string;
  look: Look;
  values: readonly number[];
  /** what the pointer tells of a sample */
  titles?: readonly string[];
  /** beside the median */
  note?: string;
}

export interface StripPlot {
  title: string;
  axis: string;
  rows: readonly StripRow[];
  format: (value: number) => string;
  /** default: linear from 0, unless the largest is 20 times the smallest */
  log?: boolean;
  /** further values that the axis must hold, so that several plots have the same one */
  also?: readonly number[];
  /** a vertical line with its name */
  reference?: { value: number; name: string };
}

const WIDTH = 860;
const ROW = 30;

export function stripPlot(plot: StripPlot): string {
  const all = plot.rows.flatMap((row) => [...row.values]);
  const positive = all.filter((value) => value > 0);
  const wide = positive.length === all.length && Math.max(...all) > 20 * Math.min(...all);
  const log = plot.log ?? wide;
  const figures = plot.rows.map((row) =>
    row.values.length === 0
      ? (row.note ?? "")
      : `${plot.format(spreadOf(row.values).median)}${row.note === undefined ? "" : ` ${row.note}`}`,
  );
  const left = 16 + Math.max(...plot.rows.map((row) => widthOf(row.name, 13)), 40);
  const right = 20 + Math.max(...figures.map((text) => widthOf(text, 13)), widthOf("median", 13));
  const top = plot.reference === undefined ? 26 : 42;
  const bottom = top + plot.rows.length * ROW;
  const reference = plot.reference === undefined ? [] : [plot.reference.value];
  const scale = scaleOf({
    values: [...all, ...reference, ...(plot.also ?? [])],
    range: [left, WIDTH - right],
    log,
    zero: true,
    label: plot.format,
  });

  const parts: string[] = [];
  for (const { value, label: text } of scale.ticks) {
    const x = scale.at(value);
    parts.push(line(x, top, x, bottom, text === "" ? "grid minor" : "grid"));
    if (text !== "") parts.push(label(x, bottom + 17, text, { class: "tick", anchor: "middle" }));
  }
  parts.push(
    label((left + WIDTH - right) / 2, bottom + 38, `${plot.axis}${log ? " (log scale)" : ""}`, {
      class: "axis",
      anchor: "middle",
    }),
    label(WIDTH - 4, top - 9, "median", { class: "tick", anchor: "end" }),
  );
  if (plot.reference !== undefined) {
    const x = scale.at(plot.reference.value);
    parts.push(
      line(x, top - 4, x, bottom, "reference"),
      label(Math.min(Math.max(x, left + 60), WIDTH - right - 60), top - 9, plot.reference.name, {
        class: "tick",
        anchor: "middle",
      }),
    );
  }
  plot.rows.forEach((row, i) => {
    const y = top + (i + 0.5) * ROW;
    parts.push(
      line(left, y, WIDTH - right, y, "row"),
      label(left - 10, y + 4.5, row.name, { class: "name", anchor: "end" }),
      label(WIDTH - 4, y + 4.5, figures[i]!, { class: "figure", anchor: "end" }),
      ...samplesOf(row, y, log, scale.at, plot.format),
    );
  });
  return picture(WIDTH, bottom + 46, plot.title, parts);
}

function samplesOf(
  row: StripRow,
  y: number,
  log: boolean,
  x: (value: number) => number,
  format: (value: number) => string,
): string[] {
  const drawn = row.values.filter((value) => !log || value > 0);
  if (drawn.length === 0) return [];
  const parts: string[] = [];
  const { q1, q3, median, min, max } = spreadOf(drawn);
  // A box of fewer than five would claim more than there is.
  if (drawn.length >= 5) {
    const width = Math.max(1, x(q3) - x(q1));
    parts.push(
      line(x(min), y, x(max), y, `whisker ${row.look.color}`),
      element("rect", {
        class: `box ${row.look.color}`,
        x: x(q1),
        y: y - 10,
        width,
        height: 20,
        rx: 2,
      }),
    );
  }
  row.values.forEach((value, i) => {
    if (log && value <= 0) return;
    const title = `${row.name}: ${format(value)}${row.titles?.[i] === undefined ? "" : `, ${row.titles[i]}`}`;
    parts.push(mark(x(value), y + OFFSETS[i % OFFSETS.length]!, row.look, { radius: 3.4, title }));
  });
  if (drawn.length >= 2)
    parts.push(line(x(median), y - 12, x(median), y + 12, `median ${row.look.color}`));
  return parts;
}

/** Samples of one row are drawn at different heights so that equal ones are seen: order, not measure. */
const OFFSETS = [0, -6, 6, -3, 3, -8, 8];
