// `run SPEC` again: what has succeeded stays, and only what changed is run, with all that hangs on it.

import { beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  openSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ledgerRows, linesOf, logs, run, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** a → b → c, and d alone; each appends its name to `ran` and makes a file of its name. */
function chain(change: Record<string, string> = {}): object {
  const make = (name: string, from: string | null): object => ({
    name,
    command: `echo ${name} >>ran; ${change[name] ?? "true"}; cat ${from ?? "source"} >${name}`,
    inputs: [from ?? "source"],
    outputs: [name],
  });
  return {
    name: "chain",
    tasks: [make("a", null), make("b", "a"), make("c", "b"), { ...make("d", null), inputs: [] }],
  };
}

/** The names of the tasks that ran since the last call, in order. */
function ran(): string {
  const names = linesOf(join(cwd, "ran")).join("");
  rmSync(join(cwd, "ran"), { force: true });
  return names;
}

async function runChain(change: Record<string, string> = {}, ...flags: string[]) {
  return await runReport(cwd, [spec(cwd, chain(change)), "--max-parallel", "1", ...flags]);
}

beforeEach(() => writeFileSync(join(cwd, "source"), "one\n"));

test("an edited command runs that task and everything downstream, and nothing else", async () => {
  expect(await runChain()).toMatchObject({ code: 0, succeeded: 4, attempts: 4, cached: 0 });
  expect(ran().split("").toSorted().join("")).toBe("abcd");
  expect(await runChain()).toMatchObject({ code: 0, succeeded: 4, attempts: 0, cached: 4 });
  expect(ran()).toBe("");

  expect(await runChain({ b: "echo changed" })).toMatchObject({ attempts: 2, cached: 2 });
  expect(ran()).toBe("bc");
  expect(await logs(cwd, "b")).toBe("changed\n");
  const rows = await tasks(cwd);
  expect([rows["a"], rows["b"], rows["c"], rows["d"]].map((row) => row?.attempts)).toEqual([
    1, 2, 2, 1,
  ]);
});

test("an edit of env runs the task again", async () => {
  const one = (value: string): string =>
    spec(cwd, { name: "env", tasks: [{ name: "t", command: "echo $V", env: { V: value } }] });
  await runReport(cwd, [one("x")]);
  expect(await runReport(cwd, [one("x")])).toMatchObject({ attempts: 0, cached: 1 });
  expect(await runReport(cwd, [one("y")])).toMatchObject({ attempts: 1, cached: 0 });
  expect(await logs(cwd, "t")).toBe("y\n");
});

test("a removed output is made again, and everything downstream", async () => {
  await runChain();
  ran();
  rmSync(join(cwd, "b"));
  expect(await runChain()).toMatchObject({ code: 0, succeeded: 4, attempts: 2, cached: 2 });
  expect(ran()).toBe("bc");
  rmSync(join(cwd, "c"));
  expect(await runChain()).toMatchObject({ attempts: 1, cached: 3 });
  expect(ran()).toBe("c");
});

test("a changed input runs again what reads it, and everything downstream", async () => {
  await runChain();
  ran();
  writeFileSync(join(cwd, "source"), "two, and longer\n");
  expect(await runChain()).toMatchObject({ code: 0, attempts: 3, cached: 1 });
  expect(ran()).toBe("abc");
});

test("a touch changes nothing; a changed byte does, however its time is set back", async () => {
  await runChain();
  ran();
  const source = join(cwd, "source");
  const { atime, mtime } = statSync(source);
  utimesSync(source, 1, 1);
  utimesSync(join(cwd, "b"), 2, 2);
  expect(await runChain()).toMatchObject({ attempts: 0, cached: 4 });
  utimesSync(source, atime, mtime);
  expect(await runChain()).toMatchObject({ attempts: 0, cached: 4 });

  writeFileSync(source, "two\n");
  utimesSync(source, atime, mtime);
  expect(await runChain()).toMatchObject({ attempts: 3, cached: 1 });
  expect(ran()).toBe("abc");

  writeFileSync(join(cwd, "b"), "TWO\n");
  expect(await runChain()).toMatchObject({ attempts: 2, cached: 2 });
  expect(ran()).toBe("bc");
});

test("a byte in the middle of a large file counts, and touching that file does not", async () => {
  const bytes = 17 * 1024 * 1024;
  const document = spec(cwd, {
    name: "large",
    tasks: [
      { name: "make", command: `head -c ${bytes} /dev/zero >big`, outputs: ["big"] },
      {
        name: "use",
        command: "echo use >>ran; wc -c <big >size",
        inputs: ["big"],
        outputs: ["size"],
      },
    ],
  });
  const again = async () => await runReport(cwd, [document]);
  expect(await again()).toMatchObject({ code: 0, attempts: 2 });
  const big = join(cwd, "big");
  const { atime, mtime } = statSync(big);
  utimesSync(big, 1, 1);
  expect(await again()).toMatchObject({ attempts: 0, cached: 2 });
  const file = openSync(big, "r+");
  writeSync(file, "x", bytes / 2);
  closeSync(file);
  utimesSync(big, atime, mtime);
  expect(await again()).toMatchObject({ code: 0, attempts: 2, cached: 0 });
});

test("an input that is written while its task runs makes that task run again", async () => {
  const document = spec(cwd, {
    name: "meanwhile",
    tasks: [
      {
        name: "t",
        command: "cat source >copy; [ -e late ] || { touch late; echo two, later >source; }",
        inputs: ["source"],
        outputs: ["copy"],
      },
    ],
  });
  await runReport(cwd, [document]);
  expect(linesOf(join(cwd, "copy"))).toEqual(["one"]);
  expect(await runReport(cwd, [document])).toMatchObject({ attempts: 1 });
  expect(linesOf(join(cwd, "copy"))).toEqual(["two, later"]);
  expect(await runReport(cwd, [document])).toMatchObject({ attempts: 0, cached: 1 });
});

test("a task that no longer declares files is not judged by those it had", async () => {
  const named = (more: object): string =>
    spec(cwd, { name: "less", tasks: [{ name: "t", command: "echo >>made", ...more }] });
  await runReport(cwd, [named({ outputs: ["made"] })]);
  expect(await runReport(cwd, [named({})])).toMatchObject({ attempts: 1 });
  rmSync(join(cwd, "made"));
  expect(await runReport(cwd, [named({})])).toMatchObject({ attempts: 0, cached: 1 });
});

test("after a failure the mended document goes on: what is finished is kept", async () => {
  expect(await runChain({ c: "exit 3" })).toMatchObject({ code: 1, succeeded: 3, failed: 1 });
  ran();
  expect(await runChain({ c: "true mended" })).toMatchObject({ code: 0, attempts: 1, cached: 3 });
  expect(ran()).toBe("c");
});

test("retry --failed sets back what failed; --succeeded what it names, with everything downstream", async () => {
  await runChain({ c: "[ -e allowed ] || exit 3" });
  ran();
  writeFileSync(join(cwd, "allowed"), "");
  const json = async (...args: string[]): Promise<unknown> =>
    JSON.parse((await run(cwd, ["retry", "--json", ...args])).stdout);
  expect(await json("--failed")).toMatchObject({ reset: 1 });
  expect(await runReport(cwd, ["1"])).toMatchObject({ code: 0, attempts: 1, cached: 3 });
  expect(ran()).toBe("c");

  expect(await json("b")).toMatchObject({ reset: 0 });
  expect(await json("b", "--succeeded")).toMatchObject({ reset: 2 });
  expect(await runReport(cwd, ["1"])).toMatchObject({ code: 0, attempts: 2, cached: 2 });
  expect(ran()).toBe("bc");
});

test("what failed and what was skipped because of it are run again, with the next attempt number", async () => {
  const failed = await runChain({ b: "[ -e allowed ] || exit 3" });
  expect(failed).toMatchObject({ code: 1, succeeded: 2, failed: 1, skipped: 1, attempts: 3 });
  ran();
  writeFileSync(join(cwd, "allowed"), "");
  const mended = await runChain({ b: "[ -e allowed ] || exit 3" });
  expect(mended).toMatchObject({ code: 0, succeeded: 4, failed: 0, attempts: 2, cached: 2 });
  expect(ran()).toBe("bc");
  const rows = await tasks(cwd);
  expect(rows["b"]).toMatchObject({ state: "succeeded", attempts: 2, exit_code: 0, outcome: "ok" });
  const earlier = ledgerRows(join(cwd, ".holdall"), "SELECT attempt, exit FROM attempts");
  expect(earlier).toEqual([{ attempt: 1, exit: 3 }]);
});

test("says how many of each it keeps and runs", async () => {
  await runChain();
  const { stderr } = await run(cwd, ["run", spec(cwd, chain({ b: "true changed" }))]);
  expect(stderr).toContain("2 kept, 2 changed");
});

test("a new task joins, a dropped one goes", async () => {
  const named = (...names: string[]): string =>
    spec(cwd, { name: "grow", tasks: names.map((name) => ({ name, command: `echo ${name}` })) });
  expect(await runReport(cwd, [named("x", "y")])).toMatchObject({ tasks: 2, attempts: 2 });
  expect(await runReport(cwd, [named("z", "y")])).toMatchObject({
    tasks: 2,
    attempts: 1,
    cached: 1,
  });
  expect(Object.keys(await tasks(cwd)).toSorted()).toEqual(["y", "z"]);
});

test("--fresh runs everything", async () => {
  await runChain();
  ran();
  expect(await runChain({}, "--fresh")).toMatchObject({ code: 0, attempts: 4, cached: 0 });
  expect(ran()).toHaveLength(4);
});

test("the same name from another file is refused with the fix, and --name helps", async () => {
  await runChain();
  ran();
  const other = spec(cwd, chain({ a: "echo other" }), "other.yaml");
  const refused = await run(cwd, ["run", other, "--json"]);
  expect(refused.code).toBe(4);
  const { error } = JSON.parse(refused.stdout);
  expect(error.code).toBe("conflict");
  expect(error.message).toContain("chain");
  expect(error.fix).toContain("--name");
  expect(error.fix).toContain("--fresh");
  expect(refused.stderr).toContain(error.fix);
  expect(ran()).toBe("");

  const named = await runReport(cwd, [other, "--name", "second"]);
  expect(named).toMatchObject({ code: 0, name: "second", attempts: 4 });
  expect(await runReport(cwd, [other, "--name", "second"])).toMatchObject({
    cached: 4,
    attempts: 0,
  });
});

test("run ID goes on with a workflow, whatever the directory it is called from", async () => {
  const flag = ["--state-dir", join(cwd, ".holdall")];
  const command = ["--", "sh", "-c", "[ -e allowed ]"];
  const first = await runReport(cwd, command);
  expect(first).toMatchObject({ code: 1, failed: 1 });
  const second = await runReport(cwd, command);
  expect(second.workflow_id).not.toBe(first.workflow_id);

  writeFileSync(join(cwd, "allowed"), "");
  const id = String(first.workflow_id);
  const more = await runReport(scratchDir(), [id, ...flag]);
  expect(more).toMatchObject({
    code: 0,
    workflow_id: first.workflow_id,
    succeeded: 1,
    attempts: 1,
  });
  expect(await runReport(cwd, [id])).toMatchObject({ code: 0, attempts: 0, cached: 1 });
  expect((await run(cwd, ["run", "99"])).code).toBe(3);
});

test("looking makes nothing", async () => {
  for (const command of ["status", "tasks"]) {
    const { code, stdout } = await run(cwd, [command, "--json"]);
    expect(code).toBe(3);
    expect(JSON.parse(stdout).error.code).toBe("not_found");
  }
  expect(existsSync(join(cwd, ".holdall"))).toBe(false);
});
