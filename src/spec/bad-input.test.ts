import { describe, expect, test } from "bun:test";
import { mistakesOf, oneTask as task, tasks } from "./testing.ts";

const command = (line: string): string => tasks("  - name: x", `    command: ${line}`);

describe("text that YAML reads as something else", () => {
  test.each([
    ["{prog} --in", "4:14 YAML reads the unquoted {…} as a mapping", 'command: "{prog} --in"'],
    ["{i} x {j}", "4:14 YAML reads the unquoted {…} as a mapping", 'command: "{i} x {j}"'],
    [
      "{i}",
      "4:14 YAML reads the unquoted {…} as a mapping, and 'command' must be text",
      'command: "{i}"',
    ],
    ["[ -f x ] && y", "4:14 YAML reads the unquoted […] as a list", 'command: "[ -f x ] && y"'],
    [
      "echo a: b",
      "4:20 YAML reads the unquoted `: ` as the start of a mapping",
      'command: "echo a: b"',
    ],
    [
      "*.sh x",
      "4:14 an unquoted text cannot start with '*', which is an alias to YAML",
      'command: "*.sh x"',
    ],
    ["`date`", "4:14 an unquoted text cannot start with '`'", 'command: "`date`"'],
    ["%x", "4:14 an unquoted text cannot start with '%'", 'command: "%x"'],
    [
      "!x y",
      "4:14 an unquoted text cannot start with '!', which is a tag to YAML",
      'command: "!x y"',
    ],
    ['"open', "4:14 a quote is opened and never closed", "close the quote"],
  ])("command: %s", (line, message, fix) => {
    const [first] = mistakesOf(command(line));
    expect(first).toContain(message);
    expect(first).toContain(fix);
  });
  test("in lists", () => {
    expect(mistakesOf(task("inputs:", "  - a: b"))[0]).toMatch(
      /^6:10 YAML reads the unquoted `: ` as a mapping.*- "a: b"/,
    );
    expect(mistakesOf(task("depends_on: [a_{i}, b]"))[0]).toMatch(
      /^5:18 YAML reads an unquoted \{…\}.*"a_\{i\}"/,
    );
  });
  test("words that are booleans and numbers elsewhere", () => {
    expect(mistakesOf("name: no\ntasks: [{name: 012, command: e}]")).toEqual([
      `1:7 'name' must be text, not 'no', which YAML programs read as a boolean [quote it: name: "no"]`,
      `2:16 'name' must be text, not the number 012 [quote it: name: "012"]`,
    ]);
  });
  test("tabs", () => {
    expect(mistakesOf("name: w\ntasks:\n\t- name: x\n")[0]).toBe(
      "3:1 a tab is used to indent [indent with spaces]",
    );
  });
  test("the same key twice", () => {
    expect(mistakesOf("name: w\nname: v\ntasks: []\n")[0]).toBe(
      "2:1 the key 'name' is there twice [keep one of them]",
    );
  });
  test("several documents", () => {
    expect(mistakesOf("name: w\n---\nname: v\n")[0]).toMatch(
      /^2:1 the file holds 2 YAML documents/,
    );
  });
  test("anchors that explode", () => {
    const level = (key: string, of: string): string =>
      `${key}: &${key} [${Array(10).fill(of).join(",")}]\n`;
    const bomb =
      level("a", "1") +
      level("b", "*a") +
      level("c", "*b") +
      level("d", "*c") +
      level("e", "*d") +
      level("f", "*e");
    expect(mistakesOf(bomb)[0]).toMatch(
      /^\d+:\d+ anchors and aliases multiply this document beyond reason/,
    );
  });
});

describe("files that hold no workflow", () => {
  test.each([
    ["", "1:1 the file is empty"],
    ["  \n\n", "1:1 the file is empty"],
    ["# nothing\n", "1:1 the file holds only comments"],
    ["hello\n", "1:1 a workflow is a mapping of keys, and this document is text"],
    ["- name: x\n", "1:1 a workflow is a mapping of keys, and this document is a list"],
    ["name: w\n", "1:1 the workflow has no tasks"],
    ["name: w\ntasks: []\n", "2:8 the list of tasks is empty"],
    ["name: w\ntasks: {a: b}\n", "2:8 'tasks' must be a list"],
  ])("%j", (text, message) => {
    expect(mistakesOf(text)[0]).toStartWith(message);
  });
  test("binary files", () => {
    expect(mistakesOf(new Uint8Array([97, 58, 0, 1]))[0]).toMatch(/^1:1 this is a binary file/);
    expect(mistakesOf(new Uint8Array([97, 58, 32, 0xff, 0xfe]))[0]).toMatch(
      /^1:1 this is a binary file/,
    );
    expect(mistakesOf("name: w\nx: \u0001\n")[0]).toMatch(/^2:4 this is a binary file/);
  });
});

describe("keys and types", () => {
  test("unknown keys name the nearest", () => {
    expect(mistakesOf("nam: w\ntasks: [{name: a, comand: e, depend_on: b}]\n")).toEqual([
      "1:1 a workflow has no key 'nam' [did you mean 'name'?]",
      "1:1 the workflow has no name [add `name:` at the top, or give --name]",
      "2:19 a task has no key 'comand' [did you mean 'command'?]",
      "2:30 a task has no key 'depend_on' [did you mean 'depends_on'?]",
    ]);
    expect(mistakesOf(task("zzz: 1"))[0]).toMatch(
      /^5:5 a task has no key 'zzz' \[the keys of a task are name, /,
    );
    expect(mistakesOf(tasks("  - shell: sh"))).toEqual([
      "3:5 a task has no name [add `name:`]",
      "3:5 the task has no command [add `command:`, a text or a list of words]",
    ]);
    expect(mistakesOf(task("inputs: a", "input_files: b"))[0]).toBe(
      "6:5 'input_files' and 'inputs' say the same thing [keep one of them]",
    );
  });
  test.each([
    ["retries: many", "5:14 'retries' must be a whole number of 0 or more, not 'many'"],
    ["retries: -1", "5:14 'retries' must be a whole number of 0 or more, not -1"],
    ["retries: 1.5", "5:14 'retries' must be a whole number"],
    ["timeout: 1:30", "5:14 'timeout': '1:30' is ambiguous"],
    ["timeout: 0", "5:14 a timeout of 0"],
    ["memory: 4 gb?", "5:13 'memory': '4 gb?' is not an amount of memory"],
    ["memory: [1]", "5:13 'memory' must be an amount"],
    ["cpus: two", "5:11 'cpus' must be a number of 0 or more, not 'two'"],
    [
      "depends_on: {a: b}",
      "5:17 YAML reads the unquoted {…} as a mapping, and 'depends_on' must be text or a list of texts",
    ],
    ["inputs: 7", "5:13 'inputs' must be text or a list of texts, not the number 7"],
    ["env: [A]", "5:10 'env' must be a mapping"],
    ["env: {A: }", "5:11 'A' must be text"],
    ["env: {1A: x}", "5:11 '1A' cannot be the name of an environment variable"],
    ["shell: zsh", "5:12 'shell' must be one of sh, bash, none, not 'zsh'"],
    ["on_upstream_failure: maybe", "5:26 'on_upstream_failure' must be one of skip, run"],
    ["scheduler: s", "5:16 no scheduler is called 's'"],
    ["outputs:", "5:5 'outputs' must be text or a list of texts, not empty"],
  ])("%s", (line, message) => {
    expect(mistakesOf(task(line))[0]).toStartWith(message);
  });
  test("resource requirements", () => {
    const named = "resource_requirements: [{name: small, num_cpu: 1}]\n";
    expect(mistakesOf(named + task("resource_requirements: smal", "cpus: 1"))).toEqual([
      "1:39 a resource requirement has no key 'num_cpu' [did you mean 'num_cpus'?]",
      "6:28 no resource requirement is called 'smal' [did you mean 'small'?]",
      "7:5 'cpus' and 'resource_requirements' are both given [move 'cpus' into the resource requirements, or keep only the shorthand]",
    ]);
  });
  test("at most twenty, the rest counted", () => {
    const many = mistakesOf(
      tasks(...Array.from({ length: 50 }, (_, i) => `  - {name: t${i}, command: e, x: 1}`)),
    );
    expect(many).toHaveLength(21);
    expect(many.at(-1)).toContain("30 more mistakes are not shown");
  });
});

describe("parameters", () => {
  const array = (values: string, text = "x_{i}"): string =>
    tasks(`  - name: ${text}`, "    parameters:", `      i: ${values}`, "    command: e");
  test.each([
    ["5:1", "5:10 parameter 'i': the range 5:1 is empty"],
    ["1:5:0", "5:10 parameter 'i': the step of the range 1:5:0 is 0"],
    ["[]", "5:10 the parameter 'i' has an empty list"],
    ["1:x", "5:10 parameter 'i': '1:x' is not a range"],
    ["", "5:7 'i' must be text"],
    ["1:1000000000", "5:10 parameter 'i': the range 1:1000000000 has 1000000000 values"],
  ])("i: %s", (values, message) => {
    expect(mistakesOf(array(values))[0]).toStartWith(message);
  });
  test("used but not given", () => {
    const text = tasks(
      "  - name: x_{i}",
      "    parameters: {i: '1:3'}",
      "    command: echo {j} {i:zz}",
      "    env: {A: 'b {k}'}",
    );
    expect(mistakesOf(text)).toEqual([
      "5:19 the parameter 'j' is used but not given (there is i) [add 'j' to the parameters, or write {{j}} for the text {j}]",
      "6:17 the parameter 'k' is used but not given (there is i) [add 'k' to the parameters, or write {{k}} for the text {k}]",
    ]);
    expect(mistakesOf(array("[a, b]", "x_{i:03d}"))[0]).toStartWith(
      "3:13 parameter 'i': '03d' prints numbers, and 'a' is none",
    );
  });
  test("shared ones and zip", () => {
    const uses = tasks("  - name: x_{ii}", "    use_parameters: [ii]", "    command: e");
    expect(mistakesOf(`parameters: {iii: '1:3'}\n${uses}`)[0]).toBe(
      "5:22 the workflow has no parameter 'ii' [did you mean 'iii'?]",
    );
    const zip = tasks(
      "  - name: x_{i}_{j}",
      "    parameters: {i: '1:3', j: '1:2'}",
      "    parameter_mode: zip",
      "    command: e",
    );
    expect(mistakesOf(zip)[0]).toStartWith(
      "5:21 'zip' pairs values one by one, and i has 3, j has 2",
    );
  });
});

describe("names, edges and files", () => {
  test("two tasks of one name", () => {
    const text = tasks("  - {name: a, command: e}", "  - {name: a, command: e}");
    expect(mistakesOf(text)).toEqual(["4:12 two tasks are called 'a' [rename one of them]"]);
    const differ = tasks("  - {name: all, command: 'e {i}', parameters: {i: '1:5'}}");
    expect(mistakesOf(differ)[0]).toStartWith(
      "3:12 several tasks of this array are called 'all', and their commands differ",
    );
    const arrays = tasks(
      "  - {name: 'x_{i}', command: e, parameters: {i: '1:5'}}",
      "  - {name: x_3, command: e}",
      "  - {name: all, command: e, parameters: {i: '1:5'}}",
      "  - {name: 'x_{k}', command: e, parameters: {k: '5:9'}}",
    );
    expect(mistakesOf(arrays).map((each) => each.split(" [")[0])).toEqual([
      "4:12 two tasks are called 'x_3'",
      "6:12 two tasks are called 'x_5'",
    ]);
  });
  test("a dependency that names nothing", () => {
    const text = tasks(
      "  - {name: prepare, command: e}",
      "  - name: b",
      "    command: e",
      "    depends_on: [prepare, prepaer]",
    );
    expect(mistakesOf(text)).toEqual([
      "6:27 no task is called 'prepaer' [did you mean 'prepare'?]",
    ]);
    const element = tasks(
      "  - {name: 'a_{i}', command: e, parameters: {i: '1:3'}}",
      "  - {name: 'b_{i}', command: e, parameters: {i: '1:4'}, depends_on: 'a_{i}'}",
    );
    expect(mistakesOf(element)[0]).toStartWith("4:69 no task is called 'a_4'");
  });
  test("cycles are printed", () => {
    const text = tasks(
      "  - {name: a, command: e, depends_on: c}",
      "  - {name: b, command: e, depends_on: a}",
      "  - {name: c, command: e, depends_on: [b]}",
    );
    expect(mistakesOf(text)).toEqual([
      "3:27 tasks wait for each other: a → c → b → a [remove one of these dependencies]",
    ]);
    const files = tasks(
      "  - {name: a, command: e, inputs: q, outputs: p}",
      "  - {name: b, command: e, inputs: p, outputs: ./q}",
    );
    expect(mistakesOf(files)[0]).toStartWith("3:27 tasks wait for each other: a → b → a");
    expect(mistakesOf(task("inputs: o", "outputs: o"))[0]).toStartWith(
      "5:5 a task waits for itself: x → x",
    );
    const arrays = tasks(
      "  - {name: 'a_{i}', command: e, parameters: {i: '1:3'}, depends_on: z}",
      "  - {name: z, command: e, depends_on: 'a_{i}'}",
    );
    expect(mistakesOf(arrays)[0]).toStartWith("3:57 tasks wait for each other: a_3 → z → a_3");
  });
  test("one output of two tasks", () => {
    const text = tasks(
      "  - {name: a, command: e, outputs: [x/y]}",
      "  - {name: b, command: e, outputs: [x//y]}",
      "  - {name: 'c_{i}', command: e, outputs: o, parameters: {i: '1:2'}}",
    );
    expect(mistakesOf(text).map((each) => each.split(" [")[0])).toEqual([
      "4:36 two tasks list the output 'x/y': a and b",
      "5:42 two tasks list the output 'o': c_1 and c_2",
    ]);
  });
  test("an input that nobody makes and that is absent", () => {
    const text = tasks(
      "  - name: a",
      "    command: e",
      "    inputs: [made, missing]",
      "  - {name: b, command: e, outputs: made}",
      "  - name: c_{i}",
      "    parameters: {i: '1:30'}",
      "    command: e",
      "    inputs: ['in_{i}']",
    );
    expect(mistakesOf(text, "inputs").map((each) => each.split(" [")[0])).toEqual([
      "5:20 the input 'missing' does not exist, and no task makes it",
      "10:14 the input 'in_1' does not exist (and 29 more of this array), and no task makes it",
    ]);
  });
});

describe("large documents", () => {
  const padding = Array.from(
    { length: 30_000 },
    (_, i) => `  - name: t${i}\n    command: ./run --number ${i} out\n`,
  ).join("");
  test("mistakes stand at their place", () => {
    const bad =
      "  - name: bad\n    comand: e\n    retries: x\n  - name: t5\n    command: 'echo a: b'\n";
    const lines = padding.split("\n").length + 1;
    const found = mistakesOf(`name: w\ntasks:\n${padding}${bad}`);
    expect(found.map((each) => each.split(" [")[0])).toEqual([
      `${lines + 2}:5 a task has no key 'comand'`,
      `${lines + 3}:14 'retries' must be a whole number of 0 or more, not 'x'`,
    ]);
    expect(mistakesOf(`name: w\ntasks:\n${padding}  - name: t5\n    command: e\n`)[0]).toStartWith(
      `${lines + 1}:11 two tasks are called 't5'`,
    );
    expect(
      mistakesOf(`name: w\ntasks:\n${padding}  - name: z\n    command: echo a: b\n`)[0],
    ).toStartWith(`${lines + 2}:20 YAML reads the unquoted`);
    expect(mistakesOf(`name: w\ntasks:\n${padding}tsks: []\n`)[0]).toBe(
      `${lines + 1}:1 a workflow has no key 'tsks' [did you mean 'tasks'?]`,
    );
    expect(mistakesOf(`name: w\ntasks:\n${padding}   bad\n`)[0]).toMatch(/^\d+:\d+ /);
  });
  test("50 MB that are no workflow are refused within 2 s", () => {
    const bytes = 50_000_000;
    const repeat = (text: string): string => text.repeat(Math.ceil(bytes / text.length));
    const nul = new Uint8Array(bytes).fill(65);
    nul[40_000_000] = 0;
    for (const content of [
      repeat("lorem ipsum: dolor\n"),
      repeat("x"),
      repeat("\n"),
      repeat("[{},"),
      `name: w\ntasks:\n${repeat("  - garbage [ {\n")}`,
      `name: w\ntasks:\n${repeat("  - name: a\n    comand: e\n")}`,
      nul,
    ]) {
      const started = performance.now();
      expect(mistakesOf(content).length).toBeGreaterThan(0);
      expect(performance.now() - started).toBeLessThan(2000);
    }
  }, 30_000);
});
