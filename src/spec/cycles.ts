/** Finds tasks that wait for each other. */
import type { WorkflowDefinition } from "../core/workflow.ts";

type Graph = Pick<WorkflowDefinition, "edges" | "runs" | "sets" | "taskCount">;

/** Tasks of one cycle, each waiting for the next and the last for the first; null when there is none. */
export function findCycle(graph: Graph): number[] | null {
  return goesForward(graph) ? null : searchCycle(graph);
}

/** Documents are mostly written in the order they run: then there is nothing to search. */
function goesForward({ edges, runs, sets }: Graph): boolean {
  for (let i = 0; i < edges.length; i += 2) if (edges[i]! >= edges[i + 1]!) return false;
  if (runs.some((run) => run.upstream >= run.dependent)) return false;
  return sets.every((set) => {
    const last = Math.max(...set.members.map(([first, count]) => first + count - 1));
    return set.dependents.every(([first]) => first > last);
  });
}

function searchCycle(graph: Graph): number[] | null {
  // a set is a node between its members and its dependents
  const nodes = graph.taskCount + graph.sets.length;
  const eachEdge = (visit: (upstream: number, dependent: number) => void): void => {
    for (let i = 0; i < graph.edges.length; i += 2) visit(graph.edges[i]!, graph.edges[i + 1]!);
    for (const run of graph.runs) {
      for (let k = 0; k < run.count; k++) visit(run.upstream + k, run.dependent + k);
    }
    for (const [s, set] of graph.sets.entries()) {
      const node = graph.taskCount + s;
      for (const [first, count] of set.members)
        for (let k = 0; k < count; k++) visit(first + k, node);
      for (const [first, count] of set.dependents)
        for (let k = 0; k < count; k++) visit(node, first + k);
    }
  };
  const waits = new Int32Array(nodes);
  const start = new Int32Array(nodes + 1);
  eachEdge((upstream, dependent) => {
    waits[dependent]! += 1;
    start[upstream + 1]! += 1;
  });
  for (let i = 0; i < nodes; i++) start[i + 1]! += start[i]!;
  const fill = start.slice();
  const targets = new Int32Array(start[nodes]!);
  eachEdge((upstream, dependent) => {
    targets[fill[upstream]!] = dependent;
    fill[upstream]! += 1;
  });
  const free = new Int32Array(nodes);
  let end = 0;
  for (let node = 0; node < nodes; node++) if (waits[node] === 0) free[end++] = node;
  for (let at = 0; at < end; at++) {
    const node = free[at]!;
    for (let e = start[node]!; e < start[node + 1]!; e++) {
      const target = targets[e]!;
      if ((waits[target]! -= 1) === 0) free[end++] = target;
    }
  }
  if (end === nodes) return null;
  // what is left waits for something that is left: following that ends in a circle
  const waitsFor = new Int32Array(nodes).fill(-1);
  eachEdge((upstream, dependent) => {
    if (waits[upstream]! > 0 && waits[dependent]! > 0) waitsFor[dependent] = upstream;
  });
  let node = waits.findIndex((count) => count > 0);
  const seen = new Map<number, number>();
  const trail: number[] = [];
  while (!seen.has(node)) {
    seen.set(node, trail.length);
    trail.push(node);
    node = waitsFor[node]!;
  }
  const cycle = trail.slice(seen.get(node)).filter((each) => each < graph.taskCount);
  // begin with the first one in the document
  const first = cycle.indexOf(Math.min(...cycle));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}
