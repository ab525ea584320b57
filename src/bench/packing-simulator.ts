/** Plays a load through on a pool: ours with the real core, others by their rules; both with the same clock and the same accounts of room. */
import { apply, type Core, createCore, decide } from "../core/core.ts";
import type { Effect } from "../core/events.ts";
import { OUTCOME_OK } from "../core/states.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import { DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import { type PackingHost, type PackingTask, POOL } from "./packing-load.ts";
import { firstComeFirstServed, type Rule, torc, workQueue } from "./packing-rules.ts";

/** `auto` and `none` are sort methods of ours. */
export const PACKING_RULES = ["auto", "none", "fcfs", "torc", "workqueue"] as const;
export type PackingRule = (typeof PACKING_RULES)[number];

/** Seconds until the last task has ended. */
export function makespan(
  load: readonly PackingTask[],
  rule: PackingRule,
  pool: readonly PackingHost[] = POOL,
): number {
  switch (rule) {
    case "auto":
    case "none":
      return ofCore(load, rule, pool);
    case "fcfs":
      return ofRule(load, firstComeFirstServed, pool);
    case "torc":
      return ofRule(load, torc, pool);
    case "workqueue":
      return ofRule(load, workQueue, pool);
  }
}

/** What runs, the first to end first. */
interface Running {
  endMs: number;
  task: number;
  host: number;
}

function insert(running: Running[], entry: Running): void {
  let low = 0;
  let high = running.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (running[middle]!.endMs > entry.endMs) low = middle + 1;
    else high = middle;
  }
  running.splice(low, 0, entry);
}

function ofRule(load: readonly PackingTask[], rule: Rule, pool: readonly PackingHost[]): number {
  const free = pool.map((host) => ({ ...host }));
  let waiting = load.map((_, task) => task);
  const running: Running[] = [];
  let nowMs = 0;
  for (;;) {
    const chosen = rule(
      waiting.map((task) => load[task]!),
      free.map((host) => ({ ...host })),
    );
    const gone = new Set<number>();
    for (const [at, host] of chosen) {
      const task = waiting[at]!;
      gone.add(task);
      give(free[host]!, load[task]!, -1);
      insert(running, { endMs: nowMs + load[task]!.seconds * 1000, task, host });
    }
    if (gone.size > 0) waiting = waiting.filter((task) => !gone.has(task));
    const ended = running.pop();
    if (!ended) {
      if (waiting.length > 0) throw new Error(`${waiting.length} tasks are never started`);
      return nowMs / 1000;
    }
    nowMs = ended.endMs;
    give(free[ended.host]!, load[ended.task]!, 1);
  }
}

function give(free: PackingHost, task: PackingTask, times: number): void {
  free.cpus += times * task.cpus;
  free.memoryBytes += times * task.memoryBytes;
  free.gpus += times * task.gpus;
  if (free.cpus < 0 || free.memoryBytes < 0 || free.gpus < 0)
    throw new Error("more was started on a host than it has room for");
}

function ofCore(
  load: readonly PackingTask[],
  sortMethod: "auto" | "none",
  pool: readonly PackingHost[],
): number {
  const core = createCore();
  const free = pool.map((host) => ({ ...host }));
  const running: Running[] = [];
  let nowMs = 0;
  let ended = false;
  const perform = (effects: readonly Effect[]): void => {
    for (const effect of effects) {
      if (effect.type === "ended") ended = effect.ended;
      if (effect.type !== "assign") continue;
      for (const task of effect.tasks) {
        const host = effect.worker - 1;
        give(free[host]!, load[task]!, -1);
        insert(running, { endMs: nowMs + load[task]!.seconds * 1000, task, host });
      }
    }
  };
  pool.forEach((host, number) =>
    apply(
      core,
      {
        type: "worker_joined",
        worker: number + 1,
        capacity: {
          ...host,
          diskBytes: 0,
          maxParallel: null,
          timeLimitSeconds: null,
          scheduler: null,
        },
        held: [],
      },
      nowMs,
    ),
  );
  const definition = workflowOf(load, sortMethod);
  apply(core, { type: "workflow", workflow: 1, definition, restored: null }, nowMs);
  for (;;) {
    perform(decide(core, nowMs));
    const wakeMs = core.timers.nextMs;
    const next = running.at(-1);
    if (next && wakeMs !== null && wakeMs < next.endMs) {
      nowMs = wakeMs;
      perform(apply(core, { type: "timer" }, nowMs));
      continue;
    }
    const done = running.pop();
    if (!done) {
      if (!ended) throw new Error("tasks are never started");
      return nowMs / 1000;
    }
    nowMs = done.endMs;
    give(free[done.host]!, load[done.task]!, 1);
    perform(finish(core, done, load[done.task]!, nowMs));
  }
}

function finish(core: Core, { task, host }: Running, of: PackingTask, nowMs: number): Effect[] {
  return apply(
    core,
    {
      type: "finished",
      worker: host + 1,
      batch: {
        workflow: 1,
        cls: 0,
        tasks: [task],
        attempts: [1],
        outcomes: [OUTCOME_OK],
        wallUs: [of.seconds * 1e6],
      },
    },
    nowMs,
  );
}

function workflowOf(
  load: readonly PackingTask[],
  sortMethod: WorkflowDefinition["sortMethod"],
): WorkflowDefinition {
  return {
    name: "packing",
    source: null,
    specDir: "/",
    cwd: "/",
    blocks: load.map((task, first) => ({
      kind: "explicit",
      first,
      count: 1,
      bodies: null,
      requirement: {
        ...DEFAULT_REQUIREMENT,
        cpus: task.cpus,
        memoryBytes: task.memoryBytes,
        gpus: task.gpus,
        runtimeSeconds: task.estimate,
      },
      category: "packing",
      retries: 0,
      timeoutSeconds: null,
      onUpstreamFailure: "skip",
      priority: 0,
      cwd: null,
      scheduler: null,
    })),
    edges: [],
    runs: [],
    sets: [],
    taskCount: load.length,
    priority: 0,
    sortMethod,
    schedulers: [],
  };
}
