import { describe, expect, test } from "bun:test";
import { edgesOf, namesOf } from "../testing.ts";
import { makeflowKind } from "./index.ts";
import { bodiesOf, commandOf, commandsOf, load, mistakesOf, warningsOf } from "./testing.ts";

const rule = (command: string): string => `out:\n\t${command}\n`;

test("which files are Makeflow's", () => {
  const kinds = (...files: string[]): unknown => files.map((file) => makeflowKind(file, ""));
  expect(kinds("a.makeflow", "b/a.mf", "a.makeflow.old", "Makeflow", "Makeflow.test")).toEqual(
    Array.from({ length: 5 }, () => "makeflow"),
  );
  expect(kinds("a.jx", "a.JX", "a.yaml", "a.json", "a.kdl", "a")).toEqual([
    "jx",
    "jx",
    null,
    null,
    null,
    null,
  ]);
  expect(makeflowKind("flow", "# x\nA=1\nout: in\n@B=2\n\tcp in out\n")).toBe("makeflow");
  expect(makeflowKind("flow", "name: w\ntasks:\n  - name: a\n")).toBeNull();
  expect(makeflowKind("flow", '# x\n{"rules": []}')).toBe("jx");
  expect(makeflowKind("a.json", '{"rules": []}')).toBe("jx");
  expect(makeflowKind("a.json", '{"tasks": [], "rules": []}')).toBeNull();
});

test("one rule is one task, which is called as its first output", () => {
  const definition = load("a b: c\n\tmake a b\n\nd: a b\n\tcat a b > d\n", "x/flow.makeflow");
  expect(definition.name).toBe("flow");
  expect(namesOf(definition)).toEqual(["a", "d"]);
  expect(edgesOf(definition)).toEqual(["a → d"]);
  expect(bodiesOf(definition)[0]).toEqual({
    name: "a",
    command: { kind: "shell", shell: "sh", text: "make a b" },
    inputs: ["c"],
    outputs: ["a", "b"],
  });
});

describe("variables", () => {
  test("are put in where they are used, with what was said before", () => {
    const text = "A=1\nB=$(A)2\nA+=3\nout:\n\techo $A ${B} $(A)x\n";
    expect(commandOf(text)).toBe("echo 1 3 12 1 3x");
  });

  test("of a rule are its own, however they are written", () => {
    const text = "A=1\nx:\nA=2\n\techo $A\ny:\n@A+=3\n\techo $A\nz:\n\techo $A\n";
    expect(commandsOf(load(text))).toEqual({ x: "echo 2", y: "echo 1 3", z: "echo 1" });
  });

  test("of a category are for its rules, and the last category goes on", () => {
    const text =
      "V=0\nCATEGORY=a\nV=1\nx:\n\techo $V\n.MAKEFLOW CATEGORY b\ny:\n\techo $V $(CATEGORY)\nz:\nCATEGORY=a\n\techo $V\n";
    const definition = load(text);
    expect(commandsOf(definition)).toEqual({ x: "echo 1", y: "echo 0 b", z: "echo 1" });
    expect(definition.blocks.map(({ category }) => category)).toEqual(["a", "b", "a"]);
  });

  test("that nobody sets come from the environment", () => {
    process.env["MAKEFLOW_TEST_VALUE"] = "here";
    expect(commandOf(rule("echo $MAKEFLOW_TEST_VALUE"))).toBe("echo here");
    delete process.env["MAKEFLOW_TEST_VALUE"];
  });

  test("are exported to all rules, each with its own value", () => {
    const text = 'A="x y"\nexport A B\nexport C=3\na:\n\te\nb:\nA=2\nB=1\n\te\n';
    expect(bodiesOf(load(text)).map(({ env }) => env)).toEqual([
      { A: "x y", C: "3" },
      { A: "2", B: "1", C: "3" },
    ]);
  });

  test("hold commands and lists of files", () => {
    const text = 'F="a b" c\nG=e f\nC=cat "a b"\n$(F) d: $(G).in\n\t$(C) > \'$(F)\'\n';
    const [body] = bodiesOf(load(text));
    expect(body).toMatchObject({ outputs: ["a b", "c", "d"], inputs: ["e", "f.in"] });
    expect(body!.command).toMatchObject({ text: `cat "a b" > '$(F)'` });
  });

  test("in variables end somewhere", () => {
    expect(mistakesOf("A=\\$A\nout:\n\techo $A\n")[0]).toStartWith(
      "3:7 variables stand in each other more than 32 times",
    );
    const doubling = Array.from({ length: 40 }, (_, i) => `A${i + 1}=$(A${i})$(A${i})`).join("\n");
    expect(mistakesOf(`A0=xxxx\n${doubling}\n`)[0]).toContain("make this text too long");
  });
});

describe("commands", () => {
  test.each([
    [String.raw`echo \$HOME \"a\" 'b c'`, `echo $HOME "a" 'b c'`],
    ["a   b \\\n\t c # comment", "a b c"],
    ['echo "# no comment" x # yes', 'echo "# no comment" x'],
    [String.raw`echo "a\tb" \#`, 'echo "a\tb" #'],
    [String.raw`awk '{print $1}' < a > b`, "awk '{print $1}' < a > b"],
    [`echo "it's"`, `echo "it's"`],
    ["echo \\${spec_dir}", "echo ${spec_dir-}"],
  ])("%s", (written, read) => {
    expect(commandOf(rule(written))).toBe(read);
  });

  test("begin with blanks as well as a tab, and comments and blank lines come before", () => {
    expect(commandOf("out:\n\n# x\n   \n    echo a\n")).toBe("echo a");
    expect(commandOf("\uFEFFout:\r\n\techo a\r\n")).toBe("echo a");
  });

  test("LOCAL is told to those who submit", () => {
    const definition = load("a:\n\tLOCAL e\nb:\nBATCH_LOCAL=1\n\te\nc:\n\te LOCAL\n");
    expect(commandsOf(definition)).toEqual({ a: "e", b: "e", c: "e LOCAL" });
    expect(warningsOf(definition)).toEqual([
      "1: 2 LOCAL rules run on any worker, not beside the server",
    ]);
  });
});

test("resources are those of the rule, its category, or all", () => {
  const text = [
    "MEMORY=512",
    ".MAKEFLOW CORES 2",
    "a:",
    "\te",
    "CATEGORY=big",
    ".MAKEFLOW MODE MAX_THROUGHPUT",
    '.MAKEFLOW DISK 1K # a "gigabyte"',
    "b:",
    "@CORES=4",
    ".MAKEFLOW WALL_TIME 60",
    "@MPI_PROCESSES=3",
    "@GPUS=1",
    "\te",
    ".SIZE a 10M",
    "MAKEFLOW_INPUTS=",
    "BATCH_OPTIONS=-q long",
    "",
  ].join("\n");
  const definition = load(text);
  const mib = 1024 * 1024;
  expect(definition.blocks.map(({ requirement }) => requirement)).toMatchObject([
    { cpus: 2, memoryBytes: 512 * mib, diskBytes: 0, gpus: 0 },
    { cpus: 12, memoryBytes: 512 * mib, diskBytes: 1024 * mib, gpus: 1 },
  ]);
  expect(definition.blocks.map(({ timeoutSeconds }) => timeoutSeconds)).toEqual([null, 60]);
  expect(definition.categories).toEqual({ big: { allocation: "max_throughput" } });
  expect(bodiesOf(definition).map(({ env }) => env)).toEqual([
    { OMP_NUM_THREADS: "2" },
    { OMP_NUM_THREADS: "4" },
  ]);
  expect(warningsOf(definition)).toEqual([
    "16: BATCH_OPTIONS are options of a batch system and change nothing here",
  ]);
});

test("file names have dashes, quotes and continued lines", () => {
  const [body] = bodiesOf(load("a--b \"c d\"e: f-> g \\\n  h\\:i 'j'\n\te\n"));
  expect(body).toMatchObject({ outputs: ["a--b", "c de"], inputs: ["f", "h:i", "j"] });
});

describe("mistakes", () => {
  test.each([
    [
      'a:\n\techo "abc\n\nb:\n\techo\n',
      '2:7 a quote (") is opened and never closed: echo "abc [close it with ", or write \\" for the character itself]',
    ],
    [
      "a: 'b\n\techo\n",
      "1:4 a quote (') is opened and never closed: a: 'b [close it with ', or write \\' for the character itself]",
    ],
    [
      'a:\n\techo "abc\nb:\n\techo "$HOME"\n',
      '2:7 a quote (") is opened and never closed: echo "abc [close it with ", or write \\" for the character itself]',
    ],
    [
      "a b:\n\te\nc: x\n\te\nd b: x\n\te\n",
      "5:3 two rules make 'b': this one and the one at w.makeflow:1:3 [let every rule make files of its own]",
    ],
    [
      "a: *.txt\n\te\n",
      "1:4 '*.txt': Makeflow has no wildcards [name every file, or put the rules together with JX: listdir() and a comprehension]",
    ],
    [
      "%.o: %.c\n\te\n",
      "1:1 '%.o': Makeflow has no rules for patterns [write one rule for each file, or use JX; '%.o' in quotes is a file of this name]",
    ],
    [
      "a:\n\te > $@\n",
      "2:6 Makeflow has no variables of a rule such as '$@' [write the names of the files, or put them into variables]",
    ],
    [
      "a:\n\te\n\tf\n",
      "3:1 a rule has one command, and this is another [join them with && or ;, and end lines that go on with \\]",
    ],
    [
      "\te\n",
      "1:1 this command belongs to no rule [write targets: sources above it, or take away the blanks before it]",
    ],
    [
      "a:\nb:\n\te\n",
      "1:1 the rule for 'a' has no command [write its command on the next line, after a tab]",
    ],
    [
      "a: b->\n\te\n",
      "1:4 'b->' does not say what the command calls the file [write b->NAME without a blank]",
    ],
    [
      "NMAE=1\na:\n\te $NAME\n",
      "3:4 the variable NAME is not set [write \\$NAME for the shell's, or set NAME= before (did you mean NMAE?)]",
    ],
    [
      "a:\n\te $(ls a)\n",
      "2:4 '$(ls' is not closed with ) [write $(ls), or \\$ for a $ that the shell is to see]",
    ],
    [
      "hello\n",
      "1:1 'hello' is no rule, no variable and no command [write targets: sources, NAME=VALUE, or begin a command with a tab]",
    ],
    [
      "A := 1\n",
      "1:3 ':=' is no sign of Makeflow [write =; values are read where they are written]",
    ],
    [
      ".MAKEFLOW CORES many\na:\n\te\n",
      "1:1 CORES takes an amount, not 'many' [write a number, such as 2]",
    ],
    [".MAKEFLOW CORS 1\na:\n\te\n", "1:1 .MAKEFLOW has no 'CORS' [did you mean CORES?]"],
    ["export\na:\n\te\n", "1:1 export names no variable [write export NAME]"],
    [
      "# nothing\n",
      "1:1 the workflow has no rules [write targets: sources, and the command on the next line after a tab]",
    ],
  ])("%j", (text, mistake) => {
    expect(mistakesOf(text)).toEqual([mistake]);
  });

  test("all at once, in order", () => {
    const text = "a: *\n\te\nb:\n\techo $(no)\nc:\n\te\n\te\nc: b\n\te\n";
    expect(mistakesOf(text).map((each) => each.split(" ")[0])).toEqual([
      "1:4",
      "4:7",
      "7:1",
      "8:1",
    ]);
  });

  test("of the graph stand where the rules are", () => {
    expect(mistakesOf("a: b\n\te\nb: a\n\te\n")[0]).toStartWith(
      "1:4 tasks wait for each other: a → b → a",
    );
  });
});

test("a hundred thousand rules are read in time that grows with them", () => {
  const lines: string[] = ["P=prefix"];
  for (let i = 0; i < 100_000; i++) lines.push(`out.${i}: $(P)\n\techo $(P) ${i} > out.${i}`);
  expect(load(`${lines.join("\n")}\n`).taskCount).toBe(100_000);
}, 60_000);
