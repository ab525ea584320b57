/** Why a task is not running, as data: what stands in its way, most decisive first. Words are made of it by the server. */
import type { Core, WorkerState } from "./core.ts";
import { visitDependents } from "./graph.ts";
import { mayRun, room, secondsLeft } from "./placement.ts";
import type { ReadyClass } from "./ready.ts";
import { amountOf, tooLarge } from "./resources.ts";
import { ASSIGNED, BLOCKED, isTerminal, READY, RUNNING, SKIPPED, SUCCEEDED } from "./states.ts";
import { classOf, type Tasks } from "./tasks.ts";

/** Why one worker does not take the task. */
export type WorkerObstacle =
  | { kind: "draining" | "absent" | "host_blocked" }
  /** too slow lately, until then; `soon`: or until another worker has taken what was slow there */
  | { kind: "excluded"; untilMs: number; soon: boolean }
  /** it may take what is bound to others, but only when nothing else is ready */
  | { kind: "borrows"; bound: string; has: string | null }
  | { kind: "scheduler"; bound: string; has: string | null }
  | { kind: "features"; missing: string[] }
  | { kind: "host"; required: readonly string[]; host: string | null }
  | { kind: "time"; neededSeconds: number; leftSeconds: number }
  | { kind: "too_large"; resource: string; needed: number; offered: number }
  | { kind: "busy"; resource: string; needed: number; free: number }
  | { kind: "has_room" };

export type Reason =
  | { kind: "ended" }
  | { kind: "running"; worker: number; started: boolean }
  | { kind: "upstream"; waiting: number; tasks: number[] }
  | { kind: "upstream_failed"; tasks: number[] }
  | { kind: "back_off"; untilMs: number }
  | { kind: "no_workers" }
  | { kind: "workers"; obstacles: { worker: number; obstacle: WorkerObstacle }[] }
  | { kind: "category_limit"; category: string; limit: number }
  | { kind: "behind"; higher: number; same: number };

/** At most this many upstream tasks are named. */
const NAMED_TASKS = 10;

export function explain(core: Core, workflow: number, task: number, nowMs: number): Reason[] {
  const tasks = core.workflows.get(workflow)!;
  const state = tasks.state[task]!;
  if (state === ASSIGNED || state === RUNNING)
    return [{ kind: "running", worker: tasks.owner[task]!, started: state === RUNNING }];
  if (state === SKIPPED) return [{ kind: "upstream_failed", tasks: upstream(tasks, task, true) }];
  if (isTerminal(state)) return [{ kind: "ended" }];
  if (state === BLOCKED)
    return [
      { kind: "upstream", waiting: tasks.waiting[task] ?? 0, tasks: upstream(tasks, task, false) },
    ];
  const reasons: Reason[] = [];
  const until = tasks.notBefore.get(task);
  if (until !== undefined && until > nowMs) reasons.push({ kind: "back_off", untilMs: until });
  const cls = classOf(tasks, task);
  const workers = [...core.workers.values()].filter((worker) => !worker.claim);
  if (workers.length === 0) reasons.push({ kind: "no_workers" });
  else
    reasons.push({
      kind: "workers",
      obstacles: workers.map((worker) => ({
        worker: worker.id,
        obstacle: obstacleOf(core, worker, cls, nowMs),
      })),
    });
  const limit = cls.category.maxConcurrent;
  if (limit !== null && runningOf(core, cls) >= limit)
    reasons.push({ kind: "category_limit", category: cls.category.name, limit });
  const ahead = tasksAhead(core, cls, task);
  if (ahead.higher + ahead.same > 0) reasons.push({ kind: "behind", ...ahead });
  return reasons;
}

/** Tasks right before `task` that have not ended, or (`failed`) that ended without success. */
function upstream(tasks: Tasks, task: number, failed: boolean): number[] {
  const { graph, state } = tasks;
  const found: number[] = [];
  const sets = new Set<number>();
  graph.setDependents.forEach((ranges, set) => {
    if (ranges.some(([first, count]) => task >= first && task < first + count)) sets.add(set);
  });
  for (let other = 0; other < graph.size && found.length < NAMED_TASKS; other++) {
    const now = state[other]!;
    if (failed ? !isTerminal(now) || now === SUCCEEDED : isTerminal(now)) continue;
    let hit = false;
    visitDependents(
      graph,
      other,
      (dependent) => {
        hit ||= dependent === task;
      },
      (set) => {
        hit ||= sets.has(set);
      },
    );
    if (hit) found.push(other);
  }
  return found;
}

function obstacleOf(
  core: Core,
  worker: WorkerState,
  cls: ReadyClass,
  nowMs: number,
): WorkerObstacle {
  const { capacity } = worker;
  const need = cls.requirement;
  if (worker.absent) return { kind: "absent" };
  if (worker.draining) return { kind: "draining" };
  if (capacity.host !== undefined && core.scheduling.blockedHosts.has(capacity.host))
    return { kind: "host_blocked" };
  const untilMs = core.suspicion.excludedUntilMs.get(worker.id);
  if (untilMs !== undefined)
    return { kind: "excluded", untilMs, soon: core.suspicion.heldBack.has(worker.id) };
  const flexible = capacity.strictScheduler === false;
  if (!mayRun(worker, cls, nowMs, flexible)) return ruledOut(worker, cls, nowMs);
  const large = tooLarge(capacity, need);
  if (large) return { kind: "too_large", ...large };
  if (room(worker, cls, 1) > 0)
    return mayRun(worker, cls, nowMs)
      ? { kind: "has_room" }
      : { kind: "borrows", bound: cls.scheduler!, has: capacity.scheduler };
  if (capacity.maxParallel !== null) return { kind: "busy", resource: "slots", needed: 1, free: 0 };
  const { free } = worker;
  const short: [string, number, number][] = [
    ["cpus", need.cpus, free.cpus],
    ["memory", need.memoryBytes, free.memoryBytes],
    ["gpus", need.gpus, free.gpus],
    ["disk", need.diskBytes, free.diskBytes],
    ...Object.entries(need.custom ?? {}).map(([name, amount]): [string, number, number] => [
      name,
      amount,
      amountOf(free.custom, name),
    ]),
  ];
  const [resource, needed, left] = short.find(([, wants, has]) => wants > has) ?? short[0]!;
  return { kind: "busy", resource, needed, free: left };
}

/** What keeps a worker from the class even when it is idle, resources apart. */
function ruledOut(worker: WorkerState, cls: ReadyClass, nowMs: number): WorkerObstacle {
  const { capacity } = worker;
  if (
    cls.scheduler !== null &&
    cls.scheduler !== capacity.scheduler &&
    capacity.strictScheduler !== false
  )
    return { kind: "scheduler", bound: cls.scheduler, has: capacity.scheduler };
  const { requiredHosts = [], features = [] } = cls.placement ?? {};
  if (requiredHosts.length > 0 && !requiredHosts.includes(capacity.host ?? ""))
    return { kind: "host", required: requiredHosts, host: capacity.host ?? null };
  const missing = features.filter((feature) => !capacity.features?.includes(feature));
  if (missing.length > 0) return { kind: "features", missing };
  return {
    kind: "time",
    neededSeconds: cls.requirement.runtimeSeconds ?? 0,
    leftSeconds: secondsLeft(worker, nowMs),
  };
}

function runningOf(core: Core, cls: ReadyClass): number {
  let running = 0;
  for (const worker of core.workers.values())
    for (const holding of worker.holding.values())
      if (holding.cls.category === cls.category) running += holding.running;
  return running;
}

/** Ready tasks that come first: of a higher priority, and of the same class. */
function tasksAhead(core: Core, cls: ReadyClass, task: number): { higher: number; same: number } {
  let higher = 0;
  for (const other of core.active)
    if (
      other.workflowPriority > cls.workflowPriority ||
      (other.workflowPriority === cls.workflowPriority && other.priority > cls.priority)
    )
      higher += other.ready;
  const tasks = core.workflows.get(cls.workflow)!;
  let same = 0;
  for (const [first, end] of cls.queue.entries()) {
    if (task >= first && task < end) {
      for (let other = first; other < task; other++) if (tasks.state[other] === READY) same++;
      return { higher, same };
    }
    for (let other = first; other < end; other++) if (tasks.state[other] === READY) same++;
  }
  return { higher, same };
}
