// `holdall run -- CMD`: one task, an array, one per line, one per object.

import { beforeEach, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, logs, run, runReport, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** What every task printed, in the order of the tasks. */
async function printed(): Promise<string[]> {
  const names = Object.keys(await tasks(cwd));
  return await Promise.all(names.map((name) => logs(cwd, name)));
}

test("the words after -- are the command, untouched", async () => {
  const words = ["--json", "-n", "two words", "*", "$HOME", "{i}", ""];
  const report = await runReport(cwd, ["--", "printf", "%s|", ...words]);
  expect(report).toMatchObject({ code: 0, tasks: 1, succeeded: 1 });
  expect(await printed()).toEqual([`${words.join("|")}|`]);
});

test("--array", async () => {
  const report = await runReport(cwd, ["--array", "0-100:25", "--", "echo", "{i}", "{i:03d}"]);
  expect(report).toMatchObject({ code: 0, tasks: 5, succeeded: 5 });
  expect(await printed()).toEqual(["0 000\n", "25 025\n", "50 050\n", "75 075\n", "100 100\n"]);
  const some = await runReport(cwd, ["--array", "1,3,7-8", "--", "echo", "{i}"]);
  expect(some).toMatchObject({ code: 0, tasks: 4 });
  expect(await printed()).toEqual(["1\n", "3\n", "7\n", "8\n"]);
});

test("--each-line: CRLF, empty lines, a last line without its end, odd characters", async () => {
  const lines = ["one", "two words", "", "$HOME; `x` 'q'", "größe", "  indented", "last"];
  writeFileSync(join(cwd, "list"), lines.join("\r\n"));
  const report = await runReport(cwd, ["--each-line", "list", "--", "printf", "%s", "<{line}>"]);
  expect(report).toMatchObject({ code: 0, failed: 0 });
  const wanted = lines.filter((line) => line !== "").map((line) => `<${line}>`);
  expect((await printed()).map((text) => text.replace(/< +/, "<"))).toEqual(
    wanted.map((text) => text.replace(/< +/, "<")),
  );
});

test("--each-line - reads stdin", async () => {
  const report = await runReport(cwd, ["--each-line", "-", "--", "echo", "{line}"], {
    stdin: "a\nb\nc\n",
  });
  expect(report).toMatchObject({ code: 0, tasks: 3 });
  expect(await printed()).toEqual(["a\n", "b\n", "c\n"]);
});

test("--from-json: one task for each object, by its keys", async () => {
  writeFileSync(join(cwd, "list.json"), '[{"x": 1.50, "name": "a b"}, {"x": -3, "name": "c"}]');
  const report = await runReport(cwd, ["--from-json", "list.json", "--", "echo", "{x}:{name}"]);
  expect(report).toMatchObject({ code: 0, tasks: 2 });
  const texts = await printed();
  expect(texts[0]).toMatch(/^1\.50?:a b\n$/);
  expect(texts[1]).toBe("-3:c\n");
});

test("mistakes in them are told before anything starts", async () => {
  writeFileSync(join(cwd, "empty"), "\n\n");
  writeFileSync(join(cwd, "broken.json"), '[{"x": 1},\n {"x": }]');
  const touch = ["--", "touch", "started-{i}"];
  for (const flags of [
    ["--array", "5-3"],
    ["--array", "0-10:0"],
    ["--array", "x"],
    ["--each-line", "empty"],
    ["--each-line", "absent"],
    ["--from-json", "broken.json"],
    ["--need", "cpu=2"],
    ["--need", "memory=4 gb?"],
    ["--array", "0-3", "--each-line", "empty"],
    ["workflow.yaml"],
  ]) {
    const { code, stdout } = await run(cwd, ["run", "--json", ...flags, ...touch]);
    expect([flags, code === 2 || code === 3]).toEqual([flags, true]);
    const { error } = JSON.parse(stdout);
    expect([flags, typeof error.fix]).toEqual([flags, "string"]);
  }
  const unknown = await run(cwd, ["run", "--json", "--array", "0-3", "--", "echo", "{j}"]);
  expect(unknown.code).toBe(2);
  expect(JSON.parse(unknown.stdout).error.fix).toMatch(/\{i\}|\{\{j\}\}/);
  expect(readdirSync(cwd).toSorted()).toEqual(["broken.json", "empty"]);
});

test("--need is what each task needs", async () => {
  const huge = await run(cwd, ["run", "--json", "--need", "memory=900t", "--", "true"]);
  expect(huge.code).toBe(2);
  expect(JSON.parse(huge.stdout).error.message).toContain("memory");
  // Two cpus each on an offer of two: one after another.
  const command = "echo start >>log; sleep 0.05; echo end >>log";
  const flags = ["--array", "1-4", "--need", "cpus=2", "--cpus", "2", "--", "sh", "-c", command];
  expect(await runReport(cwd, flags)).toMatchObject({ code: 0, succeeded: 4 });
  expect(linesOf(join(cwd, "log")).join(" ")).toBe("start end ".repeat(4).trim());
});

test("each run of a command is a workflow of its own", async () => {
  const first = await runReport(cwd, ["--", "echo", "same"]);
  const second = await runReport(cwd, ["--", "echo", "same"]);
  expect(second).toMatchObject({ code: 0, attempts: 1, cached: 0 });
  expect(second.workflow_id).toBe(first.workflow_id + 1);
});
