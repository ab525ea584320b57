/**
 * The ready index. Tasks with equal requirements, priority, scheduler and category share a class;
 * there are few classes however many tasks, so a choice costs O(classes), not O(queue).
 */
import type { Requirement } from "./workflow.ts";

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

/** Measured behaviour of tasks expected to behave alike. */
export interface Category {
  name: string;
  /** accepted completions */
  samples: number;
  /** moving average of wall time, µs */
  meanWallUs: number;
}

export interface ReadyClass {
  id: number;
  workflow: number;
  requirement: Requirement;
  /** of the task and of its workflow; higher first */
  priority: number;
  workflowPriority: number;
  scheduler: string | null;
  category: Category;
  queue: RangeQueue;
  /** tasks in state ready; the queue may hold more (canceled ones are passed over when met) */
  ready: number;
}
