/**
 * The ready index. Tasks with equal requirements, priority, scheduler and category share a class;
 * there are few classes however many tasks, so a choice costs O(classes), not O(queue).
 */
import type { Learning } from "./allocate.ts";
import type { Watch } from "./watch.ts";
import type { WaitMarks } from "./ageing.ts";
import type { Algorithm, Placement, Requirement } from "./workflow.ts";

/** A queue of task numbers that keeps runs of consecutive numbers as ranges: a million array tasks are one entry. */
export class RangeQueue {
  #ranges: number[] = [];
  #head = 0;
  /** tasks put back (retries, lost attempts): served first, last in first out by range */
  #front: number[] = [];

  push(task: number, count = 1): void {
    const ranges = this.#ranges;
    const last = ranges.length - 1;
    if (last > this.#head && ranges[last] === task) ranges[last] = task + count;
    else ranges.push(task, task + count);
  }

  pushFront(task: number): void {
    const front = this.#front;
    const last = front.length - 2;
    if (last >= 0 && front[last] === task + 1) front[last] = task;
    else front.push(task, task + 1);
  }

  /** The next run of at most `limit` consecutive tasks, or null when empty. */
  shift(limit: number): { first: number; count: number } | null {
    const front = this.#front;
    if (front.length > 0) {
      const end = front.pop()!;
      const first = front.pop()!;
      const count = Math.min(limit, end - first);
      if (first + count < end) front.push(first + count, end);
      return { first, count };
    }
    const ranges = this.#ranges;
    if (this.#head >= ranges.length) return null;
    const first = ranges[this.#head]!;
    const end = ranges[this.#head + 1]!;
    const count = Math.min(limit, end - first);
    if (first + count < end) ranges[this.#head] = first + count;
    else {
      this.#head += 2;
      if (this.#head > 1024 && this.#head * 2 > ranges.length) {
        ranges.splice(0, this.#head);
        this.#head = 0;
      }
    }
    return { first, count };
  }

  /** The run of tasks that would be served next, as far as they stand together, or null when empty. */
  peek(): { first: number; end: number } | null {
    const front = this.#front;
    const last = front.length - 2;
    if (last >= 0) return { first: front[last]!, end: front[last + 1]! };
    const ranges = this.#ranges;
    if (this.#head >= ranges.length) return null;
    return { first: ranges[this.#head]!, end: ranges[this.#head + 1]! };
  }

  /** Takes out one task, wherever it stands; quick near the head. Null when it is not there. */
  take(task: number): { first: number; count: number } | null {
    const front = this.#front;
    for (let i = front.length - 2; i >= 0; i -= 2)
      if (front[i]! <= task && task < front[i + 1]!) {
        front.splice(
          i,
          2,
          ...around(front[i]!, task, front[i + 1]!)
            .reverse()
            .flat(),
        );
        return { first: task, count: 1 };
      }
    const ranges = this.#ranges;
    for (let i = this.#head; i < ranges.length; i += 2)
      if (ranges[i]! <= task && task < ranges[i + 1]!) {
        ranges.splice(i, 2, ...around(ranges[i]!, task, ranges[i + 1]!).flat());
        return { first: task, count: 1 };
      }
    return null;
  }

  clear(): void {
    this.#ranges = [];
    this.#head = 0;
    this.#front = [];
  }

  /** All entries in the order they would be served (for reports; may hold tasks that are no longer ready). */
  *entries(): Generator<readonly [first: number, end: number]> {
    for (let i = this.#front.length - 2; i >= 0; i -= 2)
      yield [this.#front[i]!, this.#front[i + 1]!];
    for (let i = this.#head; i < this.#ranges.length; i += 2)
      yield [this.#ranges[i]!, this.#ranges[i + 1]!];
  }
}

/** What is left of a range without one task. */
function around(first: number, task: number, end: number): [number, number][] {
  const parts: [number, number][] = [
    [first, task],
    [task + 1, end],
  ];
  return parts.filter(([from, to]) => from < to);
}

/** Measured behaviour of tasks expected to behave alike. */
export interface Category {
  name: string;
  /** null = its attempts are not looked after */
  watch: Watch | null;
  /** null = its tasks are given what they declare */
  learning: Learning | null;
  /** accepted completions */
  samples: number;
  /** moving average of wall time, µs */
  meanWallUs: number;
  /** tasks that may run at a time; null = any number */
  maxConcurrent: number | null;
}

export interface ReadyClass {
  id: number;
  workflow: number;
  requirement: Requirement;
  /** where allocations are learned: class and requirement that the tasks declare; null = `requirement` is it */
  declared: { id: number; requirement: Requirement } | null;
  /** of the task and of its workflow; higher first */
  priority: number;
  workflowPriority: number;
  scheduler: string | null;
  placement: Placement | null;
  /** null = ours */
  algorithm: Algorithm | null;
  category: Category;
  queue: RangeQueue;
  /** tasks in state ready; the queue may hold more (canceled ones are passed over when met) */
  ready: number;
  /** got tasks since it was last offered to all workers */
  fresh: boolean;
  marks: WaitMarks;
  /** since when others start where it could not; null = they do not */
  passedMs: number | null;
  /** no reservation is thought of before */
  reserveAtMs: number;
}

/** A class with an empty queue. */
export function createClass(
  needs: Omit<
    ReadyClass,
    "declared" | "queue" | "ready" | "fresh" | "marks" | "passedMs" | "reserveAtMs"
  > &
    Partial<Pick<ReadyClass, "declared">>,
): ReadyClass {
  return {
    declared: null,
    ...needs,
    queue: new RangeQueue(),
    ready: 0,
    fresh: false,
    marks: { list: [], total: 0 },
    passedMs: null,
    reserveAtMs: 0,
  };
}
