/** What `holdall graph` draws: tasks or whole arrays, and who waits for whom, in no particular format. */
import { HoldallError } from "../../core/error.ts";
import { outlineOf } from "../../core/outline.ts";
import type { Block, WorkflowDefinition } from "../../core/workflow.ts";
import { nameOf, titleOf } from "../plan/expand.ts";
import { count as countText } from "../output/units.ts";

export interface DrawnNode {
  /** n0, n1, …: safe in every format */
  id: string;
  /** the name as written; empty for the point that edges between whole groups go through */
  label: string;
  kind: "task" | "array" | "point";
  /** tasks that it stands for; of a point, 0 */
  tasks: number;
  /** columns from the left; several may be empty */
  layer: number;
}

export interface DrawnEdge {
  from: number;
  to: number;
  /** element by element between two arrays */
  each: boolean;
}

export interface Drawing {
  title: string;
  nodes: readonly DrawnNode[];
  edges: readonly DrawnEdge[];
}

/** More are no picture that anybody reads. */
export const MOST_NODES = 2_000;
const MOST_EDGES = 50_000;

/** Throws usage when it would be too much to look at. */
export function drawingOf(definition: WorkflowDefinition, expand: boolean): Drawing {
  const { taskCount, blocks } = definition;
  if (expand && taskCount > MOST_NODES)
    throw new HoldallError(
      "usage",
      `${countText(taskCount)} tasks are not drawn one by one: the limit is ${countText(MOST_NODES)}`,
      { fix: "leave --expand: arrays are then one node each" },
    );
  const { stage } = outlineOf(definition, () => 0);
  let groups = groupsOf(blocks, expand, null);
  if (groups.length > MOST_NODES) groups = groupsOf(blocks, false, stage);
  if (groups.length > MOST_NODES)
    throw new HoldallError(
      "usage",
      `that would be ${countText(groups.length)} nodes: the limit is ${countText(MOST_NODES)}`,
      { fix: "`holdall plan` shows the stages; write tasks that are alike as one array" },
    );
  const nodes = groups.map((group, at): DrawnNode => {
    const { first, tasks } = group;
    let layer = 0;
    eachTask(group, (task) => {
      layer = Math.max(layer, 2 * stage[task]!);
    });
    const block = blocks[group.block]!;
    const array = tasks > 1;
    const label =
      array && block.kind === "array"
        ? titleOf(block)
        : `${nameOf(definition, first)}${array ? ", …" : ""}`;
    return { id: `n${at}`, label, kind: array ? "array" : "task", tasks, layer };
  });
  const nodeOf = new Int32Array(taskCount);
  groups.forEach((group, at) => {
    eachTask(group, (task) => {
      nodeOf[task] = at;
    });
  });
  /** the first task after `task` that may be of another node: arrays of millions are passed in one step */
  const next = (task: number): number => {
    const { first, tasks, members } = groups[nodeOf[task]!]!;
    return members === null ? first + tasks : task + 1;
  };
  const edges = edgesOf(definition, nodes, nodeOf, next);
  return { title: definition.name, nodes, edges };
}

/** Tasks that are one node: all of a block, one of it, or those of an explicit block in one stage. */
interface Group {
  block: number;
  first: number;
  tasks: number;
  /** null: they follow each other */
  members: readonly number[] | null;
}

function eachTask({ first, tasks, members }: Group, visit: (task: number) => void): void {
  if (members !== null) for (const task of members) visit(task);
  else for (let task = first; task < first + tasks; task++) visit(task);
}

/** `stage`: tasks that were written one by one and stand in one stage are drawn together. */
function groupsOf(blocks: readonly Block[], expand: boolean, stage: Int32Array | null): Group[] {
  const groups: Group[] = [];
  blocks.forEach((block, at) => {
    const { first, count } = block;
    if (block.kind === "array" && !expand) {
      groups.push({ block: at, first, tasks: count, members: null });
    } else if (stage === null) {
      for (let i = 0; i < count; i++)
        groups.push({ block: at, first: first + i, tasks: 1, members: null });
    } else {
      const inStage = new Map<number, number[]>();
      for (let task = first; task < first + count; task++) {
        const members = inStage.get(stage[task]!);
        if (members) members.push(task);
        else inStage.set(stage[task]!, [task]);
      }
      for (const members of inStage.values())
        groups.push({ block: at, first: members[0]!, tasks: members.length, members });
    }
  });
  return groups;
}

/** Each pair once. A dependency between groups of several nodes goes through one point, which is added to `nodes`. */
function edgesOf(
  { edges, runs, sets }: WorkflowDefinition,
  nodes: DrawnNode[],
  nodeOf: Int32Array,
  next: (task: number) => number,
): DrawnEdge[] {
  const found = new Map<number, DrawnEdge>();
  /** more nodes than there can be, so that pairs are numbers */
  const width = nodes.length + sets.length;
  const add = (from: number, to: number, each: boolean): void => {
    const key = from * width + to;
    const before = found.get(key);
    if (before !== undefined) before.each &&= each;
    else found.set(key, { from, to, each });
    if (found.size > MOST_EDGES)
      throw new HoldallError(
        "usage",
        `more than ${countText(MOST_EDGES)} dependencies are not drawn`,
        { fix: "leave --expand, or look at the stages: `holdall plan`" },
      );
  };
  for (let i = 0; i < edges.length; i += 2) add(nodeOf[edges[i]!]!, nodeOf[edges[i + 1]!]!, false);
  for (const run of runs)
    for (let i = 0; i < run.count;) {
      const [a, b] = [run.upstream + i, run.dependent + i];
      const [from, to] = [nodeOf[a]!, nodeOf[b]!];
      add(from, to, nodes[from]!.kind === "array" && nodes[to]!.kind === "array");
      i += Math.min(next(a) - a, next(b) - b);
    }
  const drawn = new Map<string, number>();
  for (const set of sets) {
    const members = nodesIn(set.members, nodeOf, next);
    const dependents = nodesIn(set.dependents, nodeOf, next);
    if (members.length === 1 || dependents.length === 1) {
      for (const from of members) for (const to of dependents) add(from, to, false);
      continue;
    }
    const key = `${members.join(",")}>${dependents.join(",")}`;
    if (drawn.has(key)) continue;
    const layer = Math.min(...dependents.map((to) => nodes[to]!.layer)) - 1;
    const id = `g${drawn.size}`;
    const point = nodes.push({ id, label: "", kind: "point", tasks: 0, layer }) - 1;
    drawn.set(key, point);
    for (const from of members) add(from, point, false);
    for (const to of dependents) add(point, to, false);
  }
  return [...found.values()];
}

function nodesIn(
  ranges: readonly (readonly [first: number, count: number])[],
  nodeOf: Int32Array,
  next: (task: number) => number,
): number[] {
  const found = new Set<number>();
  for (const [first, count] of ranges)
    for (let task = first; task < first + count; task = next(task)) found.add(nodeOf[task]!);
  return [...found];
}

/** "sim_{i} × 100": what a node says. */
export function caption({ label, kind, tasks }: DrawnNode): string {
  return kind === "array" ? `${label} × ${countText(tasks)}` : label;
}
