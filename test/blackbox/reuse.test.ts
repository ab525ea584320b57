// Results of another workflow or state directory in place of work: `reuse: DIR`, `--reuse DIR`.

import { beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { linesOf, logs, parseJson, run, runReport, spec, start } from "../support/holdall.ts";
import { untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let first = "";
let second = "";
let state = "";
beforeEach(() => {
  first = scratchDir();
  second = scratchDir();
  state = join(first, ".holdall");
  for (const folder of [first, second]) writeFileSync(join(folder, "source"), "one\n");
});

/** a → b → c over files; x has no outputs. Each says in `ran` that it ran. */
function document(folder: string, change: object = {}, name = "workflow.yaml"): string {
  return spec(
    folder,
    {
      name: "chain",
      tasks: [
        {
          name: "a",
          command: "echo a >>ran; echo said; mkdir -p made; cat source >made/a; chmod +x made/a",
          inputs: ["source"],
          outputs: ["made/a"],
        },
        { name: "b", command: "echo b >>ran; cat made/a >b", inputs: ["made/a"], outputs: ["b"] },
        { name: "c", command: "echo c >>ran; cat b b >c", inputs: ["b"], outputs: ["c"] },
        { name: "x", command: "echo x >>ran", inputs: ["b"] },
      ],
      ...change,
    },
    name,
  );
}

function ran(folder: string): string {
  const names = linesOf(join(folder, "ran")).toSorted().join("");
  rmSync(join(folder, "ran"), { force: true });
  return names;
}

test("tasks with outputs are taken from another state directory, in place and on record", async () => {
  await runReport(first, [document(first)]);
  const again = [document(second), "--reuse", state];
  const dry = await run(second, ["run", "--dry-run", "--json", ...again]);
  expect(parseJson(dry.stdout, dry.stderr)).toMatchObject({ run: 1, reuse: 3, keep: 0 });
  expect(readdirSync(second).toSorted()).toEqual(["source", "workflow.yaml"]);

  expect(await runReport(second, again)).toMatchObject({
    code: 0,
    succeeded: 4,
    cached: 3,
    attempts: 1,
  });
  expect(ran(second)).toBe("x");
  for (const path of ["made/a", "b", "c"])
    expect(readFileSync(join(second, path))).toEqual(readFileSync(join(first, path)));
  expect(statSync(join(second, "made/a")).mode & 0o111).toBe(0o111);
  expect(readdirSync(second).toSorted()).toEqual(
    [".holdall", "b", "c", "made", "source", "workflow.yaml"].toSorted(),
  );
  expect(await logs(second, "a")).toBe("said\n");

  // From now on it is like any run: nothing is left to do, and what changes runs.
  expect(await runReport(second, [document(second)])).toMatchObject({ attempts: 0, cached: 4 });
  writeFileSync(join(second, "b"), "else\n");
  expect(await runReport(second, [document(second)])).toMatchObject({ attempts: 3, cached: 1 });
});

test("`reuse:` in the document, in words that say how many", async () => {
  await runReport(first, [document(first)]);
  const { code, stderr } = await run(second, ["run", document(second, { reuse: state })]);
  expect(code).toBe(0);
  expect(stderr).toContain("3 reused, 1 new");
  expect(stderr).toContain("3 from earlier runs");
  expect(ran(second)).toBe("x");
});

test("another command, input, environment or name of an output is other work, and all downstream of it", async () => {
  await runReport(first, [document(first)]);
  ran(first);
  const tasks = JSON.parse(readFileSync(join(first, document(first)), "utf8")).tasks;
  const variants: [string, object, string][] = [
    ["command", { command: "echo b >>ran; cat made/a made/a >b" }, "bcx"],
    ["env", { env: { V: "1" } }, "bcx"],
    [
      "outputs",
      { outputs: ["b", "made/a2"], command: "echo b >>ran; cp made/a b; cp b made/a2" },
      "bcx",
    ],
    ["nothing", {}, "x"],
  ];
  for (const [name, change, expected] of variants) {
    const changed = tasks.with(1, { ...tasks[1], ...change });
    const folder = join(second, name);
    mkdirSync(folder);
    writeFileSync(join(folder, "source"), "one\n");
    const args = [document(folder, { tasks: changed }), "--reuse", state];
    expect([name, (await runReport(folder, args)).code, ran(folder)]).toEqual([name, 0, expected]);
  }
  writeFileSync(join(second, "source"), "two\n");
  expect(await runReport(second, [document(second), "--reuse", state])).toMatchObject({
    cached: 0,
  });
  expect(ran(second)).toBe("abcx");
});

test("an output that is not what was recorded, or is gone, is not taken", async () => {
  await runReport(first, [document(first)]);
  writeFileSync(join(first, "b"), "ONE\n");
  const report = await runReport(second, [document(second), "--reuse", state]);
  expect(report).toMatchObject({ code: 0, cached: 1, attempts: 3 });
  expect(ran(second)).toBe("bcx");
  expect(readFileSync(join(second, "b"), "utf8")).toBe("one\n");

  rmSync(second, { recursive: true });
  mkdirSync(second);
  writeFileSync(join(second, "source"), "one\n");
  rmSync(join(first, "made/a"));
  expect(await runReport(second, [document(second), "--reuse", state])).toMatchObject({
    cached: 0,
  });
});

test("across workflows of one state directory, and after an edit", async () => {
  await runReport(first, [document(first)]);
  ran(first);
  const other = ["--name", "other", "--reuse", ".holdall"];
  expect(await runReport(first, [document(first), ...other])).toMatchObject({ cached: 3 });
  expect(ran(first)).toBe("x");

  // A workflow that is known is given what is new or has changed.
  const shorter = JSON.parse(readFileSync(join(first, document(first)), "utf8"));
  shorter.tasks.splice(2, 2);
  shorter.tasks[0].command = "false";
  await runReport(second, [spec(second, shorter)]);
  const report = await runReport(second, [document(second), "--reuse", state]);
  expect(report).toMatchObject({ code: 0, succeeded: 4, cached: 3, attempts: 1 });
  expect(ran(second)).toBe("x");
});

test("--fresh never reuses, and both flags at once are a mistake", async () => {
  await runReport(first, [document(first)]);
  const fresh = [document(second, { reuse: state }), "--fresh"];
  expect(await runReport(second, fresh)).toMatchObject({ code: 0, cached: 0, attempts: 4 });
  expect((await run(second, ["run", ...fresh, "--reuse", state])).code).toBe(2);
});

test("a directory that is none, is in use, or may not be written", async () => {
  await runReport(first, [document(first)]);
  const answer = async (dir: string): Promise<unknown> => {
    const { code, stdout } = await run(second, ["run", "--json", document(second), "--reuse", dir]);
    return [code, JSON.parse(stdout).error?.code ?? JSON.parse(stdout).cached];
  };
  expect(await answer("nowhere")).toEqual([3, "not_found"]);

  const command = ["--", "sh", "-c", "echo >begun; sleep 100"];
  const running = start(first, ["run", ...command]);
  await untilFile(join(first, "begun"));
  expect(await answer(state)).toEqual([4, "conflict"]);
  running.kill("SIGKILL");
  await running.result;

  const before = readdirSync(state).toSorted();
  chmodSync(state, 0o500);
  expect(await answer(state)).toEqual([0, 3]);
  chmodSync(state, 0o700);
  expect(readdirSync(state).toSorted()).toEqual(before);
});
