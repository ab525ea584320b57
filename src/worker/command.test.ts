import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, assert, constantFrom, oneof, property } from "fast-check";
import type { ParameterTable } from "../core/workflow.ts";
import { commandToArgv, compileCommand, createPathFinder, splitWords } from "./command.ts";

const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "product" };

const characters = (all: string): string[] => Array.from(all);

/** Text of what matters to a shell, so that a short text holds much of it. */
const anyText = array(
  oneof(
    { weight: 6, arbitrary: constantFrom(...characters("ab1 \t'\"\\\\ #~={}!-:")) },
    {
      weight: 1,
      arbitrary: constantFrom(...characters("|&;<>()$`*?[]\n\u00e9\u00a0\r\u{1f600}^,%+@")),
    },
    { weight: 1, arbitrary: constantFrom('"a b"', "'c'", String.raw`\"`, "\\\n", '"\\\n"') },
  ),
  { maxLength: 14 },
).map((parts) => parts.join(""));

/** What sh makes of each text as arguments; all texts in one shell. */
function shellWords(texts: readonly string[]): string[][] {
  const script = texts
    .map((each, i) => `w() { printf '%s\\0' ${i} "$@" end; }\nw ${each}\n`)
    .join("");
  const { stdout, stderr, exitCode } = Bun.spawnSync(["/bin/sh", "-c", script], { cwd: "/" });
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: "" });
  const lists: string[][] = [];
  let list: string[] = [];
  const all = stdout.toString().split("\0").slice(0, -1);
  for (let at = 0; at < all.length; at++) {
    if (list.length === 0) expect(all[at]).toBe(String(lists.length));
    // "end" cannot occur by chance: the alphabet has no n
    if (all[at] === "end") {
      lists.push(list.slice(1));
      list = [];
    } else list.push(all[at]!);
  }
  return lists;
}

test("words are split as sh splits them", () => {
  let split = 0;
  assert(
    property(array(anyText, { minLength: 40, maxLength: 40 }), (texts) => {
      // Behind a first word, as arguments: an assignment and a reserved word are none there for sh.
      const known = texts.filter((each) => splitWords(each) !== null);
      split += known.length;
      expect(shellWords(known)).toEqual(known.map((each) => splitWords(each)!));
    }),
    { numRuns: 40 },
  );
  expect(split).toBeGreaterThan(300);
});

test("what needs a shell is not split", () => {
  const shell = [
    ..."a|b a&b a;b a>b a<b (a) $a `a` a* a? [a] ~ #a a=1".split(" "),
    ...["a\nb", "a ~/b", "a #b", "X=1 env", "'a", '"a', "a\\", '"$a"', '"`a`"', '"a\\', "a \\\n#b"],
  ];
  for (const each of shell) expect([each, splitWords(each)]).toEqual([each, null]);
  expect(splitWords("a b=1 c~ d#e {x} '$a' \\$b")).toEqual([
    ...["a", "b=1", "c~", "d#e", "{x}", "$a", "$b"],
  ]);
  expect(splitWords("  ")).toEqual([]);
  expect(splitWords(`a '' ""`)).toEqual(["a", "", ""]);
});

test("where no shell is wanted, only quotes, backslashes and white space mean something", () => {
  expect(splitWords("X=1 $HOME *.txt | \"a $b `c`\" 'd e' f\\ g #h ~\nend", true)).toEqual([
    ...["X=1", "$HOME", "*.txt", "|", "a $b `c`", "d e", "f g", "#h", "~", "end"],
  ]);
});

const nowhere = (): boolean => false;
const anywhere = (): boolean => true;

test("a command is executed directly only when that is the same", () => {
  const argv = (text: string, onPath = anywhere): string[] =>
    commandToArgv(text, "/bin", "/", onPath);
  const shell = (text: string): string[] => ["/bin/sh", "-c", text];
  expect(argv("echo 'a b'")).toEqual(["echo", "a b"]);
  expect(argv("./x a")).toEqual(["./x", "a"]);
  expect(argv("./x a", nowhere)).toEqual(["./x", "a"]);
  expect(argv("echo a | cat")).toEqual(shell("echo a | cat"));
  expect(argv("A=1 env")).toEqual(shell("A=1 env"));
  // Words of the shell, unless a file of that name is on the PATH.
  for (const word of ["cd", "exec", "if", "!", "{", ".", "set", "echo", "true", "test", "printf"])
    expect(argv(`${word} a`, nowhere)).toEqual(shell(`${word} a`));
  // Not found: told apart as launch_error, which a shell would hide.
  expect(argv("no-such-program a", nowhere)).toEqual(["no-such-program", "a"]);
  expect(argv("")).toEqual(shell(""));
});

test("the finder looks along the PATH and survives what cannot be looked at", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdall-path-"));
  try {
    mkdirSync(join(folder, "bin/dir"), { recursive: true });
    writeFileSync(join(folder, "bin/tool"), "");
    const onPath = createPathFinder();
    expect(onPath("tool", "/nonexistent:bin", folder)).toBe(true);
    expect(onPath("tool", `${folder}/bin`, "/")).toBe(true);
    expect(onPath("tool", "", join(folder, "bin"))).toBe(true);
    expect(onPath("dir", "bin", folder)).toBe(false);
    expect(onPath("late", "bin", folder)).toBe(false);
    writeFileSync(join(folder, "bin/late"), "");
    expect(onPath("late", "bin", folder)).toBe(true);
    // A file in place of a folder, and a name no file can have.
    expect(onPath("tool", "bin/tool:bin", folder)).toBe(true);
    expect(onPath("x".repeat(300), "bin", folder)).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every kind of command is compiled", () => {
  const table: ParameterTable = {
    names: ["i"],
    values: [{ from: 1, step: 1, count: 3, decimals: 0 }],
    mode: "product",
  };
  const argv = (command: Parameters<typeof compileCommand>[0], index = 1): string[] =>
    compileCommand(command, table)(index, "/bin", "/", anywhere);
  expect(argv({ kind: "argv", argv: ["a b", ["$", { p: 0 }]] })).toEqual(["a b", "$2"]);
  expect(argv({ kind: "auto", text: ["echo ", { p: 0 }] })).toEqual(["echo", "2"]);
  expect(argv({ kind: "auto", text: ["echo ", { p: 0 }, ">x"] })).toEqual([
    ...["/bin/sh", "-c", "echo 2>x"],
  ]);
  expect(argv({ kind: "shell", shell: "sh", text: "a" })).toEqual(["/bin/sh", "-c", "a"]);
  expect(argv({ kind: "shell", shell: "bash", text: "a" })).toEqual(["bash", "-c", "a"]);
  expect(argv({ kind: "words", text: ["grep 'a b' *.", { p: 0 }] })).toEqual([
    ...["grep", "a b", "*.2"],
  ]);
  // Without parameters it is decided once.
  const fixed = compileCommand({ kind: "auto", text: "echo a" }, NO_PARAMETERS);
  expect(fixed(0, "/bin", "/", anywhere)).toBe(fixed(1, "/bin", "/", anywhere));
});
