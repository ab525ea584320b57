/** What a scenario is: parts that are measured one after the other, each the same bag on several engines. */
import type { EnginesPlan } from "../engines/run-engines.ts";
import type { EngineId, Sample, Workload } from "../engines/samples.ts";

export type ScenarioName = Exclude<Sample["scenario"], "engines">;

export interface ScenarioRequest {
  /** a short one, to see that it works: its figures say little */
  quick: boolean;
  /** tasks at a time */
  workers: number;
  /** null: the scenario's own */
  tasks: number | null;
  n: number | null;
  tolerance: number | null;
  reps: number | null;
  seed: number;
  /** scale: the largest bag; null: the scenario's own */
  most: number | null;
  /** spot: mean seconds between two kills; null: the scenario's own */
  everyS: number | null;
  /** spot: who takes workers away; null: both, where an engine of Slurm is measured */
  by: "processes" | "slurm" | null;
}

export interface Part extends Pick<
  EnginesPlan,
  "nodes" | "retries" | "marks" | "beside" | "warmUpTasks"
> {
  /** what is about to be measured, for people */
  title: string;
  workload: Workload;
  rounds: number;
  warm: boolean;
  /** engines that take part, of those that are asked for; null: all of them */
  engines: readonly EngineId[] | null;
  /** only engines whose workers can be killed */
  killable?: boolean;
  driverOptions?: NonNullable<EnginesPlan["driverOptions"]>;
}

const NOTHING: Workload = {
  kind: "empty",
  tasks: 1,
  n: null,
  tolerance: null,
  bytes: null,
  level: null,
  sleep_ms: null,
  workers: 1,
};

export function zfp(tasks: number, { n, tolerance, workers }: ScenarioRequest): Workload {
  return {
    ...NOTHING,
    kind: "zfp",
    tasks,
    workers,
    n: n ?? 200_000,
    tolerance: tolerance ?? 1e-3,
  };
}

export function zlib(tasks: number, workers: number): Workload {
  return { ...NOTHING, kind: "zlib", tasks, workers, bytes: 2 * 1024 ** 2, level: 6 };
}

/** 0 ms: empty tasks. */
export function sleeping(tasks: number, sleepMs: number, workers: number): Workload {
  return sleepMs === 0
    ? { ...NOTHING, tasks, workers }
    : { ...NOTHING, kind: "sleep", tasks, workers, sleep_ms: sleepMs };
}

/**
 * Engines that distribute a few tasks a second: bags as large as those of the others would take hours. A bag of this many
 * takes each of them a minute or two.
 */
export const SLOW: Readonly<Partial<Record<EngineId, number>>> = {
  htcondor: 500,
  slurm: 2000,
  "slurm-array": 300,
  "slurm-job": 300,
};

/** Those of `engines` that can take a bag of so many tasks in a reasonable time. */
export function ableTo(
  tasks: number,
  limits: Readonly<Partial<Record<EngineId, number>>>,
  engines: readonly EngineId[],
): EngineId[] {
  return engines.filter((engine) => (limits[engine] ?? Infinity) >= tasks);
}
