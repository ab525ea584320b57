/** The shape of a workflow before it runs: stages, the longest path, and how long it would take on given workers. */
import { blockOf, buildGraph, type Graph, inDegrees, visitDependents } from "./graph.ts";
import type { Requirement, WorkflowDefinition } from "./workflow.ts";

export interface Outline {
  graph: Graph;
  /** per task: edges on the longest way to it, from 0. A task of a cycle has -1 (documents with cycles are refused earlier) */
  stage: Int32Array;
  /** per task: seconds from the start until it has ended, with room for everything at once */
  endSeconds: Float64Array;
  /** tasks of the path that takes longest, in order */
  criticalPath: number[];
  criticalSeconds: number;
}

/** Tasks in an order in which every one comes after what it waits for. Sets count as ready when their last member was visited. */
function inOrder(graph: Graph, visit: (task: number) => void, onSet: (set: number) => void): void {
  const waiting = inDegrees(graph);
  const missing = Uint32Array.from(graph.setSize);
  const stack: number[] = [];
  const release = (task: number): void => {
    if (--waiting[task]! === 0) stack.push(task);
  };
  for (let task = graph.size - 1; task >= 0; task--) if (waiting[task] === 0) stack.push(task);
  while (stack.length > 0) {
    const task = stack.pop()!;
    visit(task);
    visitDependents(graph, task, release, (set) => {
      if (--missing[set]! > 0) return;
      onSet(set);
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) release(first + i);
    });
  }
}

/** `secondsOf` a task by its block; what is unknown counts 0. */
export function outlineOf(
  definition: WorkflowDefinition,
  secondsOf: (block: number) => number,
): Outline {
  const graph = buildGraph(definition);
  const { size } = graph;
  const sets = graph.setSize.length;
  const stage = new Int32Array(size).fill(-1);
  const beginSeconds = new Float64Array(size);
  const endSeconds = new Float64Array(size);
  const before = new Int32Array(size).fill(-1);
  const setStage = new Int32Array(sets).fill(-1);
  const setEnd = new Float64Array(sets);
  const setLast = new Int32Array(sets).fill(-1);
  /** `to` comes after `from` */
  const pass = (to: number, from: number, ended: number, fromStage: number): void => {
    // The first one counts too, so that a path of tasks without a known time is still a path.
    if (before[to] === -1 || ended > beginSeconds[to]!) {
      before[to] = from;
      beginSeconds[to] = Math.max(ended, beginSeconds[to]!);
    }
    if (fromStage + 1 > stage[to]!) stage[to] = fromStage + 1;
  };
  const block = (task: number): number => blockOf(graph.blockFirst, task);
  inOrder(
    graph,
    (task) => {
      if (stage[task] === -1) stage[task] = 0;
      const ended = (endSeconds[task] = beginSeconds[task]! + secondsOf(block(task)));
      visitDependents(
        graph,
        task,
        (to) => pass(to, task, ended, stage[task]!),
        (set) => {
          if (setLast[set] === -1 || ended > setEnd[set]!) setLast[set] = task;
          setEnd[set] = Math.max(setEnd[set]!, ended);
          setStage[set] = Math.max(setStage[set]!, stage[task]!);
        },
      );
    },
    (set) => {
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++)
          pass(first + i, setLast[set]!, setEnd[set]!, setStage[set]!);
    },
  );
  let last = -1;
  for (let task = 0; task < size; task++)
    if (
      last === -1 ||
      endSeconds[task]! > endSeconds[last]! ||
      (endSeconds[task] === endSeconds[last] && stage[task]! > stage[last]!)
    )
      last = task;
  const criticalPath: number[] = [];
  for (let task = last; task !== -1; task = before[task]!) criticalPath.push(task);
  criticalPath.reverse();
  return {
    graph,
    stage,
    endSeconds,
    criticalPath,
    criticalSeconds: last === -1 ? 0 : endSeconds[last]!,
  };
}

/** How many tasks are in each stage. */
export function stageWidths({ stage }: Outline): number[] {
  const widths: number[] = [];
  for (const at of stage) widths[at] = (widths[at] ?? 0) + 1;
  return widths;
}

/** What a worker offers; null = as much as anybody asks. */
export interface Shape {
  cpus: number;
  memoryBytes: number | null;
  gpus: number | null;
}

/**
 * Seconds until everything has ended on `workers` workers of one shape, when what has the longest way to the end starts first.
 * Null when a task fits on none. Takes time in the order of tasks × log tasks.
 */
export function makespan(
  definition: WorkflowDefinition,
  outline: Outline,
  secondsOf: (block: number) => number,
  workers: number,
  shape: Shape,
): number | null {
  const { graph } = outline;
  const { blocks } = definition;
  const block = (task: number): number => blockOf(graph.blockFirst, task);
  if (blocks.some(({ requirement }) => !fits(requirement, whole(shape)))) return null;
  const ahead = longestAhead(outline, secondsOf);
  const waiting = inDegrees(graph);
  const missing = Uint32Array.from(graph.setSize);
  const ready = new Heap((a, b) => ahead[b]! - ahead[a]! || a - b);
  const ending: { atSeconds: number; task: number; worker: number }[] = [];
  const ends = new Heap((a, b) => ending[a]!.atSeconds - ending[b]!.atSeconds || a - b);
  const free = Array.from({ length: workers }, () => whole(shape));
  for (let task = 0; task < graph.size; task++) if (waiting[task] === 0) ready.push(task);
  let now = 0;
  for (;;) {
    const passed: number[] = [];
    // One requirement that found no place finds none again before something ends.
    const hopeless = new Set<Requirement>();
    while (ready.size > 0 && hopeless.size < blocks.length) {
      const task = ready.pop();
      const need = blocks[block(task)]!.requirement;
      const worker = hopeless.has(need) ? -1 : free.findIndex((room) => fits(need, room));
      if (worker === -1) {
        hopeless.add(need);
        passed.push(task);
        if (passed.length >= MOST_PASSED) break;
        continue;
      }
      take(free[worker]!, need, 1);
      ends.push(ending.push({ atSeconds: now + secondsOf(block(task)), task, worker }) - 1);
    }
    for (const task of passed) ready.push(task);
    if (ends.size === 0) return now;
    const { atSeconds, task, worker } = ending[ends.pop()]!;
    now = atSeconds;
    take(free[worker]!, blocks[block(task)]!.requirement, -1);
    const release = (to: number): void => {
      if (--waiting[to]! === 0) ready.push(to);
    };
    visitDependents(graph, task, release, (set) => {
      if (--missing[set]! > 0) return;
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) release(first + i);
    });
  }
}

/** An estimate need not look through all that waits for one gap. */
const MOST_PASSED = 64;

/** Per task: seconds from its start to the end of the longest path behind it. */
function longestAhead(outline: Outline, secondsOf: (block: number) => number): Float64Array {
  const { graph, stage } = outline;
  const order = Array.from(stage.keys()).sort((a, b) => stage[b]! - stage[a]!);
  const ahead = new Float64Array(graph.size);
  const setAhead = new Float64Array(graph.setSize.length).fill(-1);
  for (const task of order) {
    let most = 0;
    visitDependents(
      graph,
      task,
      (to) => {
        most = Math.max(most, ahead[to]!);
      },
      (set) => {
        if (setAhead[set] === -1) {
          setAhead[set] = 0;
          for (const [first, count] of graph.setDependents[set]!)
            for (let i = 0; i < count; i++)
              setAhead[set] = Math.max(setAhead[set], ahead[first + i]!);
        }
        most = Math.max(most, setAhead[set]!);
      },
    );
    ahead[task] = most + secondsOf(blockOf(graph.blockFirst, task));
  }
  return ahead;
}

interface Room {
  cpus: number;
  memoryBytes: number;
  gpus: number;
}

function whole({ cpus, memoryBytes, gpus }: Shape): Room {
  return { cpus, memoryBytes: memoryBytes ?? Infinity, gpus: gpus ?? Infinity };
}

/** Sums of fractions are not exact. */
const SLACK = 1e-9;

function fits(need: Requirement, room: Room): boolean {
  return (
    need.cpus <= room.cpus + SLACK &&
    need.memoryBytes <= room.memoryBytes &&
    need.gpus <= room.gpus + SLACK
  );
}

function take(room: Room, need: Requirement, sign: 1 | -1): void {
  room.cpus -= sign * need.cpus;
  room.memoryBytes -= sign * need.memoryBytes;
  room.gpus -= sign * need.gpus;
}

class Heap {
  readonly #items: number[] = [];
  readonly #order: (a: number, b: number) => number;

  constructor(order: (a: number, b: number) => number) {
    this.#order = order;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (this.#order(items[at]!, items[up]!) >= 0) return;
      [items[at], items[up]] = [items[up]!, items[at]!];
      at = up;
    }
  }

  pop(): number {
    const items = this.#items;
    const top = items[0]!;
    const last = items.pop()!;
    if (items.length === 0) return top;
    items[0] = last;
    for (let at = 0; ;) {
      let least = at;
      for (const down of [2 * at + 1, 2 * at + 2])
        if (down < items.length && this.#order(items[down]!, items[least]!) < 0) least = down;
      if (least === at) return top;
      [items[at], items[least]] = [items[least]!, items[at]!];
      at = least;
    }
  }
}
