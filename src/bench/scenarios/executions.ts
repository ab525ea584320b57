/** What the tasks themselves wrote down of their executions (`sleep_task --mark`): facts, whatever an engine says. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LiveRun } from "../engines/run-engines.ts";
import type { SpotFigures } from "../engines/samples.ts";

export interface Execution {
  task: string;
  pid: number;
  startMs: number;
  /** null: it did not come to its end */
  endMs: number | null;
}

/** Of all tasks that began, in the order in which each began. A last line that is not whole is ignored. */
export function readExecutions(folder: string): Execution[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .toSorted()
    .flatMap((task) => parseMarks(task, readFileSync(join(folder, task), "utf8")));
}

export function parseMarks(task: string, text: string): Execution[] {
  const found: Execution[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const [what, word, time] = line.split(" ");
    const [pid, ms] = [Number(word), Number(time)];
    if (!Number.isFinite(pid) || !Number.isFinite(ms)) continue;
    if (what === "s") found.push({ task, pid, startMs: ms, endMs: null });
    else if (what === "e") {
      // Process ids come again; the newest that has no end is meant.
      const open = found.findLast((each) => each.pid === pid && each.endMs === null);
      if (open !== undefined) open.endMs = ms;
    }
  }
  return found;
}

export interface Account {
  /** tasks without an execution that came to its end */
  lost: number;
  /** seconds executed less those of one whole execution of each task that has one */
  reexecutedS: number;
  /** executions beyond each task's first */
  reexecutions: number;
}

/**
 * `deaths`: unix ms at which an execution was seen to be gone, by `keyOf`; who was not seen died at the next blow, or at the end. None
 * of those cut off was longer than a task is.
 */
export function accountOf(
  executions: readonly Execution[],
  tasks: number,
  deaths: ReadonlyMap<string, number>,
  blowsMs: readonly number[],
  overMs: number,
  lengthMs: number,
): Account {
  let [executedMs, neededMs, whole, begun] = [0, 0, 0, 0];
  for (const own of Map.groupBy(executions, ({ task }) => task).values()) {
    begun += 1;
    for (const each of own)
      executedMs += endOf(each, deaths, blowsMs, overMs, lengthMs) - each.startMs;
    const first = own.find((each) => each.endMs !== null);
    if (first === undefined) continue;
    whole += 1;
    neededMs += first.endMs! - first.startMs;
  }
  return {
    lost: tasks - whole,
    reexecutedS: (executedMs - neededMs) / 1000,
    reexecutions: executions.length - begun,
  };
}

function endOf(
  execution: Execution,
  deaths: ReadonlyMap<string, number>,
  blowsMs: readonly number[],
  overMs: number,
  lengthMs: number,
): number {
  if (execution.endMs !== null) return execution.endMs;
  const seen = deaths.get(keyOf(execution));
  const next = blowsMs.find((ms) => ms >= execution.startMs);
  const { startMs } = execution;
  return Math.min(startMs + lengthMs, Math.max(startMs, seen ?? next ?? overMs));
}

export function keyOf({ task, pid, startMs }: Execution): string {
  return `${task} ${pid} ${startMs}`;
}

/** What a sample says of them; the bag has just ended. */
export function figuresOf(
  marks: string,
  run: LiveRun,
  deaths: ReadonlyMap<string, number>,
  blowsMs: readonly number[],
): Pick<SpotFigures, "lost" | "reexecuted_s" | "reexecutions"> {
  const { tasks, sleep_ms: lengthMs } = run.bag.workload;
  const account = accountOf(
    readExecutions(marks),
    tasks,
    deaths,
    blowsMs,
    Date.now(),
    lengthMs ?? 0,
  );
  const { lost, reexecutedS, reexecutions } = account;
  return { lost, reexecuted_s: reexecutedS, reexecutions };
}
