import { describe, expect, test } from "bun:test";
import { edgesOf, load, mistakesOf, namesOf, tasks, textOf } from "./testing.ts";

const array = (name: string, count: number, more = ""): string =>
  `  - {name: '${name}_{i}', command: e, parameters: {i: '1:${count}'}${more}}`;

describe("groups cost what their members are", () => {
  const MANY = 10_000_000;
  test("an expression over ten million tasks, which are not looked at", () => {
    const w = load(
      tasks(array("a", MANY), array("b", MANY, ", depends_on_regexes: ['^a_']"), array("c", 5)),
    );
    expect(w.sets).toEqual([{ members: [[0, MANY]], dependents: [[MANY, MANY]] }]);
    const some = load(
      tasks(array("a", 1000), "  - {name: z, command: e, depends_on_regexes: [_5]}"),
    );
    expect(edgesOf(some)).toHaveLength(111);
  });
  test("10,000 times 10,000, in every way they can be written", () => {
    const started = performance.now();
    const explicit = (name: string, more: string): string =>
      Array.from({ length: 10_000 }, (_, i) => `  - {name: ${name}${i}, command: e${more}}`).join(
        "\n",
      );
    for (const text of [
      tasks(array("a", 10_000), array("b", 10_000, ", depends_on: ['a_{{i}}']")),
      tasks(explicit("a", ""), explicit("b", ", depends_on_regexes: ['^a']")),
      tasks(explicit("a", ", stage: 1"), explicit("b", ", stage: 2")),
    ]) {
      const { sets, edges } = load(text);
      expect(edges).toEqual([]);
      expect(sets).toEqual([{ members: [[0, 10_000]], dependents: [[10_000, 10_000]] }]);
    }
    expect(performance.now() - started).toBeLessThan(20_000);
  }, 60_000);
  test("too many names to look at are refused", () => {
    expect(
      mistakesOf(
        tasks(array("a", MANY), "  - {name: z, command: e, depends_on_regexes: ['_7$']}"),
      )[0],
    ).toStartWith("4:48 '_7$': there are too many tasks");
  });
});

test("stages in the order of their numbers, whatever the order of the tasks", () => {
  const w = load(
    tasks(
      "  - {name: last, command: e, stage: 30}",
      "  - {name: a, command: e, stage: 1}",
      "  - {name: free, command: e}",
      "  - {name: b, command: e, stage: 1}",
      "  - {name: 'm_{i}', command: e, stage: 7, parameters: {i: '1:2'}}",
    ),
  );
  expect(edgesOf(w)).toEqual([
    "a → m_1",
    "a → m_2",
    "b → m_1",
    "b → m_2",
    "m_1 → last",
    "m_2 → last",
  ]);
});

test("user data is read after everybody who makes it", () => {
  const w = load(
    `user_data: [{name: d}, {name: 'p_{i}', parameters: {i: '1:2'}}]\n${tasks(
      "  - {name: a, command: e, output_user_data: [d]}",
      "  - {name: b, command: e, output_user_data: d}",
      "  - {name: 'c_{i}', command: e, parameters: {i: '1:2'}, input_user_data: d, output_user_data: 'p_{i}'}",
      "  - {name: 'x_{k}', command: e, parameters: {k: '1:2'}, input_user_data: 'p_{k}'}",
      "  - {name: all, command: e, input_user_data_regexes: ['^p_']}",
    )}`,
  );
  expect(edgesOf(w)).toEqual([
    "a → c_1",
    "a → c_2",
    "b → c_1",
    "b → c_2",
    "c_1 → all",
    "c_1 → x_1",
    "c_2 → all",
    "c_2 → x_2",
  ]);
});

describe("named files", () => {
  const FILES = `files:
  - {name: raw, path: "in dir/raw.dat"}
  - {name: 'part_{i:02d}', path: 'parts/{i}.dat', parameters: {i: '1:10'}}
  - {name: x_a, path: first}
  - {name: x_b, path: second}
`;
  const commandOf = (text: string, task = 0): string =>
    textOf(load(FILES + text), task, ({ command }) =>
      command.kind === "argv" ? command.argv.map(String).join("|") : command.text,
    );
  test("are one word in a command, and as they are in a list", () => {
    expect(
      commandOf(tasks("  - {name: t, command: 'e ${files.input.raw} \"${files.input.raw}\"'}")),
    ).toBe(String.raw`e in\ dir/raw.dat "in dir/raw.dat"`);
    expect(commandOf(tasks("  - {name: t, command: [e, 'x=${files.input.raw}']}"))).toBe(
      "e|x=in dir/raw.dat",
    );
  });
  test("of arrays, with other parameters of the same values, stay templates", () => {
    const text = tasks(
      "  - {name: 'm_{i}', command: 'e {i}', output_files: ['part_{i:02d}'], parameters: {i: '1:10'}}",
      "  - {name: 'r_{k}_{j}', command: 'e ${files.input.part_{k:02d}} {j}', parameters: {j: [a, b], k: [2, 7]}}",
    );
    const w = load(FILES + text);
    expect(w.blocks.map(({ kind }) => kind)).toEqual(["array", "array"]);
    expect(edgesOf(w)).toEqual(["m_2 → r_2_a", "m_2 → r_2_b", "m_7 → r_7_a", "m_7 → r_7_b"]);
    expect(commandOf(text, 12)).toBe("e parts/2.dat b");
  });
  test("are looked up task by task where nothing else tells them", () => {
    const text = tasks(
      "  - {name: 't_{k}', command: 'e ${files.input.x_{k}} {k}', parameters: {k: [a, b]}}",
    );
    expect([commandOf(text, 0), commandOf(text, 1)]).toEqual(["e first a", "e second b"]);
    expect(
      mistakesOf(
        FILES +
          tasks("  - {name: 't_{k}', command: e, input_files: 'x_{k}', parameters: {k: [a, c]}}"),
      )[0],
    ).toStartWith("8:46 no file is called 'x_c' [did you mean 'x_a'?]");
  });
  test("by expression", () => {
    const w = load(
      FILES + tasks("  - {name: t, command: e, input_file_regexes: ['^part_0[12]', raw]}"),
    );
    const [block] = w.blocks;
    expect(block?.kind === "explicit" ? block.bodies?.[0]?.inputs : null).toEqual([
      "parts/1.dat",
      "parts/2.dat",
      "in dir/raw.dat",
    ]);
  });
  test.each([
    ["{name: raw}", "2:11 a file has no path"],
    ["{path: x}", "2:11 a file has no name"],
    ["{name: a, path: x}, {name: a, path: y}", "2:38 two files are called 'a'"],
    [
      "{name: a, path: 'x_{i}', parameters: {i: '1:2'}}",
      "2:18 several files would have this name: the path uses 'i' and the name does not",
    ],
    [
      "{name: 'a_{j}', path: x, parameters: {i: '1:2'}}",
      "2:21 the parameter 'j' is used but not given",
    ],
  ])("files: [%s]", (files, message) => {
    const text = `name: w\nfiles:   [${files}]\ntasks: [{name: t, command: e}]\n`;
    expect(mistakesOf(text)[0]).toStartWith(message);
  });
});

describe("instances of one name", () => {
  test("bring together what each of them waits for, in arrays and alone", () => {
    const w = load(
      tasks(
        "  - {name: 'a_{d}_{k}', command: 'e {d} {k}', parameters: {d: [x, y], k: '1:2'}}",
        "  - {name: 'r_{d}', command: 'e {d}', parameters: {d: [x, y], k: '1:2'}, depends_on: ['a_{d}_{k}']}",
        "  - {name: end, command: e, parameters: {d: [x, y]}, depends_on: ['r_{d}']}",
        "  - {name: whole, command: e, depends_on: ['r_{d}']}",
      ),
    );
    expect(namesOf(w)).toEqual(["a_x_1", "a_x_2", "a_y_1", "a_y_2", "r_x", "r_y", "end", "whole"]);
    expect(edgesOf(w)).toEqual([
      "a_x_1 → r_x",
      "a_x_2 → r_x",
      "a_y_1 → r_y",
      "a_y_2 → r_y",
      "r_x → end",
      "r_x → whole",
      "r_y → end",
      "r_y → whole",
    ]);
  });
  test("are refused above what can be written out", () => {
    expect(
      mistakesOf(tasks("  - {name: all, command: e, parameters: {i: '1:200000'}}"))[0],
    ).toStartWith("3:12 several of the 200000 tasks of 'all' have one name");
  });
});

test("human units, one meaning each, in every field", () => {
  const seconds = (text: string): unknown =>
    load(tasks(`  - {name: t, command: e, timeout: "${text}", runtime: "${text}"}`)).blocks[0];
  for (const text of ["1800", "30m", "PT30M", "0:30:00", "1800s", "0.5h"])
    expect(seconds(text)).toMatchObject({
      timeoutSeconds: 1800,
      requirement: { runtimeSeconds: 1800 },
    });
  const bytes = (text: string): unknown =>
    load(tasks(`  - {name: t, command: e, memory: "${text}", disk: "${text}"}`)).blocks[0];
  for (const text of ["1.5GiB", "1536m", "1.5g", "1536 MiB", "1610612736"])
    expect(bytes(text)).toMatchObject({
      requirement: { memoryBytes: 1.5 * 1024 ** 3, diskBytes: 1.5 * 1024 ** 3 },
    });
});
