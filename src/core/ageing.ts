/**
 * How long the tasks of a class have waited, to within a sixteenth of the ageing time, without a time per task: the queue is first in
 * first out, so a few marks (time, how many tasks became ready then) tell the age of its head.
 * Cancellations and retries blur the marks by as many tasks; nothing but the order depends on them.
 */
import type { ReadyClass } from "./ready.ts";

export interface WaitMarks {
  /** pairs [ready since, tasks], oldest first */
  list: number[];
  /** sum of the counts */
  total: number;
}

const STEPS = 16;

/** Makes the marks agree with the number of ready tasks: those that came since the last look came now, those that went were the oldest. */
export function markWaiting(cls: ReadyClass, nowMs: number, ageMs: number): void {
  const { marks, ready } = cls;
  const { list } = marks;
  let more = ready - marks.total;
  marks.total = ready;
  if (more > 0) {
    const last = list.length - 2;
    if (last >= 0 && nowMs - list[last]! < ageMs / STEPS) list[last + 1]! += more;
    else list.push(nowMs, more);
    return;
  }
  while (more < 0 && list.length > 0) {
    const gone = Math.min(-more, list[1]!);
    more += gone;
    if (gone < list[1]!) list[1]! -= gone;
    else list.splice(0, 2);
  }
}

/** Since when the head of the queue waits, ms; Infinity for an empty one. */
export function waitingSince(cls: ReadyClass): number {
  return cls.marks.list[0] ?? Infinity;
}

/** Tasks that have waited for at least `ageMs`. */
export function agedCount(cls: ReadyClass, nowMs: number, ageMs: number): number {
  const { list } = cls.marks;
  // Aged marks become one.
  while (list.length > 2 && nowMs - list[2]! >= ageMs) {
    list[3]! += list[1]!;
    list.splice(0, 2);
  }
  return list.length > 0 && nowMs - list[0]! >= ageMs ? list[1]! : 0;
}
