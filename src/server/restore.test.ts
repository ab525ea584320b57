import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGAIN_WITH } from "../core/allocate.ts";
import { BLOCKED, CANCELED, FAILED, outcomeIndex, SUCCEEDED } from "../core/states.ts";
import type { Ledger, LedgerRecord, WorkflowRow } from "../ledger/ledger.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { arrayWorkflow, finished, OPTIONS } from "../ledger/testing/samples.ts";
import { restoreWorkflow } from "./restore.ts";

const blocks = arrayWorkflow(6).blocks.map((block) => ({ ...block, retries: 5 }));

let stateDir: string;
let ledger: Ledger;
let row: WorkflowRow;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "holdall-restore-"));
  ledger = openLedger(stateDir);
  row = ledger.insertWorkflow(arrayWorkflow(6), "d", OPTIONS, 1);
});

afterEach(() => {
  ledger.close();
  rmSync(stateDir, { recursive: true });
});

const EXIT = outcomeIndex("exit");
const other = (tasks: number[], attempt: number, outcome: number): ReturnType<typeof finished> =>
  finished(row.id, tasks, { attempt, outcome, accepted: new Uint8Array(tasks.length) });
const assigned = (tasks: number[], attempt: number, worker = 3): LedgerRecord => ({
  kind: "assigned",
  workflow: row.id,
  worker,
  tasks,
  attempts: tasks.map(() => attempt),
});

test("a new workflow has nothing to restore", () => {
  const { restored, lost } = restoreWorkflow(ledger, row, blocks, true);
  expect([...restored.states]).toEqual(Array.from({ length: 6 }, () => BLOCKED));
  expect([...restored.attempts]).toEqual([0, 0, 0, 0, 0, 0]);
  expect([restored.failures.size, restored.live, lost]).toEqual([0, [], []]);
});

test("results, failures and cancellations come back; the highest attempt number counts", () => {
  ledger.commit([
    finished(row.id, [0]),
    finished(row.id, [1], { attempt: 3, outcome: EXIT }),
    other([1], 1, EXIT),
    other([1], 2, outcomeIndex("worker_lost")),
    finished(row.id, [2], { outcome: outcomeIndex("canceled") }),
    { kind: "canceled", workflow: row.id, tasks: [3], reason: "r", atMs: 1 },
    other([4], 1, outcomeIndex("timeout")),
    other([4], 2, outcomeIndex("signal")),
  ]);
  const { restored } = restoreWorkflow(ledger, row, blocks, false);
  expect([...restored.states]).toEqual([SUCCEEDED, FAILED, CANCELED, CANCELED, BLOCKED, BLOCKED]);
  expect([...restored.attempts]).toEqual([1, 3, 1, 0, 2, 0]);
  // lost workers are not the task's own doing
  expect(restored.failures.get(4)?.own).toBe(2);
  expect(restored.failures.get(1)?.own).toBe(1);
});

test("attempts in flight are live, those that ended are not", () => {
  ledger.commit([
    assigned([0, 1, 2, 3], 1),
    finished(row.id, [0]),
    finished(row.id, [1], { outcome: EXIT }),
    other([2], 1, EXIT),
    assigned([2], 2, 5),
  ]);
  const { restored, lost } = restoreWorkflow(ledger, row, blocks, false);
  expect(lost).toEqual([]);
  expect(restored.live.toSorted(([, x], [, y]) => x - y)).toEqual([
    [5, 2, 2],
    [3, 3, 1],
  ]);
  expect([...restored.attempts]).toEqual([1, 1, 2, 1, 0, 0]);
});

test("an attempt that was given back and handed out again under its number has its last worker", () => {
  ledger.commit([assigned([0], 1, 3)]);
  ledger.commit([assigned([0], 1, 4)]);
  expect(restoreWorkflow(ledger, row, blocks, false).restored.live).toEqual([[4, 0, 1]]);
});

test("with the workers gone, attempts in flight become a record that they were lost", () => {
  ledger.commit([assigned([0, 1], 1), assigned([2], 1, 8), finished(row.id, [0])]);
  const { restored, lost } = restoreWorkflow(ledger, row, blocks, true);
  expect(restored.live).toEqual([]);
  expect([...restored.attempts]).toEqual([1, 1, 1, 0, 0, 0]);
  ledger.commit(lost);
  ledger.clearAssignments(row.id);
  expect(ledger.attemptsOf(row.id, 1)).toMatchObject([
    { attempt: 1, outcome: outcomeIndex("worker_lost"), startedMs: null },
  ]);
  const again = restoreWorkflow(ledger, row, blocks, true);
  expect(again.lost).toEqual([]);
  expect([...again.restored.attempts]).toEqual([1, 1, 1, 0, 0, 0]);
  expect([...again.restored.states.subarray(0, 2)]).toEqual([SUCCEEDED, BLOCKED]);
});

test("what was too little is no failure where allocations are learned, and what was used is known", () => {
  const OOM = outcomeIndex("oom");
  const ranOut = other([2, 3], 1, OOM);
  // The last one drew on the retries: nothing was held to an amount where it ran.
  ledger.commit([
    finished(row.id, [0, 1]),
    {
      ...ranOut,
      messages: [
        [0, `1 GiB of memory were too little${AGAIN_WITH}2 GiB`],
        [1, "out of memory: again with 2 GiB"],
      ],
    },
    other([2], 2, EXIT),
    { ...other([3], 2, OOM), messages: [[0, "killed"]] },
  ]);
  const category = blocks[0]!.category;
  const plain = restoreWorkflow(ledger, row, blocks, false).restored;
  expect([plain.failures.get(2)?.own, plain.exhausted, plain.use?.size]).toEqual([2, [], 0]);
  const { restored } = restoreWorkflow(ledger, row, blocks, false, {
    [category]: { allocation: "max" },
  });
  expect([restored.failures.get(2)?.own, restored.failures.get(3)?.own]).toEqual([1, 1]);
  const [result] = ledger.attemptsOf(row.id, 3);
  expect([...restored.exhausted!]).toEqual([
    [2, { resource: "memoryBytes", used: result!.peakBytes }],
    [3, { resource: "memoryBytes", used: result!.peakBytes }],
  ]);
  expect(restored.use!.get(category)!.completions).toBe(2);
});
