/** Tasks added to a workflow that exists: their numbers begin behind the last one there is. */
import type { Block, DependencySet, WorkflowDefinition } from "./workflow.ts";

/**
 * `more` behind `base`. Tasks of `more` that wait for nothing in it wait for the tasks `after` of `base`; the name and the
 * settings stay those of `base`, categories and schedulers are joined (base's win).
 */
export function appendDefinition(
  base: WorkflowDefinition,
  more: WorkflowDefinition,
  after: readonly number[],
): WorkflowDefinition {
  const offset = base.taskCount;
  const shift = ([first, count]: readonly [number, number]): readonly [number, number] => [
    first + offset,
    count,
  ];
  const blocks = more.blocks.map((block): Block => ({
    ...block,
    first: block.first + offset,
    cwd: block.cwd ?? more.cwd,
  }));
  const sets: DependencySet[] = more.sets.map(({ members, dependents }) => ({
    members: members.map(shift),
    dependents: dependents.map(shift),
  }));
  const known = new Set(base.schedulers.map(({ name }) => name));
  const heads = after.length > 0 ? rangesOf(firstTasks(more)).map(shift) : [];
  if (heads.length > 0)
    sets.push({ members: rangesOf([...after].sort((a, b) => a - b)), dependents: heads });
  return {
    ...base,
    blocks: [...base.blocks, ...blocks],
    edges: [...base.edges, ...more.edges.map((task) => task + offset)],
    runs: [
      ...base.runs,
      ...more.runs.map(({ upstream, dependent, count }) => ({
        upstream: upstream + offset,
        dependent: dependent + offset,
        count,
      })),
    ],
    sets: [...base.sets, ...sets],
    taskCount: offset + more.taskCount,
    schedulers: [...base.schedulers, ...more.schedulers.filter(({ name }) => !known.has(name))],
    ...(base.categories || more.categories
      ? { categories: { ...more.categories, ...base.categories } }
      : {}),
  };
}

/** Tasks that wait for nothing, in ascending order. */
function firstTasks(definition: WorkflowDefinition): number[] {
  const waits = new Uint8Array(definition.taskCount);
  for (let i = 1; i < definition.edges.length; i += 2) waits[definition.edges[i]!] = 1;
  for (const { dependent, count } of definition.runs) waits.fill(1, dependent, dependent + count);
  for (const { dependents } of definition.sets)
    for (const [first, count] of dependents) waits.fill(1, first, first + count);
  const first: number[] = [];
  for (let task = 0; task < waits.length; task++) if (waits[task] === 0) first.push(task);
  return first;
}

function rangesOf(tasks: readonly number[]): [first: number, count: number][] {
  const ranges: [number, number][] = [];
  for (const task of tasks) {
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === task) last[1]++;
    else if (!last || task >= last[0] + last[1]) ranges.push([task, 1]);
  }
  return ranges;
}
