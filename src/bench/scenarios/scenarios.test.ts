import { expect, test } from "bun:test";
import { ENGINES, type EngineId } from "../engines/samples.ts";
import { baseline } from "./baseline.ts";
import { overhead } from "./overhead.ts";
import { LARGEST, scale } from "./scale.ts";
import type { Part, ScenarioRequest } from "./scenario.ts";
import { schedule } from "./schedule.ts";
import { slurm } from "./slurm.ts";
import type { SlurmSite } from "./slurm-site.ts";
import { spot } from "./spot.ts";

const REQUEST: ScenarioRequest = {
  quick: false,
  workers: 2,
  tasks: null,
  n: null,
  tolerance: null,
  reps: null,
  seed: 1,
  most: null,
  everyS: null,
  by: null,
};
const CLUSTER: SlurmSite = { what: "a test's", own: true, env: {}, stop: async () => {} };

function workloads(parts: readonly Part[]): string[] {
  return parts.map(({ workload: { kind, tasks, n, bytes, level } }) =>
    [kind, tasks, n ?? bytes, level].filter((each) => each !== null).join(" "),
  );
}

test("the baseline is what the studies measured, and 2,000 tasks with five repetitions", () => {
  const parts = baseline(REQUEST, ENGINES);
  expect(workloads(parts)).toEqual([
    "zlib 24 2097152 6",
    "zfp 12 200000",
    "zfp 24 200000",
    "zfp 2000 200000",
  ]);
  expect(parts.every((part) => part.rounds >= 5 && part.warm)).toBe(true);
  expect(parts[2]!.workload.tolerance).toBe(1e-3);
  // An engine that takes five tasks a second would need hours.
  expect(parts[3]!.engines).not.toContain("slurm-array");
  expect(parts[3]!.engines).toContain("workqueue");
});

test("overhead: empty, 1, 10 and 100 ms, slow engines with fewer tasks of the same length", () => {
  const parts = overhead(REQUEST, ["holdall", "slurm-array"]);
  const lengths = (engine: EngineId): (number | null)[] =>
    parts.filter((part) => part.engines?.includes(engine)).map(({ workload }) => workload.sleep_ms);
  expect(lengths("holdall")).toEqual([null, 1, 10, 100]);
  expect(lengths("slurm-array")).toEqual([null, 1, 10, 100]);
  for (const part of parts)
    if (part.engines?.includes("slurm-array")) expect(part.workload.tasks).toBeLessThan(100);
});

test("scale: a hundred to a million, each engine as far as its limit", () => {
  const parts = scale(REQUEST, ENGINES);
  expect(parts.map(({ workload }) => workload.tasks)).toEqual([1e2, 1e3, 1e4, 1e5, 1e6]);
  expect(parts[4]!.engines).toEqual(["holdall"]);
  for (const part of parts)
    for (const engine of part.engines!)
      expect(LARGEST[engine] ?? 1e6).toBeGreaterThanOrEqual(part.workload.tasks);
  expect(scale({ ...REQUEST, most: 5000 }, ENGINES)).toHaveLength(2);
});

test("spot: undisturbed first, then killed; preempted where there is a Slurm of our own", () => {
  const kinds = (by: ScenarioRequest["by"], site: SlurmSite | null): string[] =>
    spot({ ...REQUEST, by }, ["holdall", "ray", "slurm"], site).map(
      ({ title, engines }) => `${title.split(" every")[0]}: ${engines!.join(" ")}`,
    );
  const killed = ["undisturbed: holdall ray", "workers killed: holdall ray"];
  const preempted = ["undisturbed on Slurm: holdall slurm", "preempted by Slurm: holdall slurm"];
  expect(kinds(null, CLUSTER)).toEqual([...killed, killed[1]!, ...preempted]);
  expect(kinds("slurm", CLUSTER)).toEqual(preempted);
  expect(kinds("processes", CLUSTER)).toEqual([...killed, killed[1]!]);
  expect(kinds("slurm", { ...CLUSTER, own: false })).toEqual([]);
});

test("slurm: Holdall's workers are jobs; on a site they reach the server by name", () => {
  const [part] = slurm(REQUEST, CLUSTER);
  expect(part!.driverOptions!("holdall", part!.workload)).toEqual([
    "--pilots",
    "slurm",
    "--nodes",
    "4",
  ]);
  expect(part!.driverOptions!("slurm-array", part!.workload)).toEqual([]);
  const [site] = slurm(REQUEST, { ...CLUSTER, own: false });
  expect(site!.driverOptions!("holdall", site!.workload)).toContain("--host");
});

test("quick ones are short", () => {
  const quick = { ...REQUEST, quick: true };
  const engines: EngineId[] = ["holdall", "workqueue"];
  const all = [baseline, overhead, scale].flatMap((make) => make(quick, engines));
  for (const part of [...all, ...spot(quick, engines, null), ...slurm(quick, CLUSTER)])
    expect(part.workload.tasks * part.rounds).toBeLessThanOrEqual(1000);
});

test("a schedule is that of its seed and round, and has the rate that was asked for", () => {
  const options = { seed: 3, round: 0, nodes: 4, everyS: 2, lastMs: 4_000_000 };
  const blows = schedule(options);
  expect(blows).toEqual(schedule(options));
  expect(blows).not.toEqual(schedule({ ...options, round: 1 }));
  // 2,000 on average; a Poisson process is 45 off once in a while, 200 never
  expect(blows.length).toBeWithin(1800, 2200);
  expect(new Set(blows.map(({ node }) => node))).toEqual(new Set([0, 1, 2, 3]));
  expect(blows.every(({ atMs }, i) => i === 0 || atMs > blows[i - 1]!.atMs)).toBe(true);
  // Half of the gaps of a Poisson process are below 0.69 of the mean; those of a regular one would all be near it.
  const gaps = blows.slice(1).map(({ atMs }, i) => atMs - blows[i]!.atMs);
  expect(gaps.filter((gap) => gap < 2000 * Math.LN2).length / gaps.length).toBeCloseTo(0.5, 1);
});
