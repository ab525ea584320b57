// Workflows in Makeflow's languages, and the commands of the guide that leads from Makeflow here.

import { expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logs, run, runReport, spec, tasks } from "../support/holdall.ts";
import { root, scratchDir } from "../support/scratch.ts";

setDefaultTimeout(120_000);

const examples = join(root, "examples/makeflow");

test("the example in the classic language, with renamed files", async () => {
  const cwd = scratchDir();
  const report = await runReport(cwd, [join(examples, "words.makeflow")]);
  expect(report).toMatchObject({ code: 0, name: "words", tasks: 7, succeeded: 7 });
  expect(readFileSync(join(cwd, "total.txt"), "utf8")).toBe("8\n");
  // the folders that renamed files were in are gone
  expect(readdirSync(cwd).toSorted()).toEqual([
    ".holdall",
    "a stone.txt",
    "sea.count",
    "sea.txt",
    "stone.count",
    "total.txt",
    "wind.count",
    "wind.txt",
  ]);
  expect(Object.keys(await tasks(cwd))).toContain("a stone.txt");
  const again = await runReport(cwd, [join(examples, "words.makeflow")]);
  expect(again).toMatchObject({ code: 0, attempts: 0 });
});

test("the example with a workflow in a workflow", async () => {
  const cwd = scratchDir();
  const report = await runReport(cwd, [join(examples, "nested.makeflow")]);
  expect(report).toMatchObject({ code: 0, tasks: 4, succeeded: 4 });
  expect(readFileSync(join(cwd, "report.txt"), "utf8")).toBe("lines: 3\n");
  expect(readFileSync(join(cwd, "part/lines.txt"), "utf8")).toBe("3\n");
});

test("the example in JX", async () => {
  const cwd = scratchDir();
  const report = await runReport(cwd, [join(examples, "sweep.jx")]);
  expect(report).toMatchObject({ code: 0, name: "sweep", tasks: 6, succeeded: 6 });
  expect(readFileSync(join(cwd, "sum.txt"), "utf8")).toBe("120\n");
});

test("values of JX are given on the command line", async () => {
  const cwd = scratchDir();
  const report = await runReport(cwd, [join(examples, "sweep.jx"), "--define", "LIMIT=2 + 1"]);
  expect(report).toMatchObject({ code: 0, tasks: 3, succeeded: 3 });
  expect(readFileSync(join(cwd, "sum.txt"), "utf8")).toBe("4\n");
  const wrong = await run(cwd, ["plan", join(examples, "sweep.jx"), "--define", "LIMIT"]);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain("is not NAME=EXPRESSION");
  const other = await run(cwd, ["plan", join(examples, "words.makeflow"), "--define", "A=1"]);
  expect(other.stderr).toContain("--define is for workflows in JX");
});

test("a command that renames and fails keeps its exit code and leaves nothing behind", async () => {
  const cwd = scratchDir();
  writeFileSync(join(cwd, "in"), "x");
  const file = spec(cwd, "out->o: in->i\n\tcat i > o; exit 3\n", "w.makeflow");
  expect((await runReport(cwd, [file])).code).toBe(1);
  expect((await tasks(cwd))["out"]).toMatchObject({ state: "failed", exit_code: 3 });
  expect(readdirSync(cwd).toSorted()).toEqual([".holdall", "in", "w.makeflow"]);
});

test("mistakes are told at their places and nothing runs", async () => {
  const cwd = scratchDir();
  const text = 'a:\n\ttouch a\nb: missing\n\techo "x > b\n';
  const { code, stderr } = await run(cwd, ["run", spec(cwd, text, "w.makeflow")]);
  expect(code).toBe(2);
  expect(stderr).toContain("w.makeflow:4:7");
  expect(stderr).toContain('echo "x > b');
  expect(readdirSync(cwd)).toEqual(["w.makeflow"]);
  const other = spec(cwd, "b: missing\n\ttouch b\n", "v.makeflow");
  const absent = await run(cwd, ["validate", other]);
  expect(absent).toMatchObject({ code: 2 });
  expect(absent.stdout + absent.stderr).toContain("v.makeflow:1:4");
});

/** Commands of the guide that need nothing but this machine. */
const guide = readFileSync(join(root, "docs/makeflow.md"), "utf8");
const commands = [
  ...new Set([...guide.matchAll(/`holdall ([^`…]*)`/g)].map((match) => match[1]!)),
].filter((command) => !/DIR|^serve|^retry|^run$/.test(command));

test("the commands of the guide", async () => {
  expect(commands.length).toBeGreaterThanOrEqual(10);
  const cwd = scratchDir();
  cpSync(examples, cwd, { recursive: true });
  for (const command of commands) {
    const { code, stderr } = await run(cwd, command.split(" "));
    expect({ command, code, stderr: code === 0 ? "" : stderr }).toEqual({
      command,
      code: 0,
      stderr: "",
    });
  }
  expect(await logs(cwd, "total.txt")).toBe("");
});
