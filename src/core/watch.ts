/**
 * Looks after attempts of categories that ask for it: ends those that run far too long (fast abort), and near the end starts duplicates of
 * those that hold everybody up (speculation). The limits are those of stragglers.ts; time is the server's, from the report of the start.
 */
import type { Core, WorkerState } from "./core.ts";
import { createDurations } from "./durations.ts";
import { policyOf } from "./policy-of.ts";
import type { Category } from "./ready.ts";
import { assignSpare } from "./assign-spare.ts";
import { ASSIGNED, isTerminal, READY, RUNNING } from "./states.ts";
import {
  abortAfterUs,
  abortsOf,
  type AbortTrust,
  createAbortTrust,
  mayAbort,
  nearTail,
  noteAborted,
  noteClosed,
  noteSucceeded,
  speculateAfterUs,
} from "./stragglers.ts";
import { holdBack, noteGood, noteSlow, readmit } from "./suspicion.ts";
import type { Tasks } from "./tasks.ts";
import { classOf, ownAttempt } from "./tasks.ts";
import type { CategorySettings } from "./workflow.ts";

/** What a category is watched with; null where nobody asked for it. */
export interface Watch {
  durations: ReturnType<typeof createDurations>;
  trust: AbortTrust;
  /** Work Queue's multiplier; null = never abort */
  fastAbort: number | null;
  speculate: number | null;
}

export interface Watched {
  tasks: Tasks;
  task: number;
  attempt: number;
  startedMs: number;
}

/** How often running attempts are looked at, ms. */
const LOOK_EVERY_MS = 250;
/** An attempt that is ended may take so long to end, ms. */
const KILL_MS = 5_000;

export function createWatch(settings: CategorySettings | undefined): Watch | null {
  const fastAbort = settings?.fastAbort ?? null;
  const speculate = settings?.speculate ?? null;
  if (fastAbort === null && speculate === null) return null;
  return { durations: createDurations(), trust: createAbortTrust(), fastAbort, speculate };
}

export function watchTask(core: Core, tasks: Tasks, task: number, nowMs: number): void {
  const key = `${tasks.workflow}/${task}`;
  core.watched.set(key, { tasks, task, attempt: ownAttempt(tasks, task), startedMs: nowMs });
  arm(core, nowMs);
}

function arm(core: Core, nowMs: number): void {
  if (core.lookAtMs !== null) return;
  core.lookAtMs = nowMs + LOOK_EVERY_MS;
  core.timers.add({ atMs: core.lookAtMs, workflow: 0, task: -1 });
}

export function lookAtWatched(core: Core, nowMs: number): void {
  if (core.lookAtMs === null || core.lookAtMs > nowMs) return;
  core.lookAtMs = null;
  const { heldBack } = core.suspicion;
  for (const [worker, { workflow, task, attempt }] of heldBack) {
    const tasks = core.workflows.get(workflow);
    const waits = tasks && !isTerminal(tasks.state[task]!) && tasks.attempt[task] === attempt;
    if (!waits) endExclusion(core, worker);
  }
  for (const [key, watched] of core.watched) {
    const { tasks, task, attempt } = watched;
    const alive =
      core.workflows.get(tasks.workflow) === tasks &&
      tasks.state[task] === RUNNING &&
      ownAttempt(tasks, task) === attempt;
    if (!alive) core.watched.delete(key);
    else look(core, watched, nowMs);
  }
  if (core.watched.size > 0 || heldBack.size > 0) arm(core, nowMs);
}

function endExclusion(core: Core, id: number): void {
  readmit(core.suspicion, id);
  const worker = core.workers.get(id);
  if (worker) core.dirty.add(worker);
}

/** Excluded workers whose time is over get work again. */
export function endExclusions(core: Core, nowMs: number): void {
  for (const [id, untilMs] of core.suspicion.excludedUntilMs) {
    if (untilMs <= nowMs) endExclusion(core, id);
  }
}

function look(core: Core, watched: Watched, nowMs: number): void {
  const { tasks, task, startedMs } = watched;
  const { category } = classOf(tasks, task);
  const { watch } = category;
  const ranUs = (nowMs - startedMs) * 1000;
  const worker = core.workers.get(tasks.owner[task]!);
  if (!watch || !worker || tasks.spares.has(task)) return;
  if (watch.speculate !== null && maySpeculate(tasks, task) && nearTail(left(tasks), slots(core))) {
    const limit = speculateAfterUs(watch.durations, watch.speculate);
    if (limit !== null && ranUs > limit && assignSpare(core, tasks, task, worker, nowMs)) return;
  }
  if (watch.fastAbort === null) return;
  const aborts = abortsOf(watch.trust, task);
  const { tail } = watch.trust;
  const limit = abortAfterUs(watch.durations, watch.fastAbort, { aborts, tail });
  if (limit === null || ranUs <= limit || !mayAbort(watch.trust)) return;
  abort(core, watched, category, worker, ranUs, nowMs);
}

function abort(
  core: Core,
  { tasks, task, attempt }: Watched,
  { watch }: Category,
  worker: WorkerState,
  ranUs: number,
  nowMs: number,
): void {
  const earlier = abortsOf(watch!.trust, task);
  noteAborted(watch!.trust, task, ranUs);
  const workers = core.workers.size;
  let until = noteSlow(core.suspicion, worker.id, earlier, workers, nowMs);
  if (until === null) {
    // Whoever runs a usual task of the category is done with it by then.
    const soon = nowMs + KILL_MS + ranUs / 1000;
    const what = { workflow: tasks.workflow, task, attempt };
    if (holdBack(core.suspicion, worker.id, what, workers, nowMs, soon)) until = soon;
  }
  if (until !== null) core.timers.add({ atMs: until, workflow: 0, task: -1 });
  core.watched.delete(`${tasks.workflow}/${task}`);
  core.effects.push({
    type: "kill",
    worker: worker.id,
    workflow: tasks.workflow,
    tasks: [task],
    attempts: [attempt],
    reason: "slow",
  });
}

/** A watched task has succeeded: what that says of earlier aborts and of the worker. */
export function watchedEnded(
  core: Core,
  category: Category,
  task: number,
  worker: number,
  wallUs: number,
): void {
  const { watch } = category;
  if (!watch) return;
  noteSucceeded(watch.trust, task, wallUs);
  noteGood(core.suspicion, worker);
}

/** A task failed or was canceled: its earlier aborts teach nothing, and must not be kept waiting for a verdict. */
export function watchedClosed(tasks: Tasks, task: number): void {
  const { watch } = classOf(tasks, task).category;
  if (watch) noteClosed(watch.trust, task);
}

/** With outputs written in place two attempts could harm each other, unless the task says that they do not. */
function maySpeculate(tasks: Tasks, task: number): boolean {
  // Something upstream was reset meanwhile and writes its outputs again.
  if (!tasks.graph.empty && tasks.waiting[task] !== 0) return false;
  const block = policyOf(tasks, task);
  if (block.idempotent) return true;
  return block.kind === "array" && (block.body.outputs?.length ?? 0) === 0;
}

function left(tasks: Tasks): number {
  return tasks.counts[READY]! + tasks.counts[ASSIGNED]! + tasks.counts[RUNNING]!;
}

/** Attempts that all workers could run at a time: what they run now, and what would fit beside it. */
function slots(core: Core): number {
  let sum = 0;
  for (const worker of core.workers.values())
    sum += worker.running + Math.max(0, Math.floor(worker.free.cpus));
  return sum;
}
