/** From the ledger's rows back to what the core needs to know. */
import { AGAIN_WITH, createLearning, useOf } from "../core/allocate.ts";
import { type CategoryUse, createCategoryUse, recordUse } from "../core/first-allocation.ts";
import type { Restored } from "../core/events.ts";
import { type FailureCounts, judgeFailure, NO_FAILURES } from "../core/faults.ts";
import { blockOf } from "../core/graph.ts";
import { CANCELED, FAILED, OUTCOME_OK, outcomeIndex, OUTCOMES, SUCCEEDED } from "../core/states.ts";
import type { Recovery } from "../core/tasks.ts";
import type { Block, CategorySettings } from "../core/workflow.ts";
import type { Ledger, LedgerRecord, WorkflowHistory, WorkflowRow } from "../ledger/ledger.ts";
import { lostRecord } from "./finished-records.ts";

type Exhausted = { resource: "memoryBytes" | "diskBytes"; used: number | null };

const CANCELED_OUTCOME = outcomeIndex("canceled");
const WORKER_LOST = outcomeIndex("worker_lost");
/**
 * With `lostWorkers` the attempts in flight are lost (their worker lived in the process that died): they come back as a record to
 * commit; otherwise as `live`, for workers that may return.
 */
export function restoreWorkflow(
  ledger: Ledger,
  row: WorkflowRow,
  blocks: readonly Block[],
  lostWorkers: boolean,
  categories: Readonly<Record<string, CategorySettings>> = {},
): { restored: Restored; lost: LedgerRecord[] } {
  const states = new Uint8Array(row.taskCount);
  const attempts = new Uint16Array(row.taskCount);
  const history = ledger.history(row.id);
  for (const [task, attempt, outcome] of history.results) {
    states[task] =
      outcome === OUTCOME_OK ? SUCCEEDED : outcome === CANCELED_OUTCOME ? CANCELED : FAILED;
    attempts[task] = attempt;
  }
  const ended = new Set<string>();
  for (const [task, attempt] of history.attempts) {
    if (attempt > attempts[task]!) attempts[task] = attempt;
    ended.add(`${task}/${attempt}`);
  }
  const use = usePerCategory(ledger, row.id, blocks, categories);
  const again = recountFailures(row.id, blocks, history.failures, use);
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
    return {
      restored: { states, attempts, ...again, use, live: lostWorkers ? [] : live },
      lost: [],
    };
  return {
    restored: { states, attempts, ...again, use, live: [] },
    lost: [...Map.groupBy(live, ([worker]) => worker)].map(([worker, its]) => {
      const tasks = its.map(([, task]) => task);
      const lost = its.map(([, , attempt]) => attempt);
      return lostRecord(row.id, worker, tasks, lost, WORKER_LOST);
    }),
  };
}

/** What each task's failures since its last reset amount to, judged as they were when they happened. */
function recountFailures(
  workflow: number,
  blocks: readonly Block[],
  rows: WorkflowHistory["failures"],
  learned: ReadonlyMap<string, CategoryUse>,
): Required<Pick<Restored, "failures" | "recovery" | "exhausted">> {
  const exhausted: [task: number, what: Exhausted][] = [];
  const failures = new Map<number, FailureCounts>();
  const recovery = new Map<number, Recovery>();
  const firsts = Uint32Array.from(blocks, (block) => block.first);
  for (const [task, attempt, number, exit, started, peakBytes, message] of rows) {
    const outcome = OUTCOMES[number]!;
    if (outcome === "ok" || outcome === "canceled" || outcome === "superseded") continue;
    const policy = blocks[blockOf(firsts, task)]!;
    const ranOut = (outcome === "oom" || outcome === "disk") && learned.has(policy.category);
    if (ranOut && message?.includes(AGAIN_WITH)) {
      const resource = outcome === "oom" ? "memoryBytes" : "diskBytes";
      exhausted.push([task, { resource, used: outcome === "oom" ? (peakBytes ?? null) : null }]);
      recovery.delete(task);
      continue;
    }
    const exitCode = exit !== null && exit < 0 ? 128 - exit : exit;
    const judgement = judgeFailure({
      policy,
      outcome,
      exitCode,
      started: started === 1,
      counts: failures.get(task) ?? NO_FAILURES,
      attempt,
      task,
      workflow,
    });
    if (judgement.counts !== NO_FAILURES) failures.set(task, judgement.counts);
    if (judgement.recovery === null) recovery.delete(task);
    else recovery.set(task, { command: judgement.recovery, exitCode: exitCode ?? 0 });
  }
  return { failures, recovery, exhausted };
}

/** What tasks used that succeeded, of categories whose allocations are learned; where there are none, nothing is read. */
function usePerCategory(
  ledger: Ledger,
  workflow: number,
  blocks: readonly Block[],
  categories: Readonly<Record<string, CategorySettings>>,
): Map<string, CategoryUse> {
  const uses = new Map<string, CategoryUse>();
  for (const [name, settings] of Object.entries(categories))
    if (createLearning(settings)) uses.set(name, createCategoryUse());
  if (uses.size === 0) return uses;
  const firsts = Uint32Array.from(blocks, (block) => block.first);
  ledger.resultStatistics(workflow, ({ outcome, wallUs, cpuUs, peakBytes }, task) => {
    const use = uses.get(blocks[blockOf(firsts, task)]!.category);
    if (use && outcome === OUTCOME_OK && wallUs !== null)
      recordUse(use, useOf(wallUs, cpuUs, peakBytes));
  });
  return uses;
}
