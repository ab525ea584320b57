// Every scenario from its command to its page, in its short form.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sample } from "../../src/bench/engines/samples.ts";
import { parseJson, run } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

const LIMIT_MS = 300_000;

interface Answer {
  scenario: string;
  broken: Record<string, string>;
}

/** The samples of `holdall bench NAME --quick`, which has to end well. */
async function measured(name: string, ...flags: string[]): Promise<Sample[]> {
  const cwd = scratchDir();
  const { code, stdout, stderr } = await run(cwd, [
    ...["bench", name, "--quick", "--json", "--require", "--out", "out", ...flags],
  ]);
  const { scenario, broken } = parseJson(stdout, stderr) as Answer;
  expect({ code, scenario, broken }, stderr).toEqual({ code: 0, scenario: name, broken: {} });
  for (const file of ["environment.json", "summary.json", "benchmark_summary.txt", "report.html"])
    expect(existsSync(join(cwd, "out", file))).toBe(true);
  const text = readFileSync(join(cwd, "out/samples.jsonl"), "utf8");
  const samples = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Sample);
  for (const { scenario: of, failed, done, workload } of samples)
    expect({ of, failed, done }).toEqual({
      of: name as Sample["scenario"],
      failed: 0,
      done: workload.tasks,
    });
  return samples;
}

test(
  "baseline: the same outputs from each engine",
  async () => {
    const samples = await measured("baseline", "--engines", "holdall,floor", "--reps", "1");
    const groups = Map.groupBy(samples, ({ workload }) => JSON.stringify(workload));
    expect(groups.size).toBe(4);
    for (const group of groups.values()) {
      expect(group.map(({ engine }) => engine).toSorted()).toEqual(["floor", "holdall"]);
      expect(new Set(group.map(({ checksum }) => checksum)).size).toBe(1);
    }
  },
  LIMIT_MS,
);

test(
  "overhead: four lengths",
  async () => {
    const samples = await measured("overhead", "--engines", "holdall,xargs", "--reps", "1");
    const lengths = new Set(samples.map(({ workload }) => workload.sleep_ms));
    expect(lengths).toEqual(new Set([null, 1, 10, 100]));
    for (const { workload, wall_s } of samples)
      expect(wall_s * workload.workers * 1000).toBeGreaterThanOrEqual(
        workload.tasks * (workload.sleep_ms ?? 0),
      );
  },
  LIMIT_MS,
);

test(
  "scale: what the manager needs is in the samples",
  async () => {
    const samples = await measured("scale", "--engines", "holdall", "--most", "100");
    expect(samples.length).toBe(1);
    expect(samples[0]!.manager_peak_bytes).toBeGreaterThan(1e6);
    expect(samples[0]!.manager_cpu_s).toBeGreaterThanOrEqual(0);
  },
  LIMIT_MS,
);

test(
  "spot: workers were killed, tasks cut off ran again, none was lost",
  async () => {
    const samples = await measured("spot", "--engines", "holdall", "--every", "0.7", "--reps", "2");
    const calm = samples.filter(({ spot }) => spot!.warning_s === null);
    const wild = samples.filter(({ spot }) => spot!.warning_s === 0);
    expect([calm.length, wild.length]).toEqual([2, 2]);
    for (const { spot } of calm) expect(spot).toMatchObject({ kills: 0, reexecutions: 0, lost: 0 });
    const sum = (of: (sample: Sample) => number): number =>
      wild.reduce((total, sample) => total + of(sample), 0);
    expect(sum(({ spot }) => spot!.lost)).toBe(0);
    expect(sum(({ spot }) => spot!.kills)).toBeGreaterThan(0);
    expect(sum(({ spot }) => spot!.reexecutions)).toBeGreaterThan(0);
    // No kill can destroy more than what its worker had: two tasks of half a second.
    const again = sum(({ spot }) => spot!.reexecuted_s);
    expect(again).toBeGreaterThan(0);
    expect(again).toBeLessThan(1.2 * sum(({ spot }) => spot!.kills));
  },
  LIMIT_MS,
);

const noSlurm =
  requires("slurmctld", "sh scripts/setup --all") ||
  requires("root", "run as root", process.getuid?.() === 0);

test.skipIf(noSlurm)(
  "slurm: pilots, steps, an array and jobs give the same outputs",
  async () => {
    const samples = await measured("slurm");
    const zfp = samples.filter(({ workload }) => workload.kind === "zfp");
    expect(new Set(zfp.map(({ engine }) => engine))).toEqual(
      new Set(["holdall", "slurm", "slurm-array", "slurm-job"]),
    );
    expect(new Set(zfp.map(({ checksum }) => checksum)).size).toBe(1);
  },
  LIMIT_MS,
);

test.skipIf(noSlurm)(
  "spot: pilots are preempted by Slurm, and no task is lost",
  async () => {
    const samples = await measured("spot", "--engines", "holdall", "--by", "slurm");
    const [calm, wild] = samples;
    expect(samples.length).toBe(2);
    expect(calm!.spot).toMatchObject({ by: "slurm", warning_s: null, kills: 0 });
    expect(wild!.spot).toMatchObject({ by: "slurm", warning_s: 0, lost: 0 });
    expect(wild!.spot!.kills).toBeGreaterThan(0);
  },
  LIMIT_MS,
);
