/**
 * Who waits for whom. Edges of single tasks are kept in compressed rows; dependencies between whole blocks
 * (sets, element-wise runs) cost one entry however many tasks they join.
 */
import type { Block, WorkflowDefinition } from "./workflow.ts";

export interface Graph {
  /** number of tasks */
  size: number;
  /** true when nothing depends on anything: a bag */
  empty: boolean;
  blocks: readonly Block[];
  blockFirst: Uint32Array;
  /** compressed rows over tasks; targets ≥ size name set `target - size` */
  edgeStart: Uint32Array;
  edgeTo: Uint32Array;
  /** per block: runs whose upstream range is the whole block, as offsets `dependent - upstream` */
  blockRuns: readonly (readonly number[])[];
  /** per block: sets of which every task of the block is a member */
  blockSets: readonly (readonly number[])[];
  /** members of each set */
  setSize: Uint32Array;
  /** tasks that wait for each set, as ranges */
  setDependents: readonly (readonly (readonly [first: number, count: number])[])[];
}

/** The block that owns a task. */
export function blockOf(firsts: Uint32Array, task: number): number {
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (firsts[middle]! <= task) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function buildGraph(definition: WorkflowDefinition): Graph {
  const { blocks, edges, runs, sets, taskCount: size } = definition;
  const blockFirst = Uint32Array.from(blocks, (block) => block.first);
  const blockRuns: number[][] = blocks.map(() => []);
  const blockSets: number[][] = blocks.map(() => []);
  const isWholeBlock = (first: number, count: number): number => {
    if (count < 2) return -1;
    const index = blockOf(blockFirst, first);
    const block = blocks[index]!;
    return block.first === first && block.count === count ? index : -1;
  };

  // What is not a whole block becomes single edges; count first, then fill.
  const singles: ((visit: (from: number, to: number) => void) => void)[] = [];
  singles.push((visit) => {
    for (let i = 0; i < edges.length; i += 2) visit(edges[i]!, edges[i + 1]!);
  });
  for (const run of runs) {
    const block = isWholeBlock(run.upstream, run.count);
    if (block >= 0) blockRuns[block]!.push(run.dependent - run.upstream);
    else
      singles.push((visit) => {
        for (let i = 0; i < run.count; i++) visit(run.upstream + i, run.dependent + i);
      });
  }
  const setSize = new Uint32Array(sets.length);
  sets.forEach((set, index) => {
    for (const [first, count] of set.members) {
      setSize[index]! += count;
      let at = first;
      const end = first + count;
      // A range may span several whole blocks.
      while (at < end) {
        const blockIndex = blockOf(blockFirst, at);
        const block = blocks[blockIndex]!;
        const upTo = Math.min(end, block.first + block.count);
        if (isWholeBlock(at, upTo - at) >= 0) blockSets[blockIndex]!.push(index);
        else {
          const from = at;
          singles.push((visit) => {
            for (let task = from; task < upTo; task++) visit(task, size + index);
          });
        }
        at = upTo;
      }
    }
  });

  const edgeStart = new Uint32Array(size + 1);
  let total = 0;
  for (const each of singles)
    each((from) => {
      edgeStart[from + 1]!++;
      total++;
    });
  for (let i = 0; i < size; i++) edgeStart[i + 1]! += edgeStart[i]!;
  const edgeTo = new Uint32Array(total);
  if (total > 0) {
    const at = edgeStart.slice(0, size);
    for (const each of singles)
      each((from, to) => {
        edgeTo[at[from]!++] = to;
      });
  }
  const empty = total === 0 && runs.length === 0 && sets.length === 0;
  return {
    size,
    empty,
    blocks,
    blockFirst,
    edgeStart: total === 0 ? new Uint32Array(0) : edgeStart,
    edgeTo,
    blockRuns,
    blockSets,
    setSize,
    setDependents: sets.map((set) => set.dependents),
  };
}

/**
 * Calls `toTask` for every task that directly waits for `task`, and `toSet` for every set it is a member of.
 */
export function visitDependents(
  graph: Graph,
  task: number,
  toTask: (dependent: number) => void,
  toSet: (set: number) => void,
): void {
  if (graph.edgeTo.length > 0) {
    for (let i = graph.edgeStart[task]!, end = graph.edgeStart[task + 1]!; i < end; i++) {
      const to = graph.edgeTo[i]!;
      if (to < graph.size) toTask(to);
      else toSet(to - graph.size);
    }
  }
  const block = blockOf(graph.blockFirst, task);
  for (const offset of graph.blockRuns[block]!) toTask(task + offset);
  for (const set of graph.blockSets[block]!) toSet(set);
}

/** How many things each task waits for: upstream tasks and sets. */
export function inDegrees(graph: Graph): Int32Array {
  const waiting = new Int32Array(graph.size);
  for (const to of graph.edgeTo) if (to < graph.size) waiting[to]!++;
  graph.blocks.forEach((block, index) => {
    for (const offset of graph.blockRuns[index]!)
      for (let i = 0; i < block.count; i++) waiting[block.first + offset + i]!++;
  });
  graph.setDependents.forEach((ranges, set) => {
    if (graph.setSize[set] === 0) return; // nobody would ever end its waiting
    for (const [first, count] of ranges) for (let i = 0; i < count; i++) waiting[first + i]!++;
  });
  return waiting;
}

/** Everything downstream of `tasks`, the tasks themselves included, in ascending order. */
export function downstream(graph: Graph, tasks: Iterable<number>): number[] {
  const seen = new Uint8Array(graph.size);
  const seenSets = new Uint8Array(graph.setSize.length);
  const stack: number[] = [];
  const reach = (task: number): void => {
    if (seen[task]) return;
    seen[task] = 1;
    stack.push(task);
  };
  for (const task of tasks) reach(task);
  while (stack.length > 0) {
    visitDependents(graph, stack.pop()!, reach, (set) => {
      if (seenSets[set]) return;
      seenSets[set] = 1;
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) reach(first + i);
    });
  }
  const all: number[] = [];
  for (let task = 0; task < seen.length; task++) if (seen[task]) all.push(task);
  return all;
}
