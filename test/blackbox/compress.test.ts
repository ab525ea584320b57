// The compress example, as a newcomer meets it: to the end, and again.

import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logs, run, runReport, tasks } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

// Builds the kernel with a C++ compiler.
setDefaultTimeout(240_000);

const workflow = join(root, "examples/compress/workflow.yaml");
const missing = requires("cmake", "sh scripts/setup");

const REPORT_KEYS = [
  "workflow_id",
  "name",
  "tasks",
  "succeeded",
  "failed",
  "canceled",
  "skipped",
  "cached",
  "attempts",
  "wall_seconds",
  "tasks_per_second",
];

test.skipIf(missing)(
  "26 tasks succeed, again nothing runs, and what is gone is made again",
  async () => {
    const cwd = scratchDir();
    const first = await runReport(cwd, [workflow]);
    expect(first).toMatchObject({ code: 0, name: "compress", tasks: 26, succeeded: 26, failed: 0 });
    expect(first).toMatchObject({
      canceled: 0,
      skipped: 0,
      cached: 0,
      attempts: 26,
      workflow_id: 1,
    });
    expect(Object.keys(first).filter((key) => key !== "code")).toEqual(REPORT_KEYS);
    expect(first.wall_seconds).toBeGreaterThan(0);
    expect(first.tasks_per_second).toBeGreaterThan(0);

    const summary = await logs(cwd, "summarize");
    expect(summary).toMatch(
      /^done {6}24\nfailed {4}0\ntotal_ms {2}mean [\d.]+ {2}p50 [\d.]+ {2}p95 [\d.]+\nratio {5}mean [\d.]+\n$/,
    );
    const files = readdirSync(join(cwd, "results/compress"));
    expect(files.filter((name) => /^out_0\d\d\.zfp$/.test(name))).toHaveLength(24);
    expect(readdirSync(cwd).toSorted()).toEqual([".holdall", "build", "results"]);

    const again = await runReport(cwd, [workflow]);
    expect(again).toMatchObject({ code: 0, succeeded: 26, failed: 0, attempts: 0, cached: 26 });

    // One output gone: that task is run again, and what depends on it.
    rmSync(join(cwd, "results/compress/out_007.zfp"));
    const remade = await runReport(cwd, [workflow]);
    expect(remade).toMatchObject({ code: 0, succeeded: 26, attempts: 2, cached: 24 });
    expect(existsSync(join(cwd, "results/compress/out_007.zfp"))).toBe(true);
    const rows = await tasks(cwd);
    const twice = Object.values(rows).filter((row) => row.attempts === 2);
    expect(twice.map((row) => row.name).toSorted()).toEqual(["compress_007", "summarize"]);

    // The kernel is gone: everything hangs on it.
    rmSync(join(cwd, "build/kernels/compress_task"));
    expect(await runReport(cwd, [workflow])).toMatchObject({ code: 0, attempts: 26, cached: 0 });

    const fresh = await runReport(cwd, [workflow, "--fresh"]);
    expect(fresh).toMatchObject({ code: 0, succeeded: 26, attempts: 26, cached: 0 });
  },
);

test.skipIf(missing)(
  "for people: the summary names every outcome, and a failed compression is counted",
  async () => {
    const cwd = scratchDir();
    // The folder cannot be made: every compression fails, and summarize tells so.
    writeFileSync(join(cwd, "results"), "");
    const { code, stdout, stderr } = await run(cwd, ["run", workflow]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("26 tasks: 2 succeeded, 24 failed");
    expect(stderr).toContain("compress_000: exit code");
    expect(stderr).toContain("mkdir: cannot create directory");
    expect(stderr).toMatch(/run time .*\n/);
    expect(await logs(cwd, "summarize")).toStartWith("done      0\nfailed    24\n");
  },
);
