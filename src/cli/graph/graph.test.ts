import { expect, test } from "bun:test";
import { loadSpec } from "../../spec/index.ts";
import { dotOf } from "./dot.ts";
import { layoutOf } from "./layout.ts";
import { mermaidOf } from "./mermaid.ts";
import { drawingOf } from "./model.ts";
import { svgOf } from "./svg.ts";

function definitionOf(tasks: readonly object[], name = "w") {
  const bytes = new TextEncoder().encode(JSON.stringify({ name, tasks }));
  return loadSpec("w.json", { cwd: "/nowhere", read: () => bytes });
}

const ARRAY = { command: "x", parameters: { i: "1:3" } };
const TASKS = [
  { name: "build", command: "make", outputs: ["app"] },
  { name: "run_{i}", ...ARRAY, inputs: ["app"], outputs: ["out{i}"] },
  { name: "post_{i}", ...ARRAY, depends_on: ["run_{i}"] },
  { name: "sum", command: "x", depends_on: ["post_{i}"] },
];

test("an array is one node, or each of its tasks", () => {
  const { nodes, edges } = drawingOf(definitionOf(TASKS), false);
  const shown = edges.map(({ from, to, each }) => [nodes[from]!.label, nodes[to]!.label, each]);
  expect(nodes.map(({ label, kind, tasks }) => [label, kind, tasks])).toEqual([
    ["build", "task", 1],
    ["run_{i}", "array", 3],
    ["post_{i}", "array", 3],
    ["sum", "task", 1],
  ]);
  expect(shown).toHaveLength(3);
  expect(shown).toContainEqual(["build", "run_{i}", false]);
  expect(shown).toContainEqual(["run_{i}", "post_{i}", true]);
  expect(shown).toContainEqual(["post_{i}", "sum", false]);
  const whole = drawingOf(definitionOf(TASKS), true);
  expect(whole.nodes).toHaveLength(8);
  expect(whole.edges).toHaveLength(9);
});

test("a dependency between two groups is drawn once, through a point", () => {
  const many = (prefix: string, stage: number): object[] =>
    Array.from({ length: 40 }, (_, i) => ({ name: `${prefix}${i}`, command: "x", stage }));
  const { nodes, edges } = drawingOf(definitionOf([...many("a", 1), ...many("b", 2)]), true);
  expect(nodes.filter(({ kind }) => kind === "point")).toHaveLength(1);
  expect(edges).toHaveLength(80);
});

test("an array of a million tasks is one node; above 2,000 they are not written out", () => {
  const definition = definitionOf([
    { name: "t_{i}", command: "x", parameters: { i: "1:1000000" } },
    { name: "u_{i}", command: "x", parameters: { i: "1:1000000" }, depends_on: "t_{i}" },
  ]);
  const { nodes, edges } = drawingOf(definition, false);
  expect(nodes.map(({ tasks }) => tasks)).toEqual([1_000_000, 1_000_000]);
  expect(edges).toEqual([{ from: 0, to: 1, each: true }]);
  expect(() => drawingOf(definition, true)).toThrow("the limit is 2,000");
});

test("many tasks written one by one are drawn by their stages", () => {
  const tasks = Array.from({ length: 1_500 }, (_, i) => [
    { name: `a${i}`, command: "x", outputs: [`f${i}`] },
    { name: `b${i}`, command: "x", inputs: [`f${i}`] },
  ]).flat();
  const { nodes, edges } = drawingOf(definitionOf(tasks), false);
  expect(nodes.map(({ tasks: of }) => of)).toEqual([1_500, 1_500]);
  expect(edges).toHaveLength(1);
});

const WEIRD = 'a"b\\N <i> & `#1; ] %% ü';

test("no name can end its own label", () => {
  const drawing = drawingOf(definitionOf([{ name: WEIRD, command: "x" }], 'w"<\nend'), false);
  expect(dotOf(drawing)).toContain('[label="a\\"b\\\\N <i> &amp; `#1; ] %% ü"]');
  expect(dotOf(drawing)).toContain(String.raw`digraph "w\"<\nend"`);
  const label = /n0\["([^"]*)"\]/.exec(mermaidOf(drawing))![1]!;
  expect(label).not.toMatch(/["<>`\\\]]/);
  expect(label.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))).toBe(WEIRD);
  const svg = svgOf(drawing);
  expect(svg).toContain("a&quot;b\\N &lt;i&gt; &amp; `#1; ] %% ü</text>");
  expect(svg).toContain("<title>w&quot;&lt;\nend</title>");
});

test("the picture: everybody comes right of what it waits for, nothing lies on anything else", () => {
  const drawing = drawingOf(definitionOf(TASKS), true);
  const { boxes, width, height, paths } = layoutOf(drawing);
  for (const { from, to } of drawing.edges)
    expect(boxes[to]!.x).toBeGreaterThan(boxes[from]!.x + boxes[from]!.width);
  boxes.forEach((a, i) => {
    expect(a.x >= 0 && a.y >= 0 && a.x + a.width <= width && a.y + a.height <= height).toBe(true);
    for (const b of boxes.slice(i + 1)) {
      const apart =
        a.x + a.width <= b.x ||
        b.x + b.width <= a.x ||
        a.y + a.height <= b.y ||
        b.y + b.height <= a.y;
      expect(apart).toBe(true);
    }
  });
  expect(paths).toHaveLength(drawing.edges.length);
  const long = svgOf(drawingOf(definitionOf([{ ...ARRAY, name: `${"x".repeat(90)}{i}` }]), false));
  expect(long).toMatch(/>x{30,35}… × 3<\/text>/);
});
