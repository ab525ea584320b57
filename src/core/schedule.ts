/**
 * Which ready tasks go to which worker. Classes are walked in their order (order.ts); each is offered to all workers that may run it and
 * have room (placement.ts), and takes what fits: fit first, limit after. One that does not fit is passed over, but not for ever
 * (reserve.ts).
 *
 * What a decision costs: a class that was looked at before fits nowhere but where room has come free since, so it is offered to those
 * workers only; all workers are asked for classes that got more tasks. A class takes its tasks in runs, however many.
 *
 * A worker may also hold a little more than it can run (prefetch), of classes it is running: such an attempt takes the room of
 * one of its class that ended, so nothing is ever over-subscribed and short tasks never wait for a round trip. Nothing is held in advance
 * where a class of higher priority waits or room is reserved (take-back.ts).
 */
import { agedCount, markWaiting } from "./ageing.ts";
import { assign } from "./assign.ts";
import type { Core, Holding, WorkerState } from "./core.ts";
import { unblockHosts } from "./hosts.ts";
import { ageMsOf, currentOrder, expectedSeconds } from "./order.ts";
import {
  bestFor,
  cachedBytes,
  type Candidate,
  couldRun,
  mayRun,
  room,
  share,
  takesWork,
} from "./placement.ts";
import { mayWait } from "./plan.ts";
import type { Category, ReadyClass } from "./ready.ts";
import { backfill, cancelReservation, reserve, reviewReservations, useSpare } from "./reserve.ts";
import type { Order } from "./scheduling.ts";
import { READY } from "./states.ts";
import { makeWay, outranks, shareTail } from "./take-back.ts";
import type { Tasks } from "./tasks.ts";
import { classOf } from "./tasks.ts";

export function schedule(core: Core, nowMs: number): void {
  unblockHosts(core, nowMs);
  if (core.scheduling.reservations.size > 0) reviewReservations(core, nowMs);
  const idle = new Set<WorkerState>();
  // Room that was reserved and is not any more comes free while we decide: another look is due.
  while (core.moreReady || core.dirty.size > 0) {
    const looked = [...core.dirty];
    const decision = new Decision(core, looked, nowMs);
    core.dirty.clear();
    if (core.active.size > 0) {
      decision.walk();
      decision.lend();
      decision.prefetch();
      decision.settle();
    }
    core.moreReady = false;
    if (core.active.size === 0) for (const worker of looked) idle.add(worker);
  }
  if (idle.size > 0) shareTail(core, idle, nowMs);
}

/** So many of the first classes that wait may have what is held in advance taken back. */
const FIRST = 4;
/** So many classes are considered for a reservation at a time. */
const CONSIDERED = 4;
/** One in so many workers may have room reserved, at least one. */
const RESERVED_PART = 4;

/** One pass over classes and workers. */
class Decision {
  readonly #core: Core;
  readonly #nowMs: number;
  readonly #order: Order;
  /** turns that were looked at */
  #visited = 0;
  /** workers with news */
  readonly #dirty: WorkerState[];
  #everyone: WorkerState[] | null = null;
  readonly #limits: Map<Category, number> | null;
  /** the first classes that found no room */
  readonly #first: ReadyClass[] = [];
  /** those that nobody has passed so far */
  #unpassed: ReadyClass[] = [];
  /** a class that got more tasks, or came back, waits */
  #newWaiting = false;

  constructor(core: Core, looked: readonly WorkerState[], nowMs: number) {
    this.#core = core;
    this.#nowMs = nowMs;
    this.#order = currentOrder(core, nowMs);
    this.#dirty = looked.filter((worker) => takesWork(core, worker));
    this.#limits = limitsLeft(core);
  }

  /** All that may get something. */
  get #all(): WorkerState[] {
    return (this.#everyone ??= [...this.#core.workers.values()].filter((worker) =>
      takesWork(this.#core, worker),
    ));
  }

  walk(): void {
    const core = this.#core;
    // What was offered to all before can only use room that has come free now.
    const nothingNew = !core.moreReady && this.#limits === null;
    for (const turn of this.#order.turns) {
      const { cls, aged } = turn;
      if (nothingNew && this.#dirty.every((worker) => this.#isFull(worker))) break;
      this.#visited++;
      if (cls.ready === 0 || !core.active.has(cls)) continue;
      const { category } = cls;
      let limit = cls.ready;
      const limited = this.#limits?.get(category);
      if (limited !== undefined) limit = Math.min(limit, limited);
      if (aged) limit = Math.min(limit, agedCount(cls, this.#nowMs, ageMsOf(core, cls)));
      const given = limit > 0 ? this.#place(cls, cls.fresh ? this.#all : this.#dirty, limit) : 0;
      if (limited !== undefined) this.#limits!.set(category, limited - given);
      if (core.scheduling.reservations.size > 0) this.#enforce(cls);
      if (cls.ready === 0) continue;
      if (aged) {
        if (given < limit) this.#wait(cls);
        continue;
      }
      if (cls.fresh) this.#newWaiting = true;
      // Where only the category's limit is in the way, any worker may do once it is not.
      cls.fresh = limited !== undefined && limited - given < cls.ready;
      if (cls.fresh) continue;
      this.#wait(cls);
    }
  }

  #wait(cls: ReadyClass): void {
    if (this.#first.length < FIRST) this.#first.push(cls);
    if (cls.passedMs === null) this.#unpassed.push(cls);
  }

  #isFull({ capacity, running, free }: WorkerState): boolean {
    if (capacity.maxParallel !== null) return running >= capacity.maxParallel;
    return free.cpus + 1e-9 < this.#order.leastCpus;
  }

  #enforce(cls: ReadyClass): void {
    for (const reservation of this.#core.scheduling.reservations.values())
      if (reservation.cls === cls) reservation.inForce = true;
  }

  /** Hands out at most `limit` tasks of the class; preferred hosts first, another takes what they have no room for now. */
  #place(cls: ReadyClass, workers: readonly WorkerState[], limit: number): number {
    const preferred = cls.placement?.preferredHosts;
    if (!preferred || preferred.length === 0) return this.#choose(cls, workers, limit, false);
    const isPreferred = ({ capacity: { host } }: WorkerState): boolean =>
      host !== undefined && preferred.includes(host);
    const given = this.#choose(cls, workers.filter(isPreferred), limit, false);
    if (given === limit) return given;
    const others = workers.filter((worker) => !isPreferred(worker));
    return given + this.#choose(cls, others, limit - given, false);
  }

  #choose(
    cls: ReadyClass,
    workers: readonly WorkerState[],
    limit: number,
    borrowing: boolean,
  ): number {
    const core = this.#core;
    const candidates: Candidate[] = [];
    let total = 0;
    for (const worker of workers) {
      if (!mayRun(worker, cls, this.#nowMs, borrowing)) continue;
      let has = room(worker, cls, limit);
      if (has === 0) continue;
      const reservation = core.scheduling.reservations.get(worker.id);
      if (reservation) has = backfill(reservation, cls, has, this.#nowMs);
      if (has === 0) continue;
      candidates.push({ worker, room: has });
      total += has;
      if (cls.algorithm === "fcfs" && total >= limit) break;
    }
    if (total === 0) return 0;
    const { inputs } = core.scheduling;
    if (inputs && (cls.algorithm === "files" || cls.algorithm === null))
      return this.#byInputs(cls, candidates, Math.min(limit, total));
    if (candidates.length === 1 || total <= limit || cls.algorithm === "fcfs") {
      let left = limit;
      for (const { worker, room: has } of candidates) {
        left -= this.#give(worker, cls, Math.min(left, has));
        if (left <= 0) break;
      }
      return limit - left;
    }
    const counts = share(core, cls, candidates, limit);
    let given = 0;
    candidates.forEach(({ worker }, i) => {
      if (counts[i]! > 0) given += this.#give(worker, cls, counts[i]!);
    });
    return given;
  }

  /** Task by task, by what lies where. */
  #byInputs(cls: ReadyClass, candidates: Candidate[], limit: number): number {
    const core = this.#core;
    const inputs = core.scheduling.inputs!;
    const tasks = core.workflows.get(cls.workflow);
    if (!tasks) return 0;
    let given = 0;
    while (given < limit && candidates.length > 0) {
      const near = nextTasks(tasks, cls, candidates.length === 1 ? LOOK_AHEAD : 1);
      if (near.length === 0) break;
      let task = near[0]!;
      let at = 0;
      if (candidates.length > 1) at = bestFor(core, cls, candidates, inputs(cls.workflow, task));
      else {
        // Of the next tasks in the queue the one of which the worker has most.
        let most = 0;
        for (const each of near) {
          const bytes = cachedBytes(core, candidates[0]!.worker, inputs(cls.workflow, each));
          if (bytes <= most) continue;
          most = bytes;
          task = each;
        }
      }
      const chosen = candidates[at]!;
      if (this.#give(chosen.worker, cls, 1, task) === 0) break;
      given++;
      if (--chosen.room === 0) candidates.splice(at, 1);
    }
    return given;
  }

  #give(worker: WorkerState, cls: ReadyClass, count: number, task: number | null = null): number {
    if (count <= 0) return 0;
    const core = this.#core;
    const given = assign(core, worker, cls, count, 0, this.#nowMs, task);
    if (given === 0) return 0;
    const { reservations } = core.scheduling;
    if (reservations.size > 0) {
      const reservation = reservations.get(worker.id);
      if (reservation) useSpare(reservation, cls, given, this.#nowMs);
    }
    if (cls.passedMs !== null) cancelReservation(core, cls);
    if (this.#unpassed.length > 0) this.#pass(worker, cls);
    return given;
  }

  /** What stands before `cls` and could run on the worker was passed over. */
  #pass(worker: WorkerState, cls: ReadyClass): void {
    const unpassed: ReadyClass[] = [];
    for (const waiting of this.#unpassed) {
      if (waiting.passedMs !== null) continue;
      if (waiting !== cls && couldRun(worker, waiting, this.#nowMs)) {
        waiting.passedMs = this.#nowMs;
        waiting.reserveAtMs = 0;
      } else unpassed.push(waiting);
    }
    this.#unpassed = unpassed;
  }

  /** Its start is part of a plan: a reservation would only disturb it. */
  #isForeseen(cls: ReadyClass): boolean {
    const plan = this.#core.scheduling.plans.get(cls.workflow);
    return plan !== undefined && mayWait(plan, expectedSeconds(cls), this.#nowMs);
  }

  /** The bulkiest of those that were passed over get room first: the others find some sooner anyway. */
  #reserve(): void {
    const core = this.#core;
    const most = Math.max(1, Math.floor(core.workers.size / RESERVED_PART));
    if (core.scheduling.reservations.size >= most) return;
    // Of those too that were not looked at, because nothing is free.
    const due = this.#order.turns.filter(
      ({ cls }) =>
        cls.passedMs !== null &&
        cls.reserveAtMs <= this.#nowMs &&
        cls.ready > 0 &&
        !cls.fresh &&
        !this.#isForeseen(cls),
    );
    due.sort((a, b) => b.bulk - a.bulk);
    for (const { cls } of due.slice(0, CONSIDERED))
      if (core.scheduling.reservations.size < most) reserve(core, cls, this.#nowMs);
  }

  /** Flexible workers take what is bound to others when nothing else is ready that they could run. */
  lend(): void {
    const core = this.#core;
    if (!this.#order.bound) return;
    const bound = this.#order.turns.filter(
      ({ cls, aged }) => !aged && cls.ready > 0 && cls.scheduler !== null && core.active.has(cls),
    );
    if (bound.length === 0) return;
    for (const worker of this.#all) {
      if (worker.capacity.strictScheduler !== false) continue;
      const own = this.#order.turns.some(
        ({ cls }) => cls.ready > 0 && couldRun(worker, cls, this.#nowMs),
      );
      if (own) continue;
      for (const { cls } of bound) {
        if (cls.ready === 0 || cls.scheduler === worker.capacity.scheduler) continue;
        const limited = this.#limits?.get(cls.category) ?? Infinity;
        const given = this.#choose(cls, [worker], Math.min(cls.ready, limited), true);
        this.#limits?.set(cls.category, limited - given);
      }
    }
  }

  prefetch(): void {
    const core = this.#core;
    const workers = core.moreReady ? this.#all : this.#dirty;
    for (const worker of workers)
      for (const holding of [...worker.holding.values()]) {
        const { cls } = holding;
        if (cls.ready === 0 || holding.running === 0 || !core.active.has(cls)) continue;
        // A lost worker that came back with its attempts is more than the category's limit allows: they are to become fewer.
        if ((this.#limits?.get(cls.category) ?? 0) < 0) continue;
        const depth = prefetchDepth(core, holding);
        if (depth === 0 || !this.#mayHoldMore(worker, cls)) continue;
        assign(core, worker, cls, 0, depth, this.#nowMs, null);
        core.scheduling.ahead.add(worker);
      }
  }

  #mayHoldMore(worker: WorkerState, cls: ReadyClass): boolean {
    const { scheduling } = this.#core;
    if (scheduling.inputs || scheduling.reservations.has(worker.id)) return false;
    if (!mayRun(worker, cls, this.#nowMs)) return false;
    return !this.#first.some(
      (waiting) => outranks(waiting, cls) && couldRun(worker, waiting, this.#nowMs),
    );
  }

  settle(): void {
    const core = this.#core;
    const { reservations, ahead } = core.scheduling;
    const before = reservations.size;
    this.#reserve();
    if (ahead.size > 0 && (this.#newWaiting || reservations.size > before))
      makeWay(core, this.#first, this.#nowMs);
    let gone = 0;
    const { turns } = this.#order;
    for (let i = 0; i < turns.length && (i < this.#visited || this.#order.bound); i++) {
      const { cls } = turns[i]!;
      if (cls.ready > 0) markTaken(core, cls, this.#nowMs);
      else {
        core.active.delete(cls);
        gone++;
      }
    }
    // Half of it is passed in vain.
    if (gone * 2 > turns.length) core.scheduling.order = null;
  }
}

function markTaken(core: Core, cls: ReadyClass, nowMs: number): void {
  if (cls.ready !== cls.marks.total) markWaiting(cls, nowMs, ageMsOf(core, cls));
}

/** How many more tasks of each limited category may run; null when no category is limited. */
export function limitsLeft(core: Core): Map<Category, number> | null {
  let left: Map<Category, number> | null = null;
  for (const { category } of core.active) {
    const { maxConcurrent } = category;
    if (maxConcurrent !== null) (left ??= new Map()).set(category, maxConcurrent);
  }
  if (left)
    for (const worker of core.workers.values())
      for (const { cls, running } of worker.holding.values()) {
        const now = left.get(cls.category);
        if (now !== undefined) left.set(cls.category, now - running);
      }
  if (left && core.unclaimed.length > 0) {
    core.unclaimed = core.unclaimed.filter(({ tasks, task }) => {
      const owner = tasks.owner[task]!;
      return (
        owner !== 0 && !core.workers.has(owner) && core.workflows.get(tasks.workflow) === tasks
      );
    });
    for (const { tasks, task } of core.unclaimed) {
      const { category } = classOf(tasks, task);
      const now = left.get(category);
      if (now !== undefined) left.set(category, now - 1);
    }
  }
  return left;
}

/** How far down its queue a class looks for a task whose inputs the worker has. */
const LOOK_AHEAD = 32;

function nextTasks(tasks: Tasks, cls: ReadyClass, count: number): number[] {
  const next: number[] = [];
  for (const [first, end] of cls.queue.entries())
    for (let task = first; task < end; task++) {
      if (tasks.state[task] !== READY) continue;
      next.push(task);
      if (next.length === count) return next;
    }
  return next;
}

function prefetchDepth(core: Core, holding: Holding): number {
  const { category } = holding.cls;
  if (category.samples === 0) return 0;
  const perSlot = Math.floor((core.config.prefetchMs * 1000) / Math.max(category.meanWallUs, 1));
  const wanted = Math.min(core.config.prefetchMax, perSlot * holding.running);
  // With several workers the last tasks are shared, not hoarded.
  const part = Math.ceil(holding.cls.ready / (2 * core.workers.size));
  const queued = holding.held - holding.running;
  // Topping up by single tasks would send a frame per task: wait until half is used up.
  if (queued * 2 > wanted) return 0;
  return Math.min(wanted - queued, core.workers.size === 1 ? holding.cls.ready : part);
}
