// What every engine of `holdall bench engines` is held to.

import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { engineEntry, missingOf } from "../../src/bench/engines/catalog.ts";
import { withEntry } from "../../src/bench/engines/processes.ts";
import { runEngines } from "../../src/bench/engines/run-engines.ts";
import type { EngineId, Sample } from "../../src/bench/engines/samples.ts";
import { isAlive, run, start, until } from "./holdall.ts";
import { requires } from "./requires.ts";
import { root, scratchDir } from "./scratch.ts";

/** Whether to skip, because an engine is not installed. */
export function lacks(id: EngineId): boolean {
  const entry = engineEntry(id);
  const missing = missingOf(entry, { root, which: (name) => Bun.which(name) });
  return requires(missing ?? id, entry.install, missing === null);
}

/** An environment of a test's own, by which everything that it starts is found. */
export function marked(): { env: Record<string, string>; left(): number[] } {
  const name = "HOLDALL_TEST_MARK";
  const id = crypto.randomUUID();
  return { env: { [name]: id }, left: () => withEntry(`${name}=${id}`).filter(isAlive) };
}

export function readSamples(out: string): Sample[] {
  const lines = readFileSync(join(out, "samples.jsonl"), "utf8").trim().split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Sample);
}

/** Tasks that would take ten minutes run, Ctrl-C comes, and nothing of the engine is there any more. */
export async function leavesNothingBehind(id: EngineId): Promise<void> {
  const cwd = scratchDir();
  const { env, left } = marked();
  const flags = ["--codec", "none", "--sleep-ms", "600000", "--tasks", "4", "--workers", "2"];
  const bench = start(
    cwd,
    ["bench", "engines", "--engines", id, "--cold", "--reps", "1", "--out", "out", ...flags],
    { env },
  );
  await until("two tasks run", () => sleepers(cwd).length === 2 || ended(bench.pid), 150_000);
  expect(left().length).toBeGreaterThan(2);
  bench.kill("SIGINT");
  const { code, stderr } = await bench.result;
  expect({ code, stderr }).toMatchObject({ code: 130 });
  expect(sleepers(cwd)).toEqual([]);
  expect(left()).toEqual([]);
  expect(readdirSync(join(cwd, "out")).toSorted()).toEqual([
    "benchmark_summary.txt",
    "environment.json",
    "samples.jsonl",
    "summary.json",
  ]);
}

/** The copies of sleep_task of a measurement in this folder. */
function sleepers(cwd: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
        return words[0] === resolve(cwd, "out/work/sleep_task");
      } catch {
        return false;
      }
    })
    .map(Number);
}

function ended(pid: number): boolean {
  if (isAlive(pid)) return false;
  throw new Error("the measurement ended by itself");
}

/** A node is killed and replaced while tasks run: all of them are done, those it ran twice unless it was warned. */
export async function survivesKills(id: EngineId, warningS: number): Promise<void> {
  const kernels = join(root, "build/kernels");
  const tasks = 12;
  let starts: string[] = [];
  const { samples, broken } = await runEngines({
    scenario: "spot",
    engines: [engineEntry(id)],
    workloads: [
      {
        ...{ kind: "sleep", tasks, sleep_ms: 1500, workers: 2 },
        ...{ n: null, tolerance: null, bytes: null, level: null },
      },
    ],
    rounds: 1,
    warm: false,
    seed: 1,
    nodes: 2,
    retries: 3,
    marks: true,
    programs: {
      compressTask: join(kernels, "compress_task"),
      sleepTask: join(kernels, "sleep_task"),
      empty: "/bin/true",
    },
    root,
    workFolder: join(scratchDir(), "work"),
    env: process.env,
    async beside({ bag, driver }, over) {
      const marks = join(bag.folder, "marks");
      const slotsBusy = (): boolean =>
        readdirSync(marks)
          .map((name) => readFileSync(join(marks, name), "utf8"))
          .filter((text) => text.startsWith("s ") && !text.includes("\ne ")).length === 2;
      await until("both nodes run a task", slotsBusy, 60_000);
      await driver.kill(0, warningS);
      await new Promise((done) => over.addEventListener("abort", done));
      starts = readdirSync(marks).flatMap((name) =>
        readFileSync(join(marks, name), "utf8")
          .split("\n")
          .filter((line) => line.startsWith("s "))
          .map(() => name),
      );
      return null;
    },
    onSample: () => {},
    note: () => {},
  });
  expect(broken.map(({ error }) => error.message)).toEqual([]);
  expect(samples[0]).toMatchObject({ done: tasks, failed: 0 });
  expect(new Set(starts).size).toBe(tasks);
  // With a warning an engine may let end what runs.
  expect(starts.length).toBeGreaterThanOrEqual(warningS > 0 ? tasks : tasks + 1);
}

/** The fixed fields of `bench engines --json`. */
export async function measured(
  engines: readonly EngineId[],
  ...flags: string[]
): Promise<{ result: EnginesJson; samples: Sample[]; out: string }> {
  const cwd = scratchDir();
  const args = ["bench", "engines", "--engines", engines.join(","), "--out", "out", "--json"];
  const { code, stdout, stderr } = await run(cwd, [...args, ...flags]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const out = join(cwd, "out");
  expect(existsSync(join(out, "work"))).toBe(false);
  return { result: JSON.parse(stdout) as EnginesJson, samples: readSamples(out), out };
}

export interface EnginesJson {
  workload: Record<string, unknown>;
  engines: {
    name: string;
    done: number;
    failed: number;
    startup_s: number;
    wall_s: { median: number; min: number; max: number };
    tasks_per_s: number;
    task_ms: { mean: number; p50: number; p95: number } | null;
    compression_ratio: number | null;
  }[];
  ratios: Record<string, number>;
  bridge_overhead_ms: Record<string, number>;
  missing: Record<string, string>;
  broken: Record<string, string>;
}
