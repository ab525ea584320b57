/**
 * What happens to attempts: workers join, start and finish them, lose them. An attempt is live while its worker owns the task under this
 * attempt number; whatever else a worker reports is superseded. A *ghost* is an attempt that a worker still holds and nobody wants any
 * more: it takes room there until the worker has ended it.
 */
import { classWith, enlarge, heldClass, learnUse, letGo, reviewAllocations } from "./allocate.ts";
import type { Core, WorkerState } from "./core.ts";
import { checkEnded } from "./core.ts";
import { addDuration } from "./durations.ts";
import type { Capacity, Finished, Grant, Held } from "./events.ts";
import { VERDICT_ACCEPTED, VERDICT_OTHER, VERDICT_SUPERSEDED } from "./events.ts";
import type { Category, ReadyClass } from "./ready.ts";
import { holdingOf } from "./holding.ts";
import { freeOf, take } from "./resources.ts";
import { forgetWorker, observeSpeed } from "./speed.ts";
import {
  ASSIGNED,
  BLOCKED,
  CANCELED,
  FAILED,
  OUTCOME_OK,
  OUTCOMES,
  READY,
  RUNNING,
  SUCCEEDED,
} from "./states.ts";
import { presumedStarted } from "./presumed.ts";
import type { Tasks } from "./tasks.ts";
import { type End, endOf, failBeside } from "./fail-beside.ts";
import { breaker, judgeFailure, NO_FAILURES } from "./faults.ts";
import { cancel } from "./control.ts";
import { policyOf } from "./policy-of.ts";
import { dismissSpare, forgetSpare, isSpare, promoteSpare, swapSpare } from "./spares.ts";
import { watchedClosed, watchedEnded, watchTask } from "./watch.ts";
import { classOf, derive, makeReady, ownAttempt, propagate, setState } from "./tasks.ts";

/**
 * A new worker, or one that comes back: then `held` says what it still has. What the core believes it to have and it has not, never
 * arrived there, and waits again; what it has and nobody wants is killed.
 */
export function joinWorker(
  core: Core,
  id: number,
  capacity: Capacity,
  held: readonly Held[],
  nowMs: number,
): void {
  const before = core.workers.get(id);
  const worker: WorkerState = {
    id,
    capacity,
    free: freeOf(capacity),
    running: 0,
    holding: new Map(),
    ghosts: new Map(),
    absent: false,
    draining: before?.draining ?? false,
    joinedMs: before?.joinedMs ?? nowMs,
  };
  if (before) core.dirty.delete(before);
  core.workers.set(id, worker);
  core.dirty.add(worker);
  const there = new Map<string, Brought>();
  for (const { workflow, tasks, attempts, started, grants } of held)
    tasks.forEach((task, i) =>
      there.set(attemptKey(workflow, task, attempts[i]!), {
        started: started[i]!,
        grant: grants?.[i] ?? null,
      }),
    );
  for (const tasks of core.workflows.values()) reclaim(core, tasks, worker, there);
  for (const { workflow, tasks: list, attempts } of held) {
    const tasks = core.workflows.get(workflow);
    const unwanted = list.map(
      (task, i) =>
        !tasks ||
        !(isLive(tasks, id, task, attempts[i]!) || isSpare(tasks, id, task, attempts[i]!)),
    );
    haunt(
      core,
      worker,
      workflow,
      list.filter((_, i) => unwanted[i]),
      attempts.filter((_, i) => unwanted[i]),
      there,
    );
  }
  reviewAllocations(core);
}

/** What a worker says of an attempt it still has. */
interface Brought {
  started: boolean;
  grant: Grant | null;
}

export function attemptKey(workflow: number, task: number, attempt: number): string {
  return `${workflow}/${task}/${attempt}`;
}

/** Goes through the tasks that the core believes a returning worker to have. */
function reclaim(
  core: Core,
  tasks: Tasks,
  worker: WorkerState,
  there: ReadonlyMap<string, Brought>,
): void {
  const { owner, state } = tasks;
  const gone: number[] = [];
  const dying: number[] = [];
  for (let task = 0; task < owner.length; task++) {
    if (owner[task] !== worker.id) continue;
    const brought = there.get(attemptKey(tasks.workflow, task, ownAttempt(tasks, task)));
    if (!brought) {
      letGo(tasks, task);
      gone.push(task);
      continue;
    }
    const { started, grant } = brought;
    const cls = tasks.handed.get(task) ?? classWith(tasks, task, grant);
    if (cls.declared !== null) tasks.handed.set(task, cls);
    occupy(worker, cls, started);
    if (started && state[task] === ASSIGNED) setState(tasks, task, RUNNING);
    if (state[task] !== ASSIGNED && state[task] !== RUNNING) dying.push(task);
  }
  if (dying.length > 0)
    core.effects.push({
      type: "kill",
      worker: worker.id,
      workflow: tasks.workflow,
      tasks: dying,
      attempts: dying.map((task) => ownAttempt(tasks, task)),
      reason: "canceled",
    });
  for (const [task, spare] of tasks.spares) {
    if (spare.worker !== worker.id) continue;
    const brought = there.get(attemptKey(tasks.workflow, task, spare.attempt));
    if (!brought) forgetSpare(tasks, task);
    else occupy(worker, spare.cls, brought.started);
  }
  for (let i = gone.length - 1; i >= 0; i--) waitAgain(core, tasks, gone[i]!);
  if (gone.length > 0) checkEnded(core, tasks);
}

export function occupy(worker: WorkerState, cls: ReadyClass, started: boolean): void {
  const holding = holdingOf(worker, cls);
  holding.held++;
  if (!started) return;
  holding.running++;
  worker.running++;
  take(worker.free, cls.requirement, 1);
}

/**
 * Has a worker end attempts that nobody wants. Until it has, they count like others of their class: when one of them ends, the worker
 * starts the next that waits there, wanted or not.
 */
function haunt(
  core: Core,
  worker: WorkerState,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
  there: ReadonlyMap<string, Brought>,
): void {
  if (list.length === 0) return;
  const tasks = core.workflows.get(workflow);
  list.forEach((task, i) => {
    if (!tasks || task >= tasks.state.length) return;
    const key = attemptKey(workflow, task, attempts[i]!);
    const { started, grant } = there.get(key)!;
    const cls = classWith(tasks, task, grant);
    worker.ghosts.set(key, cls);
    occupy(worker, cls, started);
  });
  kill(core, worker, workflow, list, attempts);
}

function kill(
  core: Core,
  worker: WorkerState,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
): void {
  core.effects.push({
    type: "kill",
    worker: worker.id,
    workflow,
    tasks: [...list],
    attempts: [...attempts],
    reason: "superseded",
  });
}

/** A workflow is about to be forgotten: what workers have of it is ended, and keeps its room until then. */
export function abandon(core: Core, tasks: Tasks): void {
  for (const worker of core.workers.values()) {
    const list: number[] = [];
    for (let task = 0; task < tasks.owner.length; task++)
      if (tasks.owner[task] === worker.id) list.push(task);
    const attempts = list.map((task) => ownAttempt(tasks, task));
    const classes = list.map((task) => heldClass(tasks, task));
    for (const [task, spare] of tasks.spares) {
      if (spare.worker !== worker.id) continue;
      list.push(task);
      attempts.push(spare.attempt);
      classes.push(spare.cls);
    }
    if (list.length === 0) continue;
    list.forEach((task, i) =>
      worker.ghosts.set(attemptKey(tasks.workflow, task, attempts[i]!), classes[i]!),
    );
    kill(core, worker, tasks.workflow, list, attempts);
  }
}

/**
 * It may have been a ghost: then its room is free again, or taken by the next of its class. True when its end has still to be
 * recorded: it was the slower of two attempts.
 */
export function banish(
  core: Core,
  worker: WorkerState | undefined,
  workflow: number,
  task: number,
  attempt: number,
): boolean {
  const key = attemptKey(workflow, task, attempt);
  const cls = worker?.ghosts.get(key);
  if (!worker || !cls) return false;
  worker.ghosts.delete(key);
  release(core, worker, cls, 1);
  return core.slower.delete(`${worker.id}/${key}`);
}

/** Told of lost attempts that had started: what a restart counts as crashes is known by it. */
const LOST_WHILE_IT_RAN = "its worker was lost while it ran";

export function loseWorker(
  core: Core,
  id: number,
  outcome: "worker_lost" | "preempted",
  nowMs: number,
): void {
  const worker = core.workers.get(id);
  core.workers.delete(id);
  forgetWorker(core, id);
  for (const key of core.slower) if (key.startsWith(`${id}/`)) core.slower.delete(key);
  if (worker) core.dirty.delete(worker);
  // Others may have waited for its places under the limit of a category.
  core.moreReady = true;
  for (const tasks of core.workflows.values()) {
    const lost: number[] = [];
    const { owner } = tasks;
    for (let task = 0; task < owner.length; task++) if (owner[task] === id) lost.push(task);
    const duplicates = [...tasks.spares].filter(([, spare]) => spare.worker === id);
    for (const [task] of duplicates) forgetSpare(tasks, task);
    const spares = duplicates.map(([task, { attempt }]) => [task, attempt] as const);
    const presumed = worker && outcome === "worker_lost" && presumedStarted(worker, tasks, lost);
    loseAttempts(core, tasks, id, lost, spares, outcome, nowMs, presumed || undefined);
  }
  reviewAllocations(core);
}

/** Attempts are gone with what held them: those of which the worker is the owner, and duplicates that are forgotten already. */
export function loseAttempts(
  core: Core,
  tasks: Tasks,
  worker: number,
  owned: readonly number[],
  spares: readonly (readonly [task: number, attempt: number])[],
  outcome: "worker_lost" | "preempted",
  nowMs: number,
  /** tasks whose attempts ran for all that is known, beside those that said so */
  presumed?: ReadonlySet<number>,
): void {
  if (owned.length + spares.length === 0) return;
  const { state } = tasks;
  const lost = [...owned, ...spares.map(([task]) => task)];
  const attempts = [
    ...owned.map((task) => ownAttempt(tasks, task)),
    ...spares.map(([, attempt]) => attempt),
  ];
  const verdicts = new Uint8Array(lost.length);
  const reasons: [number, string][] = [];
  core.effects.push({
    type: "lost",
    worker,
    workflow: tasks.workflow,
    tasks: lost,
    attempts,
    outcome,
    verdicts,
    reasons,
  });
  // From the last to the first, so that the first comes to stand first in its queue.
  for (let i = owned.length - 1; i >= 0; i--) {
    const task = lost[i]!;
    letGo(tasks, task);
    if (promoteSpare(tasks, task)) continue;
    if (state[task] !== ASSIGNED && state[task] !== RUNNING) {
      runAgain(core, tasks, task);
      continue;
    }
    const end = {
      outcome: OUTCOMES.indexOf(outcome),
      exit: null,
      started: state[task] === RUNNING || presumed?.has(task) === true,
      attempt: attempts[i]!,
      recoveryFailed: false,
      byRunner: false,
      exhausted: null,
    };
    const { accepted, reason } = fail(core, tasks, task, end, nowMs);
    if (accepted) verdicts[i] = VERDICT_ACCEPTED;
    if (accepted && reason !== null) reasons.push([i, reason]);
    else if (end.started) reasons.push([i, LOST_WHILE_IT_RAN]);
  }
  settle(core, tasks);
}

/** Its connection broke: it keeps what it has and gets nothing new until it is back or lost. */
export function leaveWorker(core: Core, id: number): void {
  const worker = core.workers.get(id);
  if (worker) worker.absent = true;
}

export function drainWorker(core: Core, id: number): void {
  const worker = core.workers.get(id);
  if (!worker || worker.draining) return;
  worker.draining = true;
  core.effects.push({ type: "drain", worker: id });
}

export function noteStarted(
  core: Core,
  worker: number,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
  nowMs: number,
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  for (let i = 0; i < list.length; i++) {
    const task = list[i]!;
    if (!isLive(tasks, worker, task, attempts[i]!) || tasks.state[task] !== ASSIGNED) continue;
    setState(tasks, task, RUNNING);
    if (classOf(tasks, task).category.watch) watchTask(core, tasks, task, nowMs);
  }
}

export function isLive(tasks: Tasks, worker: number, task: number, attempt: number): boolean {
  return tasks.owner[task] === worker && ownAttempt(tasks, task) === attempt;
}

export function finished(core: Core, workerId: number, batch: Finished, nowMs: number): void {
  const tasks = core.workflows.get(batch.workflow);
  const size = batch.tasks.length;
  const verdicts = new Uint8Array(size);
  const reasons: [number, string][] = [];
  core.effects.push({ type: "verdicts", worker: workerId, batch, verdicts, reasons });
  const worker = core.workers.get(workerId);
  let released = 0;
  let cls: ReadyClass | null = null;
  for (let i = 0; i < size; i++) {
    const task = batch.tasks[i]!;
    if (tasks && isSpare(tasks, workerId, task, batch.attempts[i]!)) {
      // The duplicate ended first, or failed: with a result it takes the place of the other.
      if (batch.outcomes[i] === OUTCOME_OK) swapSpare(tasks, task);
      else {
        verdicts[i] = VERDICT_OTHER;
        const held = forgetSpare(tasks, task);
        const reason = failBeside(core, tasks, task, endOf(batch, i, held, worker));
        if (reason !== null) reasons.push([i, reason]);
        if (worker) release(core, worker, held, 1);
        continue;
      }
    }
    if (!tasks || !isLive(tasks, workerId, task, batch.attempts[i]!)) {
      const slower = banish(core, worker, batch.workflow, task, batch.attempts[i]!);
      verdicts[i] = slower ? VERDICT_OTHER : VERDICT_SUPERSEDED;
      continue;
    }
    const own = letGo(tasks, task);
    if (own !== cls) {
      if (worker && cls) release(core, worker, cls, released);
      cls = own;
      released = 0;
    }
    released++;
    const now = tasks.state[task]!;
    if (now !== ASSIGNED && now !== RUNNING) {
      verdicts[i] = VERDICT_OTHER;
      runAgain(core, tasks, task);
    } else if (batch.outcomes[i] === OUTCOME_OK) {
      verdicts[i] = VERDICT_ACCEPTED;
      if (tasks.spares.size > 0) dismissSpare(core, tasks, task, "superseded");
      setState(tasks, task, SUCCEEDED);
      learn(own.category, batch.wallUs[i]!);
      if (own.declared !== null) learnUse(core, tasks, own, batch, i);
      if (own.category.watch) watchedEnded(core, own.category, task, workerId, batch.wallUs[i]!);
      propagate(tasks, task, core.sink);
    } else if (promoteSpare(tasks, task)) {
      verdicts[i] = VERDICT_OTHER;
      const reason = failBeside(core, tasks, task, endOf(batch, i, own, worker));
      if (reason !== null) reasons.push([i, reason]);
    } else {
      const end = endOf(batch, i, own, worker);
      const { accepted, reason } = fail(core, tasks, task, end, nowMs);
      verdicts[i] = accepted ? VERDICT_ACCEPTED : VERDICT_OTHER;
      if (reason !== null) reasons.push([i, reason]);
    }
  }
  if (worker && cls) release(core, worker, cls, released);
  observeSpeed(core, workerId, batch, verdicts);
  if (tasks) settle(core, tasks);
}

/** After tasks have ended: breaks off a workflow that has failed too often, and says when nothing is left to do. */
function settle(core: Core, tasks: Tasks): void {
  const failed = tasks.counts[FAILED]!;
  if (failed > tasks.forgiven) {
    const what = breaker(tasks.definition, { failed: failed - tasks.forgiven });
    if (what !== "go") {
      tasks.forgiven = failed;
      const waiting: number[] = [];
      for (let task = 0; task < tasks.state.length; task++)
        if (tasks.state[task] === BLOCKED || tasks.state[task] === READY) waiting.push(task);
      const reason =
        what === "stop"
          ? "a task failed, and on_failure is stop"
          : `${failed} tasks failed: max_failures is reached`;
      cancel(core, tasks.workflow, what === "stop" ? null : waiting, reason);
    }
  }
  checkEnded(core, tasks);
}

function learn(category: Category, wallUs: number): void {
  category.samples++;
  if (category.watch) addDuration(category.watch.durations, wallUs);
  // A moving average over some 64 tasks follows a change of behaviour and forgets one odd task.
  category.meanWallUs += (wallUs - category.meanWallUs) / Math.min(category.samples, 64);
}

/** What follows from a failed attempt: the task waits again, or has failed. The reason is for people, where there is a choice. */
function fail(
  core: Core,
  tasks: Tasks,
  task: number,
  end: End,
  nowMs: number,
): { accepted: boolean; reason: string | null } {
  const outcome = OUTCOMES[end.outcome]!;
  tasks.recovery.delete(task);
  if (outcome === "canceled" && !end.byRunner) {
    // It was ended for a cancellation that was taken back since: the task was set back before the server was restarted.
    putBack(core, tasks, task);
    return { accepted: false, reason: null };
  }
  if (
    outcome === "ok" ||
    outcome === "canceled" ||
    outcome === "superseded" ||
    end.recoveryFailed
  ) {
    setState(tasks, task, outcome === "canceled" ? CANCELED : FAILED);
    propagate(tasks, task, core.sink);
    return { accepted: true, reason: null };
  }
  if (end.exhausted && (outcome === "oom" || outcome === "disk")) {
    const { cls, used } = end.exhausted;
    const resource = outcome === "oom" ? "memoryBytes" : "diskBytes";
    const { larger, text } = enlarge(core, tasks, task, cls, resource, used);
    if (larger) putBack(core, tasks, task);
    else {
      setState(tasks, task, FAILED);
      watchedClosed(tasks, task);
      propagate(tasks, task, core.sink);
    }
    return { accepted: !larger, reason: text };
  }
  const exitCode = end.exit !== null && end.exit < 0 ? 128 - end.exit : end.exit;
  const policy = policyOf(tasks, task);
  const judgement = judgeFailure({
    policy,
    outcome,
    exitCode,
    started: end.started,
    counts: tasks.failures.get(task) ?? NO_FAILURES,
    attempt: end.attempt,
    task,
    workflow: tasks.workflow,
  });
  if (judgement.counts !== NO_FAILURES) tasks.failures.set(task, judgement.counts);
  const reason = policy.retries > 0 || policy.faults ? judgement.reason : null;
  if (judgement.verdict === "fail") {
    setState(tasks, task, FAILED);
    watchedClosed(tasks, task);
    propagate(tasks, task, core.sink);
    return { accepted: true, reason: outcome === "worker_lost" ? judgement.reason : reason };
  }
  if (judgement.recovery !== null)
    tasks.recovery.set(task, { command: judgement.recovery, exitCode: exitCode ?? 0 });
  if (judgement.delayMs > 0) {
    tasks.notBefore.set(task, nowMs + judgement.delayMs);
    core.timers.add({ atMs: nowMs + judgement.delayMs, workflow: tasks.workflow, task });
  }
  putBack(core, tasks, task);
  return { accepted: false, reason };
}

/** A task whose attempt is gone without a result. */
function waitAgain(core: Core, tasks: Tasks, task: number): void {
  if (promoteSpare(tasks, task)) return;
  if (tasks.state[task] === ASSIGNED || tasks.state[task] === RUNNING) putBack(core, tasks, task);
  else runAgain(core, tasks, task);
}

/** A task without a live attempt waits again, ahead of others of its class; for its upstream, if that was reset meanwhile. */
function putBack(core: Core, tasks: Tasks, task: number): void {
  if (tasks.graph.empty || tasks.waiting[task] === 0) {
    makeReady(tasks, task, true, core.sink);
    return;
  }
  setState(tasks, task, BLOCKED);
  derive(tasks, core.sink);
}

/** A retry that had to wait for a dying attempt. It is recorded once more, which forgives that attempt too. */
function runAgain(core: Core, tasks: Tasks, task: number): void {
  if (!tasks.again.delete(task)) return;
  core.effects.push({ type: "reset", workflow: tasks.workflow, tasks: [task] });
  tasks.failures.delete(task);
  tasks.recovery.delete(task);
  setState(tasks, task, BLOCKED);
  tasks.forgiven = Math.min(tasks.forgiven, tasks.counts[FAILED]!);
  derive(tasks, core.sink);
}

/** `count` attempts of a class have left the worker; what it holds beyond them moves up. */
export function release(core: Core, worker: WorkerState, cls: ReadyClass, count: number): void {
  const holding = worker.holding.get(cls.id);
  if (!holding) return;
  holding.held = Math.max(0, holding.held - count);
  const running = Math.min(holding.running, holding.held);
  const freed = holding.running - running;
  holding.running = running;
  worker.running -= freed;
  if (freed > 0) take(worker.free, holding.cls.requirement, -freed);
  if (holding.held === 0) worker.holding.delete(cls.id);
  core.dirty.add(worker);
}

/** The worker gave attempts back before they had started. */
export function revoked(
  core: Core,
  workerId: number,
  workflow: number,
  list: readonly number[],
  attempts: readonly number[],
): void {
  const tasks = core.workflows.get(workflow);
  const worker = core.workers.get(workerId);
  for (let i = list.length - 1; i >= 0; i--) {
    const task = list[i]!;
    if (tasks && isSpare(tasks, workerId, task, attempts[i]!)) {
      const cls = forgetSpare(tasks, task);
      if (worker) release(core, worker, cls, 1);
      continue;
    }
    if (!tasks || !isLive(tasks, workerId, task, attempts[i]!)) {
      banish(core, worker, workflow, task, attempts[i]!);
      continue;
    }
    const cls = letGo(tasks, task);
    // It never started, and the worker has let go of it: the number is free again.
    if (tasks.state[task] === ASSIGNED && !tasks.older.has(task)) tasks.attempt[task]!--;
    if (worker) release(core, worker, cls, 1);
    waitAgain(core, tasks, task);
  }
  if (tasks) checkEnded(core, tasks);
}
