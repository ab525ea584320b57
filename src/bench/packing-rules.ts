/** How others choose, for the simulator of `bench packing`: each rule looks at what waits and what is free, and says what starts where. */
import type { PackingHost, PackingTask } from "./packing-load.ts";

/** What is free of each host. */
export type Free = PackingHost;

export type Rule = (
  waiting: readonly PackingTask[],
  free: Free[],
) => readonly (readonly [task: number, host: number])[];

function fits(task: PackingTask, free: Free): boolean {
  return task.cpus <= free.cpus && task.memoryBytes <= free.memoryBytes && task.gpus <= free.gpus;
}

function take(task: PackingTask, free: Free): void {
  free.cpus -= task.cpus;
  free.memoryBytes -= task.memoryBytes;
  free.gpus -= task.gpus;
}

/** First come, first served: the first host with room takes the first task; nobody overtakes. */
export const firstComeFirstServed: Rule = (waiting, free) => {
  const chosen: [number, number][] = [];
  for (const [at, task] of waiting.entries()) {
    const host = free.findIndex((each) => fits(task, each));
    if (host < 0) break;
    take(task, free[host]!);
    chosen.push([at, host]);
  }
  return chosen;
};

/** Torc 0.12: a runner claims for what it has free; rows that fit alone, by gpus, run time and memory, as many as it has cpus free (the limit comes before packing), then first fit in that order. */
export const torc: Rule = (waiting, free) => {
  const chosen: [number, number][] = [];
  const gone = new Set<number>();
  const order = waiting
    .map((_, at) => at)
    .sort((x, y) => {
      const [a, b] = [waiting[x]!, waiting[y]!];
      return b.gpus - a.gpus || b.estimate - a.estimate || b.memoryBytes - a.memoryBytes;
    });
  free.forEach((host, number) => {
    for (;;) {
      const limit = host.cpus;
      const rows = order.filter((at) => !gone.has(at) && fits(waiting[at]!, host)).slice(0, limit);
      for (const at of rows) {
        if (!fits(waiting[at]!, host)) continue;
        take(waiting[at]!, host);
        gone.add(at);
        chosen.push([at, number]);
      }
      if (rows.length === 0) break;
    }
  });
  return chosen;
};

/** Of how many tasks Work Queue tries at a time (its attempt-schedule-depth). */
const SCHEDULE_DEPTH = 100;

/** Work Queue: in the order of the queue, of the next hundred each that fits goes to the first host with room. */
export const workQueue: Rule = (waiting, free) => {
  const chosen: [number, number][] = [];
  let tried = 0;
  for (const [at, task] of waiting.entries()) {
    const host = free.findIndex((each) => fits(task, each));
    if (host >= 0) {
      take(task, free[host]!);
      chosen.push([at, host]);
    } else if (++tried >= SCHEDULE_DEPTH) break;
  }
  return chosen;
};
