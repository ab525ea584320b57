/** A workflow written out task by task, for `plan` and `graph`. */
import { commandText } from "../../core/command-text.ts";
import { HoldallError } from "../../core/error.ts";
import { renderTemplate } from "../../core/template.ts";
import type {
  Block,
  ParameterTable,
  Requirement,
  TextTemplate,
  WorkflowDefinition,
} from "../../core/workflow.ts";
import { blockOf } from "../../server/names.ts";

/** `plan --json` has these fields. */
export interface PlannedTask {
  name: string;
  command: string;
  depends_on: string[];
  inputs: string[];
  outputs: string[];
  resources: PlannedResources;
}

export interface PlannedResources {
  cpus: number;
  memory_bytes: number;
  disk_bytes: number;
  gpus: number;
  nodes: number;
  /** null = unknown */
  runtime_seconds: number | null;
  [custom: string]: number | null;
}

/** Names in `depends_on`, over all tasks: more is no text that anybody reads. */
const MOST_DEPENDENCIES = 5_000_000;
const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "zip" };

/** Tasks in order, up to `limit`; those that they depend on are named, also beyond it. Throws usage when it is too much. */
export function expandTasks(definition: WorkflowDefinition, limit: number): PlannedTask[] {
  const upstream = upstreamOf(definition, limit);
  const tasks: PlannedTask[] = [];
  for (const block of definition.blocks) {
    const resources = resourcesOf(block.requirement);
    for (let index = 0; index < block.count && tasks.length < limit; index++) {
      const { body, table } = bodyOf(block, index);
      const text = (template: TextTemplate): string => renderTemplate(template, table, index);
      tasks.push({
        name: text(body.name),
        command: commandText(body.command, table, index),
        depends_on: (upstream.get(block.first + index) ?? []).map((task) =>
          nameOf(definition, task),
        ),
        inputs: (body.inputs ?? []).map(text),
        outputs: (body.outputs ?? []).map(text),
        resources,
      });
    }
  }
  return tasks;
}

export function nameOf(definition: WorkflowDefinition, task: number): string {
  const block = blockOf(definition.blocks, task);
  const { body, table } = bodyOf(block, task - block.first);
  return renderTemplate(body.name, table, task - block.first);
}

/** An array by its title, as written in the document. */
export function titleOf(block: Block): string {
  if (block.kind === "array") return block.title;
  const first = bodyOf(block, 0).body.name as string;
  return block.count === 1 ? first : `${first}, …`;
}

function bodyOf(
  block: Block,
  index: number,
): { body: Extract<Block, { kind: "array" }>["body"]; table: ParameterTable } {
  if (block.kind === "array") return { body: block.body, table: block.parameters };
  const body = block.bodies?.[index];
  if (body === undefined) throw new HoldallError("internal", "the bodies are in the ledger");
  return { body, table: NO_PARAMETERS };
}

function resourcesOf(need: Requirement): PlannedResources {
  return {
    cpus: need.cpus,
    memory_bytes: need.memoryBytes,
    disk_bytes: need.diskBytes,
    gpus: need.gpus,
    nodes: need.nodes,
    runtime_seconds: need.runtimeSeconds,
    ...need.custom,
  };
}

/** What each of the first `limit` tasks waits for, in order, once each. */
function upstreamOf(definition: WorkflowDefinition, limit: number): Map<number, number[]> {
  const { edges, runs, sets } = definition;
  const found = new Map<number, Set<number>>();
  let count = 0;
  const add = (upstream: number, dependent: number): void => {
    if (dependent >= limit) return;
    let list = found.get(dependent);
    if (!list) found.set(dependent, (list = new Set()));
    if (list.has(upstream)) return;
    list.add(upstream);
    if (++count > MOST_DEPENDENCIES)
      throw new HoldallError(
        "usage",
        `written out, the tasks have more than ${MOST_DEPENDENCIES} dependencies`,
        {
          fix: "look at the stages without --json, at `holdall graph`, or at fewer tasks with --limit",
        },
      );
  };
  for (let i = 0; i < edges.length; i += 2) add(edges[i]!, edges[i + 1]!);
  for (const run of runs)
    for (let i = 0; i < run.count; i++) add(run.upstream + i, run.dependent + i);
  for (const set of sets)
    for (const [from, dependents] of set.dependents)
      for (let to = from; to < Math.min(from + dependents, limit); to++)
        for (const [first, members] of set.members)
          for (let i = 0; i < members; i++) add(first + i, to);
  return new Map(
    [...found].map(([task, list]) => [task, [...list].sort((a, b) => a - b)] as const),
  );
}
