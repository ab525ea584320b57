// `run --dry-run`: what would run and why. Nothing is started and nothing is written.

import { beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, run, runReport, spec, start, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
  writeFileSync(join(cwd, "source"), "one\n");
});

interface DryRun {
  workflow_id: number | null;
  name: string;
  tasks: number;
  run: number;
  reuse: number;
  keep: number;
  removed: number;
  decisions: { task: string; action: string; why: { reason: string }[] }[];
}

async function dryRun(...args: string[]): Promise<DryRun & { why: Record<string, unknown> }> {
  const { code, stdout, stderr } = await run(cwd, ["run", "--dry-run", "--json", ...args]);
  expect([code, stderr]).toEqual([0, ""]);
  const dry = parseJson(stdout, stderr) as DryRun;
  const why = dry.decisions.map(({ task, action, why: reasons }) => [
    task,
    action === "run" ? reasons : action,
  ]);
  return { ...dry, why: Object.fromEntries(why) };
}

/** a → b → c over files, d alone, e after d without files. */
function chain(change: Record<string, object> = {}): string {
  const make = (name: string, more: object): object => ({
    name,
    command: `echo ${name} >>ran; cat ${name === "a" ? "source" : "a"} >${name}`,
    outputs: [name],
    ...more,
    ...change[name],
  });
  return spec(cwd, {
    name: "chain",
    tasks: [
      make("a", { inputs: ["source"] }),
      make("b", { inputs: ["a"] }),
      make("c", { inputs: ["b"] }),
      { name: "d", command: "exit 0", ...change["d"] },
      { name: "e", command: "exit 0", depends_on: ["d"], ...change["e"] },
    ],
  });
}

/** Names, contents and times of all there is. */
function everything(folder: string): unknown[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mtimeMs, ctimeMs } = statSync(path);
    return [path, mtimeMs, ctimeMs, entry.isFile() ? readFileSync(path).toString("base64") : ""];
  });
}

test("of a workflow seen the first time everything is new, and not even a state directory is made", async () => {
  const dry = await dryRun(chain());
  expect(dry).toMatchObject({ workflow_id: null, name: "chain", tasks: 5, run: 5, keep: 0 });
  for (const { action, why } of dry.decisions)
    expect([action, why]).toEqual(["run", [{ reason: "new" }]]);
  expect(readdirSync(cwd).toSorted()).toEqual(["source", "workflow.yaml"]);
});

test("every reason is told, and the run that follows does what was said", async () => {
  await runReport(cwd, [chain()]);
  expect(await dryRun(chain())).toMatchObject({ workflow_id: 1, run: 0, keep: 5 });

  writeFileSync(join(cwd, "source"), "two\n");
  rmSync(join(cwd, "c"));
  const files = await dryRun(chain());
  expect(files.why).toEqual({
    a: [{ reason: "input_changed", file: "source" }],
    b: [{ reason: "depends_on", task: "a" }],
    c: [
      { reason: "output_missing", file: "c" },
      { reason: "depends_on", task: "b" },
    ],
    d: "keep",
    e: "keep",
  });
  expect(await runReport(cwd, [chain()])).toMatchObject({
    attempts: files.run,
    cached: files.keep,
  });

  const edited = { b: { command: "cat a >b; true" }, d: { env: { V: "1" } } };
  const edits = await dryRun(chain(edited));
  expect(edits.why).toEqual({
    a: "keep",
    b: [{ reason: "command_changed" }],
    c: [{ reason: "depends_on", task: "b" }],
    d: [{ reason: "env_changed" }],
    e: [{ reason: "depends_on", task: "d" }],
  });
  const after = await runReport(cwd, [chain(edited)]);
  expect(after).toMatchObject({ attempts: edits.run, cached: edits.keep });
});

test("what failed, what was skipped for it, what is new and what is gone", async () => {
  await runReport(cwd, [chain({ b: { command: "exit 3" } })]);
  const document = JSON.parse(readFileSync(join(cwd, "workflow.yaml"), "utf8"));
  document.tasks.splice(3, 2, { name: "f", command: "exit 0", inputs: ["c"] });
  const dry = await dryRun(spec(cwd, document));
  expect(dry).toMatchObject({ run: 3, keep: 1, removed: 2 });
  expect(dry.why).toEqual({
    a: "keep",
    b: [{ reason: "failed_before" }],
    c: [{ reason: "depends_on", task: "b" }],
    f: [{ reason: "new" }],
  });
  expect((await dryRun("1")).why).toMatchObject({ a: "keep", d: "keep", e: "keep" });
});

test("nothing is started, and nothing is written", async () => {
  await runReport(cwd, [chain()]);
  writeFileSync(join(cwd, "source"), "two\n");
  const document = chain({ b: { command: "touch b started" } });
  const before = everything(cwd);
  const text = await run(cwd, ["run", "--dry-run", document]);
  expect(text.code).toBe(0);
  expect(text.stdout.split("\n")).toEqual([
    "chain: 5 tasks: 3 would run, 2 kept",
    "run    a  (input source changed)",
    "run    b  (command changed, depends on a)",
    "run    c  (depends on b)",
    "keep   d",
    "keep   e",
    "",
  ]);
  expect((await dryRun(document, "--fresh")).run).toBe(5);
  expect((await dryRun("--array", "0-2", "--", "touch", "started")).run).toBe(3);
  expect(everything(cwd)).toEqual(before);
});

test("an array and an interrupted run", async () => {
  const array = spec(cwd, {
    name: "array",
    tasks: [
      {
        name: "t_{i}",
        parameters: { i: "0:3" },
        command: "[ {i} -ne 2 ] || { echo >begun; sleep 100; }; echo >out_{i}",
        outputs: ["out_{i}"],
      },
    ],
  });
  const running = start(cwd, ["run", array, "--max-parallel", "1"]);
  await untilFile(join(cwd, "begun"));
  const refused = await run(cwd, ["run", "--dry-run", "--json", array]);
  expect([refused.code, JSON.parse(refused.stdout).error.code]).toEqual([4, "conflict"]);
  running.kill("SIGKILL");
  await running.result;
  expect((await dryRun(array)).why).toEqual({
    t_0: "keep",
    t_1: "keep",
    t_2: [{ reason: "unfinished" }],
    t_3: [{ reason: "unfinished" }],
  });
});

test("what the run would refuse is refused", async () => {
  await runReport(cwd, [chain()]);
  spec(cwd, JSON.parse(readFileSync(join(cwd, "workflow.yaml"), "utf8")), "other.yaml");
  expect((await run(cwd, ["run", "--dry-run", "other.yaml"])).code).toBe(4);
  expect((await run(cwd, ["run", "--dry-run", "9"])).code).toBe(3);
  expect((await run(scratchDir(), ["run", "--dry-run", "9"])).code).toBe(3);
  expect(existsSync(join(cwd, "ran"))).toBe(true);
});
