/**
 * Claims: what runners that poll hold. The core hands out tasks to a claim as to a worker (core/claim.ts); here is the rest: which claim
 * holds what, for how long, and what comes back.
 *
 * Without a lease a task is held for HELD_MS until it is started, then until it is completed. With one, everything the claim holds is
 * held until the lease is over, and each renewal begins it anew. A restarted server gives every claim its whole time again: nobody could
 * renew while it was down.
 *
 * An attempt that was held keeps its number: whoever comes too late with a result of it is told so, whatever happened to the task since.
 */
import { HoldallError } from "../core/error.ts";
import type { ClaimOrder } from "../core/claim.ts";
import type { Capacity } from "../core/events.ts";
import { ASSIGNED, CANCELED, isTerminal, READY, RUNNING, TASK_STATES } from "../core/states.ts";
import { heldClass } from "../core/allocate.ts";
import { ownAttempt, type Tasks } from "../core/tasks.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { WorkflowRow } from "../ledger/ledger.ts";
import type { ClaimAnswer, ClaimState, CompleteAnswer, JobModel } from "../protocol/claims.ts";
import { REMEMBERED_MS } from "./answers.ts";
import { jobModels, jobStatus } from "./claim-jobs.ts";
import { batchOf, type Completion, isSuperseded, type Result } from "./claim-results.ts";
import { createWorkerNumbers } from "./claim-workers.ts";
import type { Engine } from "./engine.ts";
import { createLiveness } from "./liveness.ts";
import { taskCounts, workflowState } from "./queries.ts";

/** How long a task is held for a runner that asked for no lease and has not started it. */
export const HELD_MS = 300_000;
export const TICK_MS = 250;
/** So many ended claims are told from those that never were. */
const MOST_ENDED = 100_000;
const FORGET_EVERY_MS = 3600 * 1000;

export interface ClaimRequest {
  /** what the runner has, its host included */
  capacity: Capacity;
  nodes: number | null;
  limit: number;
  order: ClaimOrder;
  strict: boolean | null;
  leaseMs: number | null;
}

/** An open claim. */
interface Open {
  id: string;
  worker: number;
  host: string;
  workflow: number;
  leaseMs: number | null;
  /** what it holds: task → attempt */
  holds: Map<number, number>;
  /** when its tasks were started, on this server's steady clock; else when it was taken up */
  startedMs: Map<number, number>;
  sinceMs: number;
}

interface Place {
  row: WorkflowRow;
  tasks: Tasks;
  task: number;
}

/**
 * Everything happens at once, in memory; what is answered is durable when `engine.whenDurable()` says so. Unknown ids throw not_found, what
 * is not the caller's any more throws conflict, a result for what has ended throws spec (422, as Torc does).
 */
export interface Claims {
  definition(workflow: number): WorkflowDefinition;
  claim(workflow: number, request: ClaimRequest): ClaimAnswer;
  /** `by`: the claim that the caller says it has */
  start(job: number, by: string | null): JobModel;
  complete(job: number, completion: Completion, by: string | null): JobModel;
  job(job: number): JobModel;
  isComplete(workflow: number): CompleteAnswer;
  state(claim: string, workflow: number): ClaimState;
  /** undefined = the lease it has */
  renew(claim: string, workflow: number, leaseMs: number | null | undefined): ClaimState;
  release(claim: string, workflow: number): ClaimState;
  /** leases run from now on */
  run(): void;
  /** looks whose lease is over; `run` calls it every TICK_MS */
  tick(): void;
  stop(): void;
}

/** `now`: ms, never goes back; `wall`: ms since the epoch. */
export function createClaims(
  engine: Engine,
  now: () => number = () => performance.now(),
  wall: () => number = Date.now,
): Claims {
  const { ledger } = engine;
  const open = new Map<string, Open>();
  const byWorker = new Map<number, Open>();
  /** when they ended, by their id */
  const ended = new Map<string, { workflow: number; atMs: number }>();
  const numbers = createWorkerNumbers(engine);
  const leases = createLiveness({ limitMs: HELD_MS, intervalMs: TICK_MS, now });
  let timer: ReturnType<typeof setInterval> | null = null;
  let forgottenMs = 0;

  restore();

  function restore(): void {
    const held = new Map<number, Map<number, number[]>>();
    const unused: [host: string, worker: number][] = [];
    for (const row of ledger.claims()) {
      const host = ledger.workerHost(row.worker) ?? "";
      if (row.endedMs !== null) {
        ended.set(row.id, { workflow: row.workflow, atMs: row.endedMs });
        unused.push([host, row.worker]);
        continue;
      }
      const tasks = engine.tasks(row.workflow);
      if (tasks && !held.has(row.workflow)) held.set(row.workflow, tasksByOwner(tasks));
      const list = held.get(row.workflow)?.get(row.worker) ?? [];
      const { id, workflow, worker, leaseMs } = row;
      const restored: Open = { id, worker, host, workflow, leaseMs, ...nothingYet() };
      if (!tasks || list.length === 0) {
        end(restored, false);
        continue;
      }
      // It gets nothing more, so what it once offered does not matter.
      const capacity = { ...NOTHING, maxParallel: list.length, host };
      const started = row.started.filter((task) => tasks.owner[task] === worker);
      engine.event({ type: "claim_restored", worker, workflow, capacity, tasks: list, started });
      for (const task of list) restored.holds.set(task, ownAttempt(tasks, task));
      add(restored);
    }
    // A number may have served several claims that ended, and an open one now.
    for (const [host, worker] of unused) numbers.giveBack(host, worker);
  }

  function nothingYet(): Pick<Open, "holds" | "startedMs" | "sinceMs"> {
    return { holds: new Map(), startedMs: new Map(), sinceMs: now() };
  }

  function add(claim: Open): void {
    open.set(claim.id, claim);
    byWorker.set(claim.worker, claim);
    leases.watch(claim.worker, claim.leaseMs ?? HELD_MS);
  }

  /** Nothing is left of it. Whoever completed all he had will hardly ask again: the ledger keeps only the others. */
  function end(claim: Open, completed: boolean): void {
    const atMs = wall();
    open.delete(claim.id);
    byWorker.delete(claim.worker);
    leases.forget(claim.worker);
    ended.set(claim.id, { workflow: claim.workflow, atMs });
    if (ended.size > MOST_ENDED) ended.delete(ended.keys().next().value!);
    engine.record({ kind: "claim_ended", claim: claim.id, atMs: completed ? null : atMs });
    numbers.giveBack(claim.host, claim.worker);
  }

  /** Takes back what it holds of these. */
  function takeBack(
    claim: Open,
    list: readonly number[],
    outcome: "worker_lost" | "preempted",
  ): void {
    const { worker, workflow, holds } = claim;
    const attempts = list.map((task) => holds.get(task)!);
    for (const task of list) holds.delete(task);
    engine.event({ type: "claim_ended", worker, workflow, tasks: list, attempts, outcome });
    if (holds.size === 0) end(claim, list.length === 0);
  }

  function tick(): void {
    for (const worker of leases.tick()) {
      const claim = byWorker.get(worker);
      if (!claim) continue;
      const tasks = engine.tasks(claim.workflow);
      const list = [...claim.holds.keys()].filter(
        (task) => claim.leaseMs !== null || tasks?.state[task] !== RUNNING,
      );
      if (list.length > 0 || claim.holds.size === 0) takeBack(claim, list, "worker_lost");
    }
    forget();
  }

  function forget(): void {
    const nowMs = wall();
    if (Math.abs(nowMs - forgottenMs) < FORGET_EVERY_MS) return;
    forgottenMs = nowMs;
    const beforeMs = nowMs - REMEMBERED_MS;
    for (const [id, { atMs }] of ended) if (atMs < beforeMs) ended.delete(id);
    engine.record({ kind: "forget_claims", beforeMs });
  }

  /** The engine's, also when it had ended before the server began. */
  function workflowOf(id: number): { row: WorkflowRow; tasks: Tasks } {
    if (!engine.tasks(id)) {
      if (!ledger.workflow(id)) throw new HoldallError("not_found", `there is no workflow ${id}`);
      engine.load(id, false);
    }
    return { row: engine.row(id)!, tasks: engine.tasks(id)! };
  }

  function place(job: number): Place {
    const within = ({ firstTaskId, taskCount }: WorkflowRow): boolean =>
      job >= firstTaskId && job < firstTaskId + taskCount;
    for (const id of engine.core.workflows.keys()) {
      const row = engine.row(id);
      if (row && within(row)) return { row, tasks: engine.tasks(id)!, task: job - row.firstTaskId };
    }
    const row = ledger.workflows().find(within);
    if (!row) throw new HoldallError("not_found", `there is no job ${job}`);
    return { ...workflowOf(row.id), task: job - row.firstTaskId };
  }

  function claimCalled(id: string, workflow: number): Open {
    const claim = open.get(id);
    if (claim?.workflow === workflow) return claim;
    if (ended.get(id)?.workflow === workflow)
      throw new HoldallError("conflict", `the claim ${id} is over`, {
        fix: "claim again: what it held waits again, unless it was completed",
      });
    throw new HoldallError("not_found", `workflow ${workflow} has no claim ${id}`);
  }

  /** The claim that holds the task, which has to be that of the caller if he says which he has. */
  function holder({ row, tasks, task }: Place, by: string | null): Open | null {
    const wanted = by === null ? null : claimCalled(by, row.id);
    const holds = byWorker.get(tasks.owner[task]!) ?? null;
    if (wanted && wanted !== holds) throw notHeld(row.firstTaskId + task, tasks, task);
    return holds;
  }

  function resultOf(claim: Open, at: Place, attempt: number, completion: Completion): Result {
    const sinceMs = claim.startedMs.get(at.task) ?? claim.sinceMs;
    const { row, tasks, task } = at;
    return batchOf(row.id, heldClass(tasks, task).id, task, attempt, completion, now() - sinceMs);
  }

  /** A task is another's by now (a duplicate was faster), and its attempt here ends only now: what it occupied is free. */
  function dismiss(at: Place, attempt: number, completion: Completion): void {
    const { row, task } = at;
    for (const claim of open.values()) {
      if (claim.workflow !== row.id || claim.holds.get(task) !== attempt) continue;
      claim.holds.delete(task);
      const batch = resultOf(claim, at, attempt, completion);
      engine.event({ type: "finished", worker: claim.worker, batch });
      if (claim.holds.size === 0) takeBack(claim, [], "preempted");
      return;
    }
  }

  function modelOf({ row, tasks, task }: Place): JobModel {
    return jobModels(ledger, row, tasks, [task], [ownAttempt(tasks, task)])[0]!;
  }

  function stateOf({ id, workflow, leaseMs, holds }: Open): ClaimState {
    const { row, tasks } = workflowOf(workflow);
    return {
      claim: id,
      workflow_id: workflow,
      lease_seconds: leaseMs === null ? null : leaseMs / 1000,
      held_seconds: holds.size === 0 ? null : (leaseMs ?? HELD_MS) / 1000,
      jobs: [...holds].map(([task, attempt]) => ({
        id: row.firstTaskId + task,
        attempt_id: attempt,
        status: jobStatus(tasks, task),
      })),
    };
  }

  return {
    definition: (workflow) => workflowOf(workflow).tasks.definition,

    claim(workflow, { leaseMs, ...request }) {
      const { row, tasks } = workflowOf(workflow);
      const canceled = workflowState(taskCounts(tasks), true) === "canceled";
      const none: ClaimAnswer = {
        jobs: [],
        reason: canceled ? "Workflow is canceled" : null,
        claim: null,
        lease_seconds: null,
        held_seconds: null,
      };
      // The first claim from a host has its number stored: not for nothing.
      if (request.limit === 0 || tasks.counts[READY] === 0) return none;
      const host = request.capacity.host ?? "";
      const worker = numbers.take(host);
      const effects = engine.event({ type: "claim", worker, workflow, ...request });
      const given = effects.filter((effect) => effect.type === "assign");
      if (given.length === 0) {
        numbers.giveBack(host, worker);
        return none;
      }
      const id = crypto.randomUUID();
      const claim: Open = { id, worker, host, workflow, leaseMs, ...nothingYet() };
      const list = given.flatMap((effect) => effect.tasks);
      const attempts = given.flatMap((effect) => effect.attempts);
      list.forEach((task, i) => claim.holds.set(task, attempts[i]!));
      engine.record({ kind: "claim", claim: id, workflow, worker, leaseMs });
      add(claim);
      return {
        jobs: jobModels(ledger, row, tasks, list, attempts),
        reason: null,
        claim: id,
        lease_seconds: leaseMs === null ? null : leaseMs / 1000,
        held_seconds: (leaseMs ?? HELD_MS) / 1000,
      };
    },

    start(job, by) {
      const at = place(job);
      const { tasks, task, row } = at;
      const claim = holder(at, by);
      if (!claim) throw notHeld(job, tasks, task);
      const state = tasks.state[task]!;
      if (state === CANCELED) {
        takeBack(claim, [task], "preempted");
        throw new HoldallError("conflict", `job ${job} was canceled`);
      }
      if (state === RUNNING && by === null)
        throw new HoldallError("conflict", `job ${job} has been started`, {
          fix: "with ?claim=CLAIM the server knows that it is yours",
        });
      if (state === ASSIGNED) {
        const attempts = [claim.holds.get(task)!];
        const { worker, id } = claim;
        engine.event({ type: "started", worker, workflow: row.id, tasks: [task], attempts });
        engine.record({ kind: "claim_started", claim: id, task });
        claim.startedMs.set(task, now());
      }
      return modelOf(at);
    },

    complete(job, completion, by) {
      const at = place(job);
      const { tasks, task } = at;
      const { attempt: said } = completion;
      const held = byWorker.get(tasks.owner[task]!)?.holds.get(task);
      if (said !== null && said !== held) dismiss(at, said, completion);
      const claim = holder(at, by);
      if (!claim) {
        const late = said !== null && said !== tasks.attempt[task];
        if (late || !isTerminal(tasks.state[task]!)) throw notHeld(job, tasks, task);
        throw new HoldallError("spec", `job ${job} is ${jobStatus(tasks, task)} already`);
      }
      const attempt = claim.holds.get(task);
      if (attempt === undefined || (said !== null && said !== attempt))
        throw notHeld(job, tasks, task);
      const batch = resultOf(claim, at, attempt, completion);
      claim.holds.delete(task);
      const effects = engine.event({ type: "finished", worker: claim.worker, batch });
      const model = modelOf(at);
      if (claim.holds.size === 0) takeBack(claim, [], "preempted");
      if (isSuperseded(effects)) throw notHeld(job, tasks, task);
      return { ...model, attempt_id: attempt };
    },

    job: (job) => modelOf(place(job)),

    isComplete(workflow) {
      const { tasks } = workflowOf(workflow);
      const state = workflowState(taskCounts(tasks), true);
      return {
        is_complete: tasks.ended,
        is_canceled: state === "canceled",
        needs_to_run_completion_script: false,
      };
    },

    state: (claim, workflow) => stateOf(claimCalled(claim, workflow)),

    renew(id, workflow, leaseMs) {
      const claim = claimCalled(id, workflow);
      if (leaseMs !== undefined && leaseMs !== claim.leaseMs) {
        claim.leaseMs = leaseMs;
        engine.record({ kind: "claim", claim: id, workflow, worker: claim.worker, leaseMs });
      }
      leases.watch(claim.worker, claim.leaseMs ?? HELD_MS);
      return stateOf(claim);
    },

    release(id, workflow) {
      const claim = claimCalled(id, workflow);
      takeBack(claim, [...claim.holds.keys()], "preempted");
      return stateOf(claim);
    },

    tick,

    run() {
      forgottenMs = wall();
      timer = setInterval(tick, TICK_MS);
    },

    stop() {
      if (timer) clearInterval(timer);
      timer = null;
    },
  };
}

const NOTHING: Capacity = {
  cpus: 0,
  memoryBytes: 0,
  diskBytes: 0,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
  strictScheduler: false,
};

function tasksByOwner({ owner }: Tasks): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (let task = 0; task < owner.length; task++) {
    const worker = owner[task]!;
    if (worker === 0) continue;
    const list = found.get(worker);
    if (list) list.push(task);
    else found.set(worker, [task]);
  }
  return found;
}

function notHeld(job: number, tasks: Tasks, task: number): HoldallError {
  const state = TASK_STATES[tasks.state[task]!]!;
  return new HoldallError("conflict", `job ${job} is not held for you: it is ${state}`, {
    fix: "claim again: it was never claimed, its lease is over, or another runner has it",
  });
}
