/**
 * `bench placement`: which worker a task gets, in a simulator with the real core. What counts is the mean time from a task's arrival to
 * its end; for a bag, where all arrive at once, the time until the last has ended.
 */
import { apply, type Core, createCore, decide } from "../core/core.ts";
import type { CoreEvent, Effect } from "../core/events.ts";
import { OUTCOME_OK } from "../core/states.ts";
import type { Algorithm, Block, WorkflowDefinition } from "../core/workflow.ts";
import { ALGORITHMS, DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import {
  PLACEMENT_TRACES,
  type PlacementLoad,
  placementLoad,
  type PlacementTrace,
} from "./placement-load.ts";

export interface PlacementRow {
  trace: string;
  /** seconds, mean over the seeds */
  default: number;
  algorithms: Record<Algorithm, number>;
  best: Algorithm;
  /** default ÷ best */
  against_best: number;
}

export interface PlacementResult {
  tasks: number;
  seeds: number;
  traces: PlacementRow[];
  worst_against_best: number;
}

export function placementBench(options: {
  tasks: number;
  seeds: number;
  note?: (text: string) => void;
}): PlacementResult {
  const traces = PLACEMENT_TRACES.map((trace) => {
    const row = placementRow(trace, options);
    options.note?.(`${row.trace}: ${row.against_best.toFixed(3)}`);
    return row;
  });
  return {
    tasks: options.tasks,
    seeds: options.seeds,
    traces,
    worst_against_best: Math.max(...traces.map((row) => row.against_best)),
  };
}

function placementRow(
  trace: PlacementTrace,
  { tasks, seeds }: { tasks: number; seeds: number },
): PlacementRow {
  const loads = Array.from({ length: seeds }, (_, i) => placementLoad(trace, i + 1, tasks));
  const mean = (algorithm: Algorithm | null): number =>
    loads.reduce((sum, load) => sum + play(load, trace, algorithm), 0) / seeds;
  const ours = mean(null);
  const algorithms = Object.fromEntries(
    ALGORITHMS.map((algorithm) => [algorithm, mean(algorithm)]),
  ) as Record<Algorithm, number>;
  const best = ALGORITHMS.toSorted((a, b) => algorithms[a] - algorithms[b])[0]!;
  return {
    trace: trace.name,
    default: ours,
    algorithms,
    best,
    against_best: ours / algorithms[best],
  };
}

type Happening =
  | { atMs: number; type: "join" | "leave"; worker: number }
  | { atMs: number; type: "arrive"; task: number }
  | { atMs: number; type: "fetched"; worker: number; input: number }
  | { atMs: number; type: "end"; worker: number; task: number; attempt: number; wallMs: number };

/** Gates keep tasks until they arrive: one task of the clock for each, ended by the simulator. */
const CLOCK = 1_000_000;

function play(load: PlacementLoad, trace: PlacementTrace, algorithm: Algorithm | null): number {
  const core = createCore({ prefetchMax: 0 });
  const size = load.tasks.length;
  const gates = trace.arrivals === "open" ? size : 0;
  if (trace.inputs)
    core.scheduling.inputs = (_workflow, task) => {
      const input = load.tasks[task]?.input ?? -1;
      return input < 0 ? [] : [{ digest: String(input), bytes: load.inputs[input]! }];
    };
  const queue = new Happenings();
  load.workers.forEach(({ joinsMs, leavesMs }, worker) => {
    queue.add({ atMs: joinsMs, type: "join", worker });
    if (leavesMs !== Infinity) queue.add({ atMs: leavesMs, type: "leave", worker });
  });
  let nowMs = 0;
  let ended = 0;
  let turnaroundMs = 0;
  const has = new Map<number, Set<number>>();
  const start = (worker: number, task: number, attempt: number): void => {
    const { ms, input } = load.tasks[task]!;
    const { speed } = load.workers[worker]!;
    let fetchMs = 0;
    if (input >= 0 && !has.get(worker)!.has(input)) {
      fetchMs = (load.inputs[input]! / core.config.fetchBytesPerSecond) * 1000;
      queue.add({ atMs: nowMs + fetchMs, type: "fetched", worker, input });
    }
    const wallMs = ms / speed;
    queue.add({ atMs: nowMs + fetchMs + wallMs, type: "end", worker, task, attempt, wallMs });
  };
  const perform = (effects: readonly Effect[]): void => {
    for (const effect of effects)
      if (effect.type === "assign" && effect.worker !== CLOCK)
        effect.tasks.forEach((task, i) => start(effect.worker - 1, task, effect.attempts[i]!));
  };
  const happen = (event: CoreEvent): void => perform(apply(core, event, nowMs));
  happen({
    type: "workflow",
    workflow: 1,
    definition: workflowOf(size, gates, algorithm),
    restored: null,
  });
  if (gates > 0) {
    happen(joined(CLOCK, { maxParallel: gates, scheduler: "clock" }));
    perform(decide(core, nowMs));
    load.tasks.forEach(({ arrivesMs }, task) =>
      queue.add({ atMs: arrivesMs, type: "arrive", task }),
    );
  }
  while (ended < size) {
    const next = queue.take();
    if (!next) throw new Error(`${size - ended} tasks are never started`);
    nowMs = next.atMs;
    switch (next.type) {
      case "join":
        has.set(next.worker, new Set());
        happen(joined(next.worker + 1, { features: ["host"] }));
        break;
      case "leave":
        has.delete(next.worker);
        happen({ type: "worker_lost", worker: next.worker + 1, outcome: "preempted" });
        break;
      case "arrive":
        happen(finished(CLOCK, size + next.task, 1, 0));
        break;
      case "fetched": {
        const cache = has.get(next.worker);
        if (!cache) break;
        cache.add(next.input);
        const bytes = [load.inputs[next.input]!];
        happen({ type: "cached", worker: next.worker + 1, digests: [String(next.input)], bytes });
        break;
      }
      case "end":
        // Its worker is gone, and the attempt with it.
        if (!has.has(next.worker)) break;
        happen(finished(next.worker + 1, next.task, next.attempt, next.wallMs));
        ended++;
        turnaroundMs += nowMs - load.tasks[next.task]!.arrivesMs;
        break;
    }
    perform(decide(core, nowMs));
  }
  check(core, size);
  return trace.arrivals === "open" ? turnaroundMs / size / 1000 : nowMs / 1000;
}

function check(core: Core, size: number): void {
  const { state } = core.workflows.get(1)!;
  if (state.subarray(0, size).some((each) => each !== state[0]))
    throw new Error("a task did not end");
}

function joined(
  worker: number,
  change: { maxParallel?: number; scheduler?: string; features?: string[] },
): CoreEvent {
  const capacity = {
    cpus: 4,
    memoryBytes: 2 ** 34,
    diskBytes: 0,
    gpus: 0,
    maxParallel: null,
    timeLimitSeconds: null,
    scheduler: null,
    ...change,
  };
  return { type: "worker_joined", worker, capacity, held: [] };
}

function finished(worker: number, task: number, attempt: number, wallMs: number): CoreEvent {
  return {
    type: "finished",
    worker,
    batch: {
      workflow: 1,
      cls: 0,
      tasks: [task],
      attempts: [attempt],
      outcomes: [OUTCOME_OK],
      wallUs: [wallMs * 1000],
    },
  };
}

function workflowOf(size: number, gates: number, algorithm: Algorithm | null): WorkflowDefinition {
  const common = {
    kind: "explicit" as const,
    bodies: null,
    requirement: DEFAULT_REQUIREMENT,
    retries: 0,
    timeoutSeconds: null,
    onUpstreamFailure: "skip" as const,
    priority: 0,
    cwd: null,
  };
  const blocks: Block[] = [
    {
      ...common,
      first: 0,
      count: size,
      category: "task",
      scheduler: null,
      placement: { features: ["host"] },
    },
  ];
  if (gates > 0)
    blocks.push({ ...common, first: size, count: gates, category: "clock", scheduler: "clock" });
  return {
    name: "placement",
    source: null,
    specDir: "/",
    cwd: "/",
    blocks,
    edges: [],
    runs: gates > 0 ? [{ upstream: size, dependent: 0, count: gates }] : [],
    sets: [],
    taskCount: size + gates,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
    ...(algorithm && { algorithm }),
  };
}

/** A binary heap by time; of equal times, the first added first. */
class Happenings {
  readonly #heap: { order: number; what: Happening }[] = [];
  #added = 0;

  add(what: Happening): void {
    const entry = { order: this.#added++, what };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  take(): Happening | null {
    const heap = this.#heap;
    const first = heap[0];
    if (!first) return null;
    const last = heap.pop()!;
    for (let at = 0; heap.length > 0;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !before(heap[child]!, last)) {
        heap[at] = last;
        break;
      }
      heap[at] = heap[child]!;
      at = child;
    }
    return first.what;
  }
}

type Entry = { order: number; what: Happening };

function before(a: Entry, b: Entry): boolean {
  return a.what.atMs < b.what.atMs || (a.what.atMs === b.what.atMs && a.order < b.order);
}
