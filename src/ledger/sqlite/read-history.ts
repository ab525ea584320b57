import type { FileStamp, StatisticsRow, WorkflowHistory } from "../ledger.ts";
import { unpackIntegers } from "./numbers.ts";
import type { Statements } from "./statements.ts";

/**
 * Read in pages, each a statement of its own: no cursor stays open while others write, and memory stays small.
 * Rows committed while a caller iterates may or may not appear.
 */
const PAGE_ROWS = 4096;

type Failure = readonly [
  task: number,
  attempt: number,
  outcome: number,
  exit: number | null,
  started: number,
  peakBytes: number | null,
  message: string | null,
];
type Ended = readonly [task: number, attempt: number, outcome: number];

export function readHistory(statements: Statements, workflow: number): WorkflowHistory {
  return {
    results: { [Symbol.iterator]: () => results(statements, workflow) },
    attempts: { [Symbol.iterator]: () => attempts(statements, workflow) },
    canceled: { [Symbol.iterator]: () => canceled(statements, workflow) },
    failures: { [Symbol.iterator]: () => failures(statements, workflow) },
    assigned: { [Symbol.iterator]: () => assigned(statements, workflow) },
  };
}

function* results(statements: Statements, workflow: number): Generator<Ended> {
  let after = -1;
  for (;;) {
    const page = statements.rows("results_page", workflow, after, PAGE_ROWS) as unknown as Ended[];
    yield* page;
    if (page.length < PAGE_ROWS) return;
    after = page.at(-1)![0];
  }
}

function* attempts(statements: Statements, workflow: number): Generator<Ended> {
  let task = -1;
  let attempt = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const page = statements.rows(
      "attempts_page",
      workflow,
      task,
      attempt,
      PAGE_ROWS,
    ) as unknown as Ended[];
    yield* page;
    if (page.length < PAGE_ROWS) return;
    [task, attempt] = page.at(-1)!;
  }
}

function* failures(statements: Statements, workflow: number): Generator<Failure> {
  let task = -1;
  let attempt = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const page = statements.rows(
      "failures_page",
      workflow,
      task,
      attempt,
      PAGE_ROWS,
    ) as unknown as Failure[];
    yield* page;
    if (page.length < PAGE_ROWS) return;
    const last = page.at(-1)!;
    [task, attempt] = [last[0], last[1]];
  }
}

function* canceled(statements: Statements, workflow: number): Generator<number> {
  let after = -1;
  for (;;) {
    const page = statements.rows("canceled_page", workflow, after, PAGE_ROWS);
    for (const [task] of page) yield task as number;
    if (page.length < PAGE_ROWS) return;
    after = page.at(-1)![0] as number;
  }
}

function* batches(
  statements: Statements,
  workflow: number,
): Generator<{ worker: number; tasks: Int32Array; attempts: Int32Array }> {
  let after = 0;
  for (;;) {
    const page = statements.rows("assignments_page", workflow, after, PAGE_ROWS);
    for (const [id, worker, taskBytes, attemptBytes] of page) {
      yield {
        worker: worker as number,
        tasks: unpackIntegers(taskBytes as Uint8Array),
        attempts: unpackIntegers(attemptBytes as Uint8Array),
      };
      after = id as number;
    }
    if (page.length < PAGE_ROWS) return;
  }
}

/**
 * Task and attempt as one number: 31 + 22 bits fit into the 53 that a number holds exactly, and sorting such numbers
 * is how a million assignments are compared with a million results in a fraction of a second.
 */
const ATTEMPT_RANGE = 2 ** 22;
function key(task: number, attempt: number): number {
  return task * ATTEMPT_RANGE + Math.min(attempt, ATTEMPT_RANGE - 1);
}

/** An attempt handed out again appears once, with the worker that had it last. */
function* assigned(
  statements: Statements,
  workflow: number,
): Generator<readonly [worker: number, task: number, attempt: number]> {
  const handedOut: Float64Array[] = [];
  for (const { tasks, attempts: numbers } of batches(statements, workflow)) {
    const keys = new Float64Array(tasks.length);
    for (let row = 0; row < tasks.length; row++) keys[row] = key(tasks[row]!, numbers[row]!);
    handedOut.push(keys);
  }
  if (handedOut.length === 0) return;
  let open = concatenate(handedOut).sort();
  open = without(open, results(statements, workflow));
  open = without(open, attempts(statements, workflow));
  const left = new Map<number, number>();
  for (const each of open) if (each >= 0) left.set(each, 0); // negative: a task dropped since
  if (left.size === 0) return;
  for (const { worker, tasks, attempts: numbers } of batches(statements, workflow)) {
    for (let row = 0; row < tasks.length; row++) {
      const each = key(tasks[row]!, numbers[row]!);
      if (left.has(each)) left.set(each, worker);
    }
  }
  for (const [each, worker] of left) {
    yield [worker, Math.floor(each / ATTEMPT_RANGE), each % ATTEMPT_RANGE];
  }
}

/** Keys that do not occur among the ended; both in ascending order. */
function without(keys: Float64Array, ended: Iterable<Ended>): Float64Array {
  let kept = 0;
  let next = 0;
  for (const [task, attempt] of ended) {
    const end = key(task, attempt);
    while (next < keys.length && keys[next]! < end) keys[kept++] = keys[next++]!;
    while (next < keys.length && keys[next] === end) next++;
    if (next === keys.length) break;
  }
  while (next < keys.length) keys[kept++] = keys[next++]!;
  return keys.subarray(0, kept);
}

function concatenate(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function visitStatistics(
  statements: Statements,
  workflow: number,
  visit: (row: StatisticsRow, task: number) => void,
): void {
  let after = -1;
  for (;;) {
    const page = statements.rows("statistics_page", workflow, after, PAGE_ROWS) as unknown as [
      task: number,
      outcome: number,
      wallUs: number | null,
      cpuUs: number | null,
      peakBytes: number | null,
    ][];
    for (const [task, outcome, wallUs, cpuUs, peakBytes] of page) {
      visit({ outcome, wallUs, cpuUs, peakBytes }, task);
      after = task;
    }
    if (page.length < PAGE_ROWS) return;
  }
}

export function readFiles(
  statements: Statements,
  workflow: number,
): (readonly [task: number, stamp: FileStamp])[] {
  return statements
    .rows("get_files", workflow)
    .map(([task, role, path, bytes, mtimeNs, inode, sha256]) => [
      task as number,
      {
        path: path as string,
        role: role as FileStamp["role"],
        bytes: bytes as number,
        mtimeNs: mtimeNs as string,
        inode: inode as string,
        sha256: sha256 as string | null,
      },
    ]);
}
