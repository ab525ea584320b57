/** Edges as they are found, kept small: single ones, element-wise runs and sets, each once. */
import type { DependencySet, WorkflowDefinition } from "../core/workflow.ts";

type Range = readonly [first: number, count: number];

export interface EdgeSet {
  pair(upstream: number, dependent: number): void;
  /** upstream+k → dependent+k */
  run(upstream: number, dependent: number, count: number): void;
  /** all of `members` before `dependents`; sets with the same members become one */
  set(members: readonly Range[], dependents: Range): void;
  /** upstream of each dependent in order, null where there is none; found to be runs, sets or single edges */
  list(upstreams: Iterable<number | null>, dependent: number): void;
  result(): Pick<WorkflowDefinition, "edges" | "runs" | "sets">;
}

export function edgeSet(): EdgeSet {
  const edges: number[] = [];
  const runs = new Map<string, { upstream: number; dependent: number; count: number }>();
  const sets = new Map<string, { members: readonly Range[]; dependents: [number, number][] }>();
  // dependents are visited in order, so remembering the latest one's upstreams is enough to see repetition
  let latest = -1;
  let ofLatest = new Set<number>();

  const pair = (upstream: number, dependent: number): void => {
    if (dependent !== latest) {
      latest = dependent;
      if (ofLatest.size > 0) ofLatest = new Set();
    }
    if (ofLatest.has(upstream)) return;
    ofLatest.add(upstream);
    edges.push(upstream, dependent);
  };
  const run = (upstream: number, dependent: number, count: number): void => {
    if (count === 1) pair(upstream, dependent);
    else runs.set(`${upstream} ${dependent} ${count}`, { upstream, dependent, count });
  };
  const set = (members: readonly Range[], [first, count]: Range): void => {
    if (count === 1 && members.length === 1 && members[0]![1] === 1) {
      pair(members[0]![0], first);
      return;
    }
    const key = members.join(" ");
    const known = sets.get(key);
    const last = known?.dependents.at(-1);
    if (!known || !last) sets.set(key, { members, dependents: [[first, count]] });
    else if (first > last[0] + last[1]) known.dependents.push([first, count]);
    else if (first >= last[0]) last[1] = Math.max(last[1], first + count - last[0]);
    else known.dependents.push([first, count]);
  };
  return {
    pair,
    run,
    set,
    list(upstreams, dependent) {
      let at = dependent;
      let start = dependent;
      let from: number | null = null;
      let step: 0 | 1 | null = null;
      const flush = (): void => {
        if (from === null) return;
        if (step === 0) set([[from, 1]], [start, at - start]);
        else run(from, start, at - start);
      };
      for (const upstream of upstreams) {
        const length = at - start;
        const goesOn =
          from !== null &&
          upstream !== null &&
          (length === 1
            ? upstream === from || upstream === from + 1
            : upstream === (step === 0 ? from : from + length));
        if (goesOn && length === 1) step = upstream === from ? 0 : 1;
        if (!goesOn) {
          flush();
          from = upstream;
          start = at;
          step = null;
        }
        at += 1;
      }
      flush();
    },
    result() {
      const all: DependencySet[] = [...sets.values()];
      return { edges, runs: [...runs.values()], sets: all };
    },
  };
}
