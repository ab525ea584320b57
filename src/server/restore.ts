/** From the ledger's rows back to what the core needs to know. */
import type { Restored } from "../core/events.ts";
import {
  CANCELED,
  FAILED,
  OUTCOME_OK,
  outcomeIndex,
  OUTCOMES,
  OWN_FAILURES,
  SUCCEEDED,
} from "../core/states.ts";
import type { Ledger, LedgerRecord, WorkflowRow } from "../ledger/ledger.ts";
import { lostRecord } from "./engine.ts";

const CANCELED_OUTCOME = outcomeIndex("canceled");
const WORKER_LOST = outcomeIndex("worker_lost");
const OWN = OUTCOMES.map((outcome) => OWN_FAILURES.has(outcome));

/**
 * With `lostWorkers` the attempts in flight are lost (their worker lived in the process that died): they come back as a record to
 * commit; otherwise as `live`, for workers that may return.
 */
export function restoreWorkflow(
  ledger: Ledger,
  row: WorkflowRow,
  lostWorkers: boolean,
): { restored: Restored; lost: LedgerRecord | null } {
  const states = new Uint8Array(row.taskCount);
  const attempts = new Uint16Array(row.taskCount);
  const failures = new Map<number, number>();
  const history = ledger.history(row.id);
  for (const [task, attempt, outcome] of history.results) {
    states[task] =
      outcome === OUTCOME_OK ? SUCCEEDED : outcome === CANCELED_OUTCOME ? CANCELED : FAILED;
    attempts[task] = attempt;
  }
  const ended = new Set<string>();
  for (const [task, attempt, outcome] of history.attempts) {
    if (attempt > attempts[task]!) attempts[task] = attempt;
    if (OWN[outcome]) failures.set(task, (failures.get(task) ?? 0) + 1);
    ended.add(`${task}/${attempt}`);
  }
  for (const task of history.canceled) states[task] = CANCELED;
  /** an attempt that was taken back before it started is handed out again under its number: the last entry counts */
  const inFlight = new Map<number, [worker: number, task: number, attempt: number]>();
  for (const [worker, task, attempt] of history.assigned) {
    const known =
      attempt < attempts[task]! ||
      (attempt === attempts[task]! && (states[task] === SUCCEEDED || states[task] === FAILED)) ||
      ended.has(`${task}/${attempt}`);
    if (attempt > attempts[task]!) attempts[task] = attempt;
    if (!known) inFlight.set(task, [worker, task, attempt]);
  }
  const live = [...inFlight.values()].filter(([, task, attempt]) => attempt === attempts[task]);
  if (!lostWorkers || live.length === 0)
    return { restored: { states, attempts, failures, live: lostWorkers ? [] : live }, lost: null };
  return {
    restored: { states, attempts, failures, live: [] },
    lost: lostRecord(
      row.id,
      live[0]![0],
      live.map(([, task]) => task),
      live.map(([, , attempt]) => attempt),
      WORKER_LOST,
    ),
  };
}
