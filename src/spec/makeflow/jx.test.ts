import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "bun:test";
import { loadSpec } from "../load.ts";
import { edgesOf, namesOf } from "../testing.ts";
import { general } from "./jx-values.ts";
import {
  bodiesOf,
  commandOf,
  commandsOf,
  load,
  loadFiles,
  mistakesOf,
  warningsOf,
} from "./testing.ts";

/** What an expression is, as text. */
function valueOf(expression: string, define = ""): string {
  return commandOf(
    `{"define": {${define}}, "rules": [{"command": "=" + (${expression})}]}`,
    "w.jx",
  );
}

describe("expressions", () => {
  test.each([
    ["1 + 2 * 3", "7"],
    ["10 - 3 - 2", "5"],
    ["7 / 2", "3"],
    ["-7 / 2", "-3"],
    ["7.0 / 2", "3.5"],
    ["-7 % 3", "-1"],
    ["1.5 + 1", "2.5"],
    ["1e3", "1000"],
    ["-(1 + 2)", "-3"],
    ["1 < 2 and not (2 <= 1)", "true"],
    ["false and true or true", "true"],
    ["true or x", "true"],
    ['1 == 1.0 && 1 != "1"', "true"],
    ['[1, {"a": 2}] == [1, {"a": 2}]', "true"],
    ['"a" < "b" || !true', "true"],
    ["null", "null"],
    ["range(5)[-1]", "4"],
    ["len(range(10)[2:5] + [1])", "4"],
    ["range(10)[:3].len()", "3"],
    ['{"a": 1}["a"]', "1"],
    ["len([x for x in range(3, 7)])", "4"],
    ['join(["" + x for x in range(5, 0, -2)])', "5 3 1"],
    ['join([a + b for a in ["x", "y"] for b in ["1", "2"] if a + b != "x2"], ",")', "x1,y1,y2"],
    [
      'format("%d|%s|%.2f|%05d|%-3s|%%|%e|%g", 7, "s", 1.5, 42, "a", 12345.678, 0.5)',
      "7|s|1.50|00042|a  |%|1.234568e+04|0.5",
    ],
    ['"%s".format("x")', "x"],
    ["ceil(1.2)", "2"],
    ["floor(-1.2)", "-2"],
    ['basename("a/b.txt")', "b.txt"],
    ['basename("a/b.txt", ".txt")', "b"],
    ['dirname("a/b.txt")', "a"],
    ['escape("a $b")', '"a \\$b"'],
    ['join(keys({"a": 1, "b": 2}))', "a b"],
    ['len(values({"a": 1}))', "1"],
    ['items({"a": 1})[0][1]', "1"],
    ['template("{N}-{{x}}-{M}", {"M": N + 1})', "3-{x}-4"],
    ['like("test", ".es.*")', "true"],
    ['schema({"x": 0, "y": 1.5})["y"]', "float"],
    ['len(select([{"a": 1}, {"a": 2}], a > 1))', "1"],
    ['[{"a": 1}, {"a": 2}].where(a > 0).project(a)[1]', "2"],
    ['len(keys({"k" + n: n for n in ["1", "2"]}))', "2"],
  ])("%s", (expression, expected) => {
    expect(valueOf(expression, '"N": 3')).toBe(`=${expected}`);
  });

  test("definitions use each other and what is around them", () => {
    expect(valueOf("B", '"B": "b" + A, "A": N, "N": 2')).toBe("=b2");
    expect(valueOf('join([F for N in ["1", "2"]])', '"F": "f" + N')).toBe("=f1 f2");
  });

  test("numbers print as C prints them", () => {
    expect([0.1 + 0.2, 100, 1e20, 1e-7].map((each) => general(each, 16))).toEqual([
      "0.3",
      "100",
      "1e+20",
      "1e-07",
    ]);
    expect(general(1_234_567, 6)).toBe("1.23457e+06");
  });

  test("a file's names can be taken from a folder", () => {
    const cwd = mkdtempSync(path.join(tmpdir(), "jx-"));
    try {
      mkdirSync(path.join(cwd, "in"));
      for (const name of ["b", "a"]) writeFileSync(path.join(cwd, "in", name), "");
      writeFileSync(
        path.join(cwd, "w.jx"),
        '{"rules": [{"command": "e", "outputs": [f]} for f in listdir("in")]}',
      );
      expect(namesOf(loadSpec("w.jx", { cwd }))).toEqual(["a", "b"]);
    } finally {
      rmSync(cwd, { recursive: true });
    }
  });
});

test("rules, categories, environments and files", () => {
  const definition = load(
    `# comment
    {
      "environment": {"A": "1", "B": 2},
      "default_category": "other",
      "categories": {
        "big": {"resources": {"cores": 4, "memory": 8}, "environment": {"B": "3"}},
      },
      "rules": [
        {
          "command": "make",
          "inputs": ["in", {"dag_name": "x"}],
          "outputs": ["out"],
          "category": "big",
          "resources": {"gpus": 1, "wall-time": 60},
          "environment": {"C": "4"},
          "local_job": true,
        },
        {"command": "use " + n, "inputs": ["out"], "outputs": [n]} for n in ["a", "b"],
      ]
    }`,
    "flow.jx",
  );
  expect(definition.name).toBe("flow");
  expect(edgesOf(definition)).toEqual(["out → a", "out → b"]);
  expect(bodiesOf(definition)[0]).toEqual({
    name: "out",
    command: { kind: "shell", shell: "sh", text: "make" },
    inputs: ["in", "x"],
    outputs: ["out"],
    env: { A: "1", B: "3", C: "4", OMP_NUM_THREADS: "4" },
  });
  expect(bodiesOf(definition)[1]!.env).toEqual({ A: "1", B: "2" });
  expect(definition.blocks.map(({ category }) => category)).toEqual(["big", "other"]);
  expect(definition.blocks[0]).toMatchObject({
    requirement: { cpus: 4, gpus: 1, memoryBytes: 8 * 1024 * 1024 },
    timeoutSeconds: 60,
  });
  expect(warningsOf(definition)).toEqual([
    "9: this LOCAL rule runs on any worker, not beside the server",
  ]);
});

test("values given from outside come before those of the document", () => {
  const text = '{"define": {"N": 1}, "rules": [{"command": "e " + N + M + len(L)}]}';
  const definition = loadFiles({ "w.jx": text }, ["N=2 + 3", "M=some text", "L=[1, 2]"]);
  expect(commandsOf(definition)).toEqual({ "rule-1": "e 5some text2" });
});

describe("mistakes", () => {
  const rules = (inside: string): string => `{"rules": [${inside}]}`;
  test.each([
    [
      '{"rules": [\n{"command": "e}\n',
      '2:13 a text is opened and never closed: "e} [close it with "]',
    ],
    [
      rules('{"command": nmae} for name in ["a"]'),
      "1:24 'nmae' is not defined [did you mean name?]",
    ],
    [
      rules('{"command": "e" "f"}'),
      "1:28 \"f\" stands where a comma or '}' should [put a comma before it, or an operator; texts are joined with +]",
    ],
    [
      rules("1 for x in 5"),
      "1:23 'for' goes through a list, not a whole number [write for NAME in range(10)]",
    ],
    [
      rules('{"command": "e" + []}'),
      "1:28 '+' is not for a text and a list [join lists with join(), add lists to lists]",
    ],
    [rules('{"command": lenn([])}'), "1:24 there is no function 'lenn' [did you mean len?]"],
    [rules('{"command": "" + 1 / 0}'), "1:31 a division by zero [divide by something else]"],
    [rules('{"comand": "e"}'), `1:23 a rule has no key 'comand' [did you mean "command"?]`],
    [
      rules("5"),
      '1:12 a rule is an object, not a whole number [write {"command": …, "outputs": […]}]',
    ],
    [
      rules('{"command": "e", "inputs": [1]}'),
      '1:40 a file of "inputs" is no name: a whole number [write "FILE" or {"dag_name": "FILE", "task_name": "NAME"}]',
    ],
    [
      rules('{"command": "e", "outputs": ["a"]}, {"command": "f", "outputs": ["a"]}'),
      "1:77 two rules make 'a': this one and the one at w.jx:1:41 [let every rule make files of its own]",
    ],
    [
      rules('{"command": "e", "resources": {"cors": 1}}'),
      `1:51 "resources" has no key 'cors' [did you mean "cores"?]`,
    ],
    ['{"ruls": []}', null],
    ["[1]", '1:1 a workflow in JX is an object [write {"rules": [ … ]}]'],
    ["", "1:1 the document ends where a value should stand [write the value]"],
    ['{"rules": [', "1:11 '[' is opened and never closed [close it with ]]"],
    [
      `{"define": {"A": B, "B": A}, "rules": [{"command": A}]}`,
      "1:26 'A' is defined by itself [take it out of its definition]",
    ],
    [
      '{"rules": []}',
      '1:1 the workflow has no rules [write {"rules": [{"command": …, "outputs": […]}]}]',
    ],
    [rules('{"command": like("a", "(a+)+")}'), null],
    [rules('{"command": fetch("http://x")}'), null],
  ])("%j", (text, mistake) => {
    const told = mistakesOf(text, "w.jx");
    if (mistake === null) expect(told.length).toBeGreaterThan(0);
    else expect(told).toContain(mistake);
  });

  test.each([
    ["brackets", `{"rules": ${"[".repeat(100_000)}`],
    ["signs", `{"rules": ${"-".repeat(100_000)}1}`],
    ["a sum", `{"rules": [{"command": ${'"a" + '.repeat(100_000)}"a"}]}`],
    ["a list", '{"rules": [{"command": "e"} for a in range(10000) for b in range(10000)]}'],
    ["a range", '{"rules": range(1000000000000)}'],
    [
      "definitions",
      `{"define": {"A0": "xx", ${Array.from({ length: 60 }, (_, i) => `"A${i + 1}": A${i} + A${i}`).join(", ")}}, "rules": [{"command": A60}]}`,
    ],
    [
      "a chain",
      `{"define": {"A0": "x", ${Array.from({ length: 5000 }, (_, i) => `"A${i + 1}": "" + (A${i})`).join(", ")}}, "rules": [{"command": A5000}]}`,
    ],
    [
      "lists in lists",
      `{"define": {"A0": [1, 1], ${Array.from({ length: 60 }, (_, i) => `"A${i + 1}": A${i} + A${i}`).join(", ")}}, "rules": A60}`,
    ],
  ])(
    "%s without an end",
    (_, text) => {
      const started = performance.now();
      expect(mistakesOf(text, "w.jx").length).toBeGreaterThan(0);
      expect(performance.now() - started).toBeLessThan(30_000);
    },
    60_000,
  );
});
