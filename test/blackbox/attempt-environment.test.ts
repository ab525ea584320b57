// What an attempt finds around it: directory, environment, stdin, shell.

import { beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { logs, run, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

async function runTasks(list: object[], more: object = {}, env: Record<string, string> = {}) {
  const file = spec(cwd, { name: "w", ...more, tasks: list });
  return await runReport(cwd, [file], { env });
}

test("env: inherited, then the workflow's, then the task's; HOLDALL_* added, credentials gone", async () => {
  const report = await runTasks(
    [
      { name: "t", command: "env", env: { OWN: "from task", BOTH: "task", QUOTED: '$HOME "x"' } },
      { name: "p_{i}", parameters: { i: "4:5" }, command: "env", env: { SEED: "s{i:03d}" } },
    ],
    { env: { SHARED: "from workflow", BOTH: "workflow" } },
    { INHERITED: "yes", HOLDALL_TOKEN: "secret-1", BOTH: "run" },
  );
  expect(report).toMatchObject({ code: 0, succeeded: 3 });
  const own = (await logs(cwd, "t")).split("\n");
  for (const line of [
    "INHERITED=yes",
    "SHARED=from workflow",
    "OWN=from task",
    "BOTH=task",
    'QUOTED=$HOME "x"',
    `HOLDALL_WORKFLOW_ID=${report.workflow_id}`,
    "HOLDALL_TASK=t",
    "HOLDALL_ATTEMPT=1",
  ])
    expect(own).toContain(line);
  expect(own.join("\n")).not.toContain("HOLDALL_TOKEN");
  expect(own.join("\n")).not.toContain("secret-1");
  const second = (await logs(cwd, "p_5")).split("\n");
  expect(second).toContain("SEED=s005");
  expect(second).toContain("HOLDALL_TASK=p_5");
  expect(second).toContain("BOTH=workflow");
});

test("stdin is empty, whatever holdall's own is", async () => {
  const file = spec(cwd, { name: "w", tasks: [{ name: "t", command: "wc -c" }] });
  expect(await runReport(cwd, [file], { stdin: "not for tasks" })).toMatchObject({ code: 0 });
  expect((await logs(cwd, "t")).trim()).toBe("0");
});

test("no descriptor of holdall's reaches a task", async () => {
  await runTasks([{ name: "t", command: ["ls", "-l", "/proc/self/fd"] }]);
  const open = [...(await logs(cwd, "t")).matchAll(/ (\d+) -> (.*)/g)].filter(
    ([, , target]) => !target!.includes("/proc/"),
  );
  expect(open.map(([, number]) => number)).toEqual(["0", "1", "2"]);
});

test("relative paths begin where run was called; cwd of the document, --cwd and ${spec_dir} change it", async () => {
  for (const name of ["specs", "elsewhere", "own"]) mkdirSync(join(cwd, name));
  const document = { tasks: [{ name: "t", command: "pwd; echo ${spec_dir}" }] };
  spec(cwd, { name: "plain", ...document }, "specs/plain.yaml");
  spec(cwd, { name: "moved", cwd: "elsewhere", ...document }, "specs/moved.yaml");
  await runReport(cwd, ["specs/plain.yaml"]);
  expect(await logs(cwd, "t")).toBe(`${cwd}\n${cwd}/specs\n`);
  await runReport(cwd, ["specs/moved.yaml"]);
  expect(await logs(cwd, "t")).toBe(`${cwd}/elsewhere\n${cwd}/specs\n`);
  await runReport(cwd, ["specs/moved.yaml", "--cwd", "own", "--name", "third"]);
  expect(await logs(cwd, "t")).toBe(`${cwd}/own\n${cwd}/specs\n`);
});

test("a command runs in a shell where it needs one, and directly where it does not", async () => {
  mkdirSync(join(cwd, "a b"));
  writeFileSync(join(cwd, "a b/file"), "");
  const report = await runTasks([
    { name: "list", command: ["printf", "%s|", "a  b", "$HOME", "*", ""] },
    { name: "words", command: "printf '%s|' \"a  b\" 'c d' e\\ f" },
    { name: "pipe", command: "echo one two | wc -w" },
    { name: "variable", command: "echo $HOLDALL_TASK" },
    { name: "glob", command: "echo a*" },
    { name: "assignment", command: "X=5 env" },
    { name: "builtin", command: "cd 'a b' && ls" },
    { name: "and", command: "true && echo yes" },
    { name: "sh", command: '[ -z "$BASH_VERSION" ] && echo sh', shell: "sh" },
    { name: "bash", command: "a=(1 2 3); echo ${#a[@]}", shell: "bash" },
    { name: "none", command: "echo $HOME | *", shell: "none" },
    { name: "quote_in_none", command: "printf '%s|' \"a b\" c", shell: "none" },
  ]);
  expect(report).toMatchObject({ code: 0, failed: 0 });
  const printed = async (task: string): Promise<string> => (await logs(cwd, task)).trim();
  expect(await printed("list")).toBe("a  b|$HOME|*||");
  expect(await printed("words")).toBe("a  b|c d|e f|");
  expect(await printed("pipe")).toBe("2");
  expect(await printed("variable")).toBe("variable");
  expect(await printed("glob")).toBe("a b");
  expect(await printed("assignment")).toContain("X=5");
  expect(await printed("builtin")).toBe("file");
  expect(await printed("and")).toBe("yes");
  expect(await printed("sh")).toBe("sh");
  expect(await printed("bash")).toBe("3");
  expect(await printed("none")).toBe("$HOME | *");
  expect(await printed("quote_in_none")).toBe("a b|c|");
});

test("placeholders: formats, doubled braces, braces of shells and JSON", async () => {
  const report = await runTasks([
    {
      name: "t_{i:03d}_{c}",
      parameters: { i: "8:12:2", c: "[x,2.50]" },
      command: ["printf", "%s|", "{i}", "{i:05d}", "{c}", "{{i}}", '{"a": 1}', "${HOME}", "{}"],
    },
    { name: "plain", command: ["echo", "{i}", "{not_a_parameter}"] },
  ]);
  expect(report).toMatchObject({ code: 0, succeeded: 7 });
  expect(await logs(cwd, "t_008_2.50")).toBe('8|00008|2.50|{i}|{"a": 1}|${HOME}|{}|');
  expect(await logs(cwd, "plain")).toBe("{i} {not_a_parameter}\n");
});

test("each attempt's record says where and how long it ran", async () => {
  await runTasks([{ name: "busy", command: "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done" }]);
  const row = (await tasks(cwd))["busy"]!;
  expect(Object.keys(row)).toEqual([
    "name",
    "state",
    "attempts",
    "exit_code",
    "outcome",
    "host",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_bytes",
  ]);
  expect(row.host).toBe(hostname());
  expect(row.cpu_seconds).toBeGreaterThan(0.005);
  expect(row.wall_seconds).toBeGreaterThanOrEqual(row.cpu_seconds! * 0.9);
  expect(row.wall_seconds).toBeLessThan(30);
});

test("nothing but the state directory is written beside what tasks write", async () => {
  const { code } = await run(cwd, ["run", "--", "true"]);
  expect({ code, files: readdirSync(cwd) }).toEqual({ code: 0, files: [".holdall"] });
});
