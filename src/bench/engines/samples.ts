/**
 * What `bench engines` and its scenarios write down: one line of `samples.jsonl` for each run of a bag on an engine,
 * and one `environment.json` beside it. Summaries and reports are made from these alone, so they can be made again.
 * Keys are snake_case because these files are for other programs.
 */

export const ENGINES = [
  "holdall",
  "workqueue",
  "ray",
  "parsl",
  "dask",
  "htcondor",
  "slurm",
  "slurm-array",
  "slurm-job",
  "parallel",
  "xargs",
  "floor",
] as const;
/** `holdall --executor X` is named `holdall+X`, as in `holdall+ray`. */
export type EngineId = (typeof ENGINES)[number] | `holdall+${string}`;

export interface Workload {
  /** what a task is: the compression kernel, or nothing but time */
  kind: "zfp" | "zlib" | "empty" | "sleep";
  tasks: number;
  /** zfp: float32 values a task */
  n: number | null;
  tolerance: number | null;
  /** zlib: bytes a task, and the level */
  bytes: number | null;
  level: number | null;
  /** sleep: milliseconds a task */
  sleep_ms: number | null;
  /** slots: how many tasks at a time */
  workers: number;
}

export interface Sample {
  scenario: "engines" | "baseline" | "overhead" | "slurm" | "spot" | "scale";
  engine: EngineId;
  version: string;
  workload: Workload;
  /** repetition, from 0; in each round every engine runs once, in another order */
  round: number;
  /** place in the round's order, from 0 */
  place: number;
  /** warm: the engine had run a bag before and was kept; cold: it was started for this one */
  warm: boolean;
  /** from the start of the driver until the engine and all its workers were ready; of warm runs, that of the one start */
  startup_s: number;
  /** from the first submission until the driver knew the last result */
  wall_s: number;
  done: number;
  failed: number;
  /** the kernel's own total_ms of each task, in the order of the bag; null for empty and sleeping tasks */
  task_ms: number[] | null;
  /** bytes in / bytes out over the bag */
  compression_ratio: number | null;
  /** SHA-256 over the outputs' SHA-256 in the order of the bag; equal for all engines or the run is void */
  checksum: string | null;
  /** of the task's binary, as the tasks themselves report it */
  binary: string | null;
  /** processor time and peak memory of what the engine needs besides workers and tasks, where it can be told */
  manager_cpu_s: number | null;
  manager_peak_bytes: number | null;
  /** only in `spot` */
  spot: SpotFigures | null;
  /** unix time at which the run began */
  at_ms: number;
}

export interface SpotFigures {
  /** seconds of warning (SIGTERM) before SIGKILL; 0 = none; null = undisturbed */
  warning_s: number | null;
  /** processes: the workers were killed; slurm: jobs were preempted by another partition's, or would have been (warning_s null) */
  by: "processes" | "slurm" | null;
  kills: number;
  /** tasks that never had an end */
  lost: number;
  /** task-seconds executed less task-seconds needed */
  reexecuted_s: number;
  /** further executions of tasks that had begun before */
  reexecutions: number;
}

export interface Environment {
  command: string;
  at: string;
  commit: string | null;
  cpu: string;
  cores: number;
  memory_bytes: number;
  kernel: string;
  os: string;
  compiler: string | null;
  zfp: string | null;
  zlib: string | null;
  /** engine → version and where it comes from */
  engines: Record<string, string>;
  /** engine → why it was left out, and how to install it */
  missing: Record<string, string>;
  load_average: number[];
}
