/** Small workflows for tests of the core, and what their edges mean when written out one by one. */
import * as fc from "fast-check";
import type { Capacity } from "../events.ts";
import type { ArrayBlock, WorkflowDefinition } from "../workflow.ts";
import { DEFAULT_REQUIREMENT } from "../workflow.ts";

export const CAPACITY: Capacity = {
  cpus: 4,
  memoryBytes: 2 ** 32,
  diskBytes: 2 ** 32,
  gpus: 0,
  maxParallel: null,
  timeLimitSeconds: null,
  scheduler: null,
};

/** A block of `count` equal tasks; `first` is set by `workflowOf`. */
export function block(count: number, change: Partial<ArrayBlock> = {}): ArrayBlock {
  return {
    kind: "array",
    first: 0,
    count,
    title: "t_{i}",
    parameters: { names: ["i"], values: [{ from: 0, step: 1, count, decimals: 0 }], mode: "zip" },
    body: { name: ["t_", { p: 0 }], command: { kind: "argv", argv: ["true"] } },
    requirement: DEFAULT_REQUIREMENT,
    category: "c",
    retries: 0,
    timeoutSeconds: null,
    onUpstreamFailure: "skip",
    priority: 0,
    cwd: null,
    scheduler: null,
    ...change,
  };
}

export function workflowOf(
  blocks: readonly ArrayBlock[],
  change: Partial<WorkflowDefinition> = {},
): WorkflowDefinition {
  let first = 0;
  const placed = blocks.map((each) => {
    const at = first;
    first += each.count;
    return { ...each, first: at };
  });
  return {
    name: "w",
    source: null,
    specDir: "/",
    cwd: "/",
    blocks: placed,
    edges: [],
    runs: [],
    sets: [],
    taskCount: first,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
    ...change,
  };
}

/** Per task everything it directly waits for, one entry per edge: sets and runs written out. */
export function upstreamOf(definition: WorkflowDefinition): number[][] {
  const upstream: number[][] = Array.from({ length: definition.taskCount }, () => []);
  for (let i = 0; i < definition.edges.length; i += 2)
    upstream[definition.edges[i + 1]!]!.push(definition.edges[i]!);
  for (const run of definition.runs)
    for (let i = 0; i < run.count; i++) upstream[run.dependent + i]!.push(run.upstream + i);
  for (const set of definition.sets) {
    const members = set.members.flatMap(numbers);
    for (const dependent of set.dependents.flatMap(numbers)) upstream[dependent]!.push(...members);
  }
  return upstream;
}

function numbers([first, count]: readonly [number, number]): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Any workflow whose edges lead from lower to higher tasks; blocks may be empty, ranges may cut through blocks. */
export const anyWorkflow: fc.Arbitrary<WorkflowDefinition> = fc
  .array(
    fc.record({
      count: fc.integer({ min: 0, max: 6 }),
      onUpstreamFailure: fc.constantFrom("skip" as const, "run" as const),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((given) => workflowOf(given.map(({ count, ...rest }) => block(count, rest))))
  .filter((definition) => definition.taskCount >= 2)
  .chain((definition) => {
    const size = definition.taskCount;
    const task = fc.integer({ min: 0, max: size - 1 });
    const pair = fc
      .tuple(task, task)
      .filter(([a, b]) => a !== b)
      .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const run = pair.chain(([upstream, dependent]) =>
      fc
        .integer({ min: 1, max: Math.min(dependent - upstream, size - dependent) })
        .map((count) => ({ upstream, dependent, count })),
    );
    const wholeRuns = fc.constantFrom(...definition.blocks).map((each) => {
      const dependent = each.first + each.count;
      const count = dependent + each.count <= size ? each.count : 0;
      return { upstream: each.first, dependent, count };
    });
    // Members lie below the cut, dependents above it.
    const set = fc.integer({ min: 1, max: size - 1 }).chain((cut) =>
      fc.record({
        members: fc.array(rangeIn(0, cut), { maxLength: 3 }),
        dependents: fc.array(rangeIn(cut, size), { minLength: 1, maxLength: 2 }),
      }),
    );
    return fc
      .record({
        edges: fc.array(pair, { maxLength: 12 }),
        runs: fc.array(fc.oneof(run, wholeRuns), { maxLength: 3 }),
        sets: fc.array(set, { maxLength: 3 }),
      })
      .map(({ edges, runs, sets }) => ({
        ...definition,
        edges: edges.flat(),
        runs: runs.filter(({ count }) => count > 0),
        sets,
      }));
  });

/** A range within [low, high), often all of it. */
function rangeIn(low: number, high: number): fc.Arbitrary<readonly [number, number]> {
  const any = fc
    .integer({ min: low, max: high - 1 })
    .chain((first) =>
      fc.integer({ min: 1, max: high - first }).map((count) => [first, count] as const),
    );
  return fc.oneof(any, fc.constant([low, high - low] as const));
}
