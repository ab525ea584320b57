import { expect, test } from "bun:test";
import { array, assert, double, integer, property } from "fast-check";
import { ENGINES } from "../engines/samples.ts";
import { ecdfPlot, linePlot, spread } from "./lines.ts";
import { lookOf } from "./look.ts";
import { stripPlot } from "./strip.ts";

test("no two engines look alike, with or without colours", () => {
  const names = [
    ...ENGINES,
    ...["workqueue", "ray", "parsl", "dask"].map((name) => `holdall+${name}`),
  ];
  const looks = names.map(lookOf);
  expect(new Set(looks.map(({ shape, hollow, color }) => `${shape} ${hollow} ${color}`)).size).toBe(
    names.length,
  );
  const colorless = looks.map(({ shape, hollow, dash }) => `${shape} ${hollow} ${dash}`);
  expect(new Set(colorless).size).toBe(names.length);
});

test("labels at the ends of curves keep their order, their distance and their place", () => {
  const heights = array(double({ min: 0, max: 300, noNaN: true }), { minLength: 1, maxLength: 14 });
  assert(
    property(heights, integer({ min: 4, max: 16 }), (wanted, step) => {
      const placed = spread(wanted, step, 0, 300);
      const order = wanted.map((_, i) => i).toSorted((a, b) => wanted[a]! - wanted[b]! || a - b);
      order.forEach((index, i) => {
        expect(placed[index]!).toBeWithin(-0.001, 300.001);
        if (i > 0) expect(placed[index]! - placed[order[i - 1]!]!).toBeGreaterThan(step - 0.001);
      });
    }),
  );
});

/** Numbers of all attributes `name` of elements of a class. */
function attribute(svg: string, pattern: RegExp): number[] {
  return [...svg.matchAll(pattern)].map((found) => Number(found[1]));
}

test("a strip shows every sample, at its place", () => {
  const svg = stripPlot({
    title: "walls",
    axis: "wall time",
    format: String,
    rows: [{ name: "holdall", look: lookOf("holdall"), values: [1, 2, 4] }],
  });
  const [one, two, four] = attribute(svg, /<circle [^>]*cx="([\d.]+)"/g);
  expect(four! - two!).toBeCloseTo(2 * (two! - one!), 0);
  expect(svg).not.toContain('class="box');
});

test("a strip of very different engines is logarithmic and says so", () => {
  const row = (
    name: string,
    values: number[],
  ): Parameters<typeof stripPlot>[0]["rows"][number] => ({
    name,
    look: lookOf(name),
    values,
  });
  const rows = [row("holdall", [0.1, 0.11]), row("slurm-array", [40, 41])];
  const svg = stripPlot({ title: "walls", axis: "wall time", format: String, rows });
  expect(svg).toContain("wall time (log scale)");
  const near = stripPlot({ title: "walls", axis: "wall time", format: String, rows: [rows[0]!] });
  expect(near).not.toContain("log scale");
});

test("rows of twelve engines do not overlap", () => {
  const rows = ENGINES.map((name, i) => ({ name, look: lookOf(name), values: [i + 1] }));
  const svg = stripPlot({ title: "walls", axis: "wall time", format: String, rows });
  const heights = attribute(svg, /<text x="[\d.]+" y="([\d.]+)" text-anchor="end" class="name"/g);
  expect(heights).toHaveLength(ENGINES.length);
  heights.forEach((height, i) => {
    if (i > 0) expect(height - heights[i - 1]!).toBeGreaterThanOrEqual(16);
  });
});

test("curves go through medians, and what a log axis cannot show is left out", () => {
  const axis = { name: "x", log: true, format: String };
  const svg = linePlot({
    title: "rates",
    x: axis,
    y: { ...axis, name: "y" },
    series: [
      {
        name: "ray",
        look: lookOf("ray"),
        points: [
          { x: 1, values: [0] },
          { x: 10, values: [1, 3, 2] },
          { x: 100, values: [20] },
        ],
      },
    ],
  });
  expect(svg).toContain("ray, 10: 2 (1 to 3, 3 of them)");
  expect(svg).not.toContain("ray, 1:");
  expect(svg).not.toContain("NaN");
});

test("a distribution ends at 100 %, however many values it has", () => {
  for (const count of [1, 7, 5000]) {
    const svg = ecdfPlot({
      title: "times",
      axis: "time",
      log: false,
      format: String,
      series: [
        {
          name: "ray",
          look: lookOf("ray"),
          values: Array.from({ length: count }, (_, i) => i + 1),
        },
      ],
    });
    const [first] = [...svg.matchAll(/<path class="line [^"]*" d="([^"]+)"/g)];
    const heights = first![1]!.match(/[\d.]+(?=L|$)/g)!.map(Number);
    expect(heights.at(-1)).toBe(16);
    expect(first![1]!.length).toBeLessThan(20_000);
  }
});
