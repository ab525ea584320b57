// `bench engines` with the engines that npm test installs: what it writes, what voids it, and that nothing is left behind.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EngineId } from "../../src/bench/engines/samples.ts";
import {
  lacks,
  leavesNothingBehind,
  marked,
  measured,
  readSamples,
  survivesKills,
} from "../support/bench-engines.ts";
import { parseJson, run, start, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

const ENGINES = ["holdall", "floor", "xargs", "parallel", "workqueue", "ray"] as const;
const KILLABLE = ["holdall", "workqueue", "ray"] as const;
const LIMIT_MS = 240_000;

test.skipIf(ENGINES.some(lacks))(
  "the same bag on all engines: fixed fields, equal outputs of one program, every sample kept",
  async () => {
    const { result, samples, out } = await measured(
      ENGINES,
      ...["--tasks", "6", "--n", "2000", "--reps", "2", "--workers", "2"],
    );
    expect(result.workload).toMatchObject({ kind: "zfp", tasks: 6, n: 2000, workers: 2 });
    expect(result.engines.map(({ name }) => name)).toEqual([
      ...["holdall", "workqueue", "ray", "parallel", "xargs", "floor"],
    ]);
    for (const engine of result.engines) {
      expect(engine).toMatchObject({ done: 6, failed: 0 });
      const { median, min, max } = engine.wall_s;
      expect(min).toBeGreaterThan(0);
      expect(median).toBeGreaterThanOrEqual(min);
      expect(max).toBeGreaterThanOrEqual(median);
      expect(engine.startup_s).toBeGreaterThan(0);
      expect(engine.tasks_per_s).toBeCloseTo(6 / median, 6);
      expect(engine.task_ms!.p95).toBeGreaterThanOrEqual(engine.task_ms!.p50);
      expect(engine.compression_ratio).toBeGreaterThan(1);
    }
    expect(result.ratios["workqueue/ray"]).toBeCloseTo(1 / result.ratios["ray/workqueue"]!, 9);
    expect({ missing: result.missing, broken: result.broken }).toEqual({ missing: {}, broken: {} });

    expect(samples).toHaveLength(12);
    expect(new Set(samples.map(({ checksum }) => checksum)).size).toBe(1);
    expect(new Set(samples.map(({ binary }) => binary)).size).toBe(1);
    expect(samples[0]!.checksum).toMatch(/^[0-9a-f]{64}$/);
    expect(samples[0]!.binary).toMatch(/^[0-9a-f]{40}$/);
    const order = (of: number): string[] =>
      samples.filter(({ round }) => round === of).map(({ engine }) => engine);
    expect(order(1)).toEqual([...order(0).slice(1), order(0)[0]!]);

    const environment = JSON.parse(readFileSync(join(out, "environment.json"), "utf8"));
    expect(Object.keys(environment.engines).toSorted()).toEqual(ENGINES.toSorted());
    expect(environment).toMatchObject({ missing: {}, zfp: expect.stringMatching(/^\d/) });
    const text = readFileSync(join(out, "benchmark_summary.txt"), "utf8");
    expect(text).toMatch(/^Work Queue: done=6 failed=0 wall_s=[\d.]+ tasks_per_s=[\d.]+$/m);
    expect(text).toMatch(/^Wall-time ratio \(WQ\/Ray\): \d+\.\d{3}$/m);
  },
  LIMIT_MS,
);

test(
  "zlib, a sweep, and engines just started",
  async () => {
    const { result, samples } = await measured(
      ["holdall", "floor"],
      ...["--codec", "zlib", "--bytes", "4k", "--cold", "--reps", "1", "--sweep", "tasks=2,3"],
    );
    const { sweep } = result as unknown as { sweep: { workload: object; warm: boolean }[] };
    expect(sweep.map(({ workload, warm }) => ({ ...workload, warm }))).toMatchObject([
      { kind: "zlib", tasks: 2, bytes: 4096, level: 6, warm: false },
      { kind: "zlib", tasks: 3, bytes: 4096, level: 6, warm: false },
    ]);
    expect(samples.map(({ done }) => done)).toEqual([2, 2, 3, 3]);
  },
  LIMIT_MS,
);

test("what cannot be understood is refused before anything runs", async () => {
  const cwd = scratchDir();
  const refused = async (...flags: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(cwd, ["bench", "engines", "--json", ...flags]);
    const { error } = parseJson(stdout, stderr) as { error: { code: string; message: string } };
    return [code, error.code, error.message];
  };
  expect(await refused("--engines", "holdall,rai")).toEqual([
    2,
    "usage",
    'there is no engine "rai"',
  ]);
  expect(await refused("--warm", "--cold")).toEqual([
    2,
    "usage",
    "--warm and --cold exclude each other",
  ]);
  expect(await refused("--codec", "zlib", "--n", "5")).toEqual([
    2,
    "usage",
    "--n is for --codec zfp, not zlib",
  ]);
  expect(await refused("--sweep", "cpus=1")).toEqual([
    2,
    "usage",
    "--sweep cpus=1 is not understood",
  ]);
  expect(await refused("--engines", "floor", "--cctools", cwd)).toEqual([
    2,
    "usage",
    "--cctools is for workqueue, which is not among the engines",
  ]);
  expect(existsSync(join(cwd, "results"))).toBe(false);
});

test.skipIf(lacks("workqueue"))("a build of Work Queue that is none", async () => {
  const cwd = scratchDir();
  const args = ["bench", "engines", "--engines", "workqueue", "--cctools", "."];
  const { code, stderr } = await run(cwd, args);
  expect(code).toBe(3);
  expect(stderr).toContain(`${join(cwd, "bin/work_queue_worker")} is not there`);
  expect(existsSync(join(cwd, "results"))).toBe(false);
});

test("an engine that is missing is named with the way to install it; --require makes it an error", async () => {
  const cwd = scratchDir();
  // parallel is looked up on the PATH; everything else that is needed lies elsewhere.
  const env = { PATH: "/nowhere" };
  const node = process.execPath;
  const command = [node, join(import.meta.dir, "../../src/cli/main.ts")];
  const args = ["bench", "engines", "--engines", "parallel,workqueue", "--json"];
  const required = await run(cwd, [...args, "--require"], { env, command });
  expect(required.code).toBe(3);
  const { error } = parseJson(required.stdout, required.stderr) as { error: { message: string } };
  expect(error.message).toContain(
    "parallel: parallel is not on the PATH; to install it: sh scripts/setup --engines",
  );
  expect(await run(cwd, args, { env, command })).toMatchObject({ code: 3 });
  expect(existsSync(join(cwd, "results"))).toBe(false);
});

test.skipIf(lacks("workqueue"))(
  "a build of Work Queue of the user's: its worker and its version",
  async () => {
    // The system's own is one that was installed with a prefix, too.
    const flags = ["--tasks", "2", "--n", "2000", "--reps", "1", "--cctools", "/usr"];
    const { samples, out } = await measured(["workqueue"], ...flags);
    const environment = JSON.parse(readFileSync(join(out, "environment.json"), "utf8"));
    expect(environment.engines.workqueue).toBe(`${samples[0]!.version} (/usr)`);
    expect(samples[0]!.done).toBe(2);
  },
  LIMIT_MS,
);

test(
  "results are never written over",
  async () => {
    const cwd = scratchDir();
    const args = ["bench", "engines", "--engines", "floor", "--codec", "none", "--out", "out"];
    const flags = ["--tasks", "2", "--reps", "1"];
    expect((await run(cwd, [...args, ...flags])).code).toBe(0);
    const before = readFileSync(join(cwd, "out/samples.jsonl"), "utf8");
    expect(await run(cwd, [...args, ...flags])).toMatchObject({ code: 4 });
    expect(readFileSync(join(cwd, "out/samples.jsonl"), "utf8")).toBe(before);
  },
  LIMIT_MS,
);

/** Does what it is told with another tolerance, and says that all is well. */
const CHEAT = `#!/bin/sh
[ "$1" = --version ] && { echo "GNU parallel 7"; exit; }
while [ $# -gt 0 ]; do [ "$1" = --joblog ] && log=$2; shift; done
echo head >"$log"
n=0
tr '\\0' '\\n' | sed 's/--tolerance 0.001/--tolerance 0.1/' | while read -r command; do
  n=$((n + 1))
  sh -c "$command"
  printf '%s\\t:\\t0\\t0\\t0\\t0\\t0\\t0\\n' $n >>"$log"
done
`;

test(
  "an engine that computes something else voids the run, and is named",
  async () => {
    const cwd = scratchDir();
    writeFileSync(join(cwd, "parallel"), CHEAT, { mode: 0o755 });
    const env = { PATH: `${cwd}:${process.env["PATH"]}` };
    const args = ["bench", "engines", "--engines", "parallel,floor,xargs", "--json"];
    const flags = ["--tasks", "3", "--n", "2000", "--reps", "1", "--out", "out"];
    const { code, stdout, stderr } = await run(cwd, [...args, ...flags], { env });
    expect(code).toBe(1);
    const { error } = parseJson(stdout, stderr) as { error: { code: string; message: string } };
    expect(error.code).toBe("void");
    expect(error.message).toMatch(
      /^this run is void: the outputs differ: \w{12} of parallel; \w{12} of (floor, xargs|xargs, floor)$/,
    );
    const samples = readSamples(join(cwd, "out"));
    expect(samples).toHaveLength(3);
    for (const sample of samples) expect(sample).toMatchObject({ done: 3, failed: 0 });
  },
  LIMIT_MS,
);

test.skipIf(lacks("parallel"))(
  "an engine that dies is named, the others are measured, and the exit code says so",
  async () => {
    const cwd = scratchDir();
    const { env, left } = marked();
    const flags = ["--codec", "none", "--sleep-ms", "100", "--tasks", "20", "--workers", "1"];
    const bench = start(
      cwd,
      ["bench", "engines", "--engines", "parallel,floor", "--reps", "1", "--cold", "--json"].concat(
        [...flags, "--out", "out"],
      ),
      { env },
    );
    const driver = await until("parallel's driver runs", () =>
      left().find((pid) => commandOf(pid).includes("parallel_driver.py")),
    );
    await until("parallel runs", () => left().some((pid) => commandOf(pid).includes("--joblog")));
    process.kill(driver, "SIGKILL");
    const { code, stdout, stderr } = await bench.result;
    expect(code).toBe(1);
    const result = parseJson(stdout, stderr) as {
      engines: { name: string }[];
      broken: Record<string, string>;
    };
    expect(result.engines.map(({ name }) => name)).toEqual(["floor"]);
    expect(result.broken["parallel"]).toStartWith("GNU Parallel: its driver ended (SIGKILL)");
    expect(left()).toEqual([]);
    expect(readSamples(join(cwd, "out")).map(({ engine }) => engine)).toEqual(["floor"]);
  },
  LIMIT_MS,
);

test.skipIf(lacks("workqueue"))(
  "engines end also when the measurement gets kill -9",
  async () => {
    const cwd = scratchDir();
    const { env, left } = marked();
    const flags = ["--codec", "none", "--sleep-ms", "600000", "--tasks", "4", "--workers", "2"];
    for (const id of ["holdall", "workqueue", "floor"]) {
      const args = ["bench", "engines", "--engines", id, "--cold", "--out", id, ...flags];
      // Without the script that starts Bun, which would be what is killed.
      const command = [process.execPath, join(import.meta.dir, "../../src/cli/main.ts")];
      const bench = start(cwd, args, { env, command });
      await until(
        "two tasks run",
        () => left().filter((pid) => commandOf(pid).includes("sleep_task\0")).length === 2,
        60_000,
      );
      bench.kill("SIGKILL");
      await until("nothing is left", () => left().length === 0, 30_000);
    }
  },
  LIMIT_MS,
);

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

describe("Ctrl-C leaves no process of any engine behind", () => {
  for (const id of [...ENGINES, "holdall+workqueue", "holdall+ray"] satisfies EngineId[])
    test.skipIf(lacks(id))(id, () => leavesNothingBehind(id), LIMIT_MS);
});

describe("a worker that is killed is replaced, and all tasks are done", () => {
  for (const id of KILLABLE)
    test.skipIf(lacks(id)).each([0, 1])(
      `${id}, warned %p s before`,
      (warningS) => survivesKills(id, warningS),
      LIMIT_MS,
    );
});
