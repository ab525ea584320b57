/** What may be compared: samples of the same workload, warm with warm and cold with cold. */
import { ENGINES, type Sample, type Workload } from "../engines/samples.ts";
import { medianOf } from "../engines/statistics.ts";
import { bytesLabel, plain, secondsLabel } from "./axis.ts";
import { type Look, lookOf } from "./look.ts";

export interface Runs {
  engine: string;
  look: Look;
  samples: Sample[];
}

export interface Group {
  workload: Workload;
  warm: boolean;
  /** as a heading: 24 zfp tasks of 200,000 values, 2 slots, warm */
  name: string;
  /** fastest first */
  engines: Runs[];
}

/** In the order in which they were first measured. */
export function groupsOf(samples: readonly Sample[]): Group[] {
  const groups = Map.groupBy(samples, ({ workload, warm }) => JSON.stringify([workload, warm]));
  return [...groups.values()].map((members) => {
    const { workload, warm } = members[0]!;
    const heat = warm ? "warm" : "cold";
    return {
      workload,
      warm,
      name: `${workloadName(workload)}, ${heat}`,
      engines: byEngine(members).toSorted((a, b) => wall(a) - wall(b)),
    };
  });
}

export function byEngine(samples: readonly Sample[]): Runs[] {
  return [...Map.groupBy(samples, (sample) => sample.engine)].map(([engine, members]) => ({
    engine,
    look: lookOf(engine),
    samples: members.toSorted((a, b) => a.round - b.round),
  }));
}

/** As engines are listed everywhere; bridges behind the engine they use. */
export function inOrder(all: readonly Runs[]): Runs[] {
  const place = ({ engine }: Runs): number => {
    const bridged = engine.startsWith("holdall+");
    const known = ENGINES.findIndex((name) => name === engine.replace(/^holdall\+/, ""));
    return (known < 0 ? ENGINES.length : known) + (bridged ? 0.5 : 0);
  };
  return all.toSorted((a, b) => place(a) - place(b) || a.engine.localeCompare(b.engine));
}

/** Median wall time, seconds. */
export function wall(runs: Runs): number {
  return medianOf(runs.samples.map((sample) => sample.wall_s));
}

/** Tasks done a second; 0 when none was done. */
export function rate({ done, wall_s }: Sample): number {
  return done / wall_s;
}

export function workloadName(workload: Workload): string {
  const { tasks, workers } = workload;
  return `${tasks.toLocaleString("en")} ${taskName(workload)}, ${workers} at a time`;
}

function taskName({ kind, n, tolerance, bytes, level, sleep_ms: sleepMs }: Workload): string {
  switch (kind) {
    case "zfp":
      return `zfp tasks of ${n === null ? "?" : n.toLocaleString("en")} floats${tolerance === null ? "" : `, tolerance ${tolerance}`}`;
    case "zlib":
      return `zlib tasks of ${bytes === null ? "?" : bytesName(bytes)}${level === null ? "" : `, level ${level}`}`;
    case "sleep":
      return `tasks that sleep ${secondsLabel((sleepMs ?? 0) / 1000)}`;
    default:
      return "empty tasks";
  }
}

function bytesName(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${plain(bytes / 2 ** 20)} MiB` : bytesLabel(bytes);
}

/** Seconds that the tasks alone need on all slots; null where that is not known (empty tasks). */
export function idealSeconds(sample: Sample): number | null {
  const { workload, task_ms: taskMs } = sample;
  if (workload.kind === "sleep" && workload.sleep_ms !== null && workload.sleep_ms > 0)
    return (Math.ceil(workload.tasks / workload.workers) * workload.sleep_ms) / 1000;
  if (taskMs === null || taskMs.length === 0) return null;
  return taskMs.reduce((sum, each) => sum + each, 0) / 1000 / workload.workers;
}
