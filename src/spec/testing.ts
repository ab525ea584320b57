/** Helpers of this room's tests. */
import { HoldallError } from "../core/error.ts";
import { renderTemplate } from "../core/template.ts";
import type { Block, TaskBody, TextTemplate, WorkflowDefinition } from "../core/workflow.ts";
import { checkInputs } from "./check-inputs.ts";
import { loadSpec } from "./load.ts";

export const CWD = "/nowhere";

export function load(text: string | Uint8Array, file = "w.yaml"): WorkflowDefinition {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return loadSpec(file, { cwd: CWD, read: () => bytes });
}

/** Every mistake as "line:column message [fix]". Fails when there is none. */
export function mistakesOf(
  text: string | Uint8Array,
  check: "inputs" | "none" = "none",
  file = "w.yaml",
): string[] {
  try {
    const definition = load(text, file);
    if (check === "inputs") checkInputs(definition);
  } catch (error) {
    if (!(error instanceof HoldallError) || error.code !== "spec") throw error;
    return [error, ...error.others].map(
      ({ place, message, fix }) =>
        `${place?.file === file ? "" : "?"}${place?.line}:${place?.column} ${message} [${fix}]`,
    );
  }
  throw new Error("the document was accepted");
}

/** A document with these tasks, which start on line 3. */
export function tasks(...lines: readonly string[]): string {
  return `name: w\ntasks:\n${lines.join("\n")}\n`;
}

/** One task called x on lines 3 and 4; more keys from line 5. */
export function oneTask(...lines: readonly string[]): string {
  return tasks("  - name: x", "    command: e", ...lines.map((line) => `    ${line}`));
}

/** The block of `oneTask`. */
export function blockOf(text: string): Block {
  const [block] = load(text).blocks;
  if (!block) throw new Error("no block");
  return block;
}

/** What a workflow says, without where it is said. */
export function meaning(text: string, file: string): Omit<WorkflowDefinition, "source"> {
  const { source: _source, ...rest } = load(text, file);
  return rest;
}

/** Every edge of a small workflow as "upstream → dependent". */
export function edgesOf(definition: WorkflowDefinition): string[] {
  const found = new Set<string>();
  const add = (upstream: number, dependent: number): unknown =>
    found.add(`${taskName(definition, upstream)} → ${taskName(definition, dependent)}`);
  const { edges, runs, sets } = definition;
  for (let i = 0; i < edges.length; i += 2) add(edges[i]!, edges[i + 1]!);
  for (const run of runs)
    for (let k = 0; k < run.count; k++) add(run.upstream + k, run.dependent + k);
  for (const { members, dependents } of sets) {
    for (const [first, count] of members) {
      for (let member = first; member < first + count; member++)
        for (const [from, many] of dependents) for (let k = 0; k < many; k++) add(member, from + k);
    }
  }
  return [...found].toSorted();
}

/** Names of all tasks, in order. */
export function namesOf(definition: WorkflowDefinition): string[] {
  return Array.from({ length: definition.taskCount }, (_, task) => taskName(definition, task));
}

function taskName(definition: WorkflowDefinition, task: number): string {
  return textOf(definition, task, (body) => body.name);
}

/** One text of one task. */
export function textOf(
  definition: WorkflowDefinition,
  task: number,
  pick: (body: TaskBody) => TextTemplate,
): string {
  const block = definition.blocks.find(({ first, count }) => task < first + count)!;
  if (block.kind === "array")
    return renderTemplate(pick(block.body), block.parameters, task - block.first);
  return pick(block.bodies![task - block.first]!) as string;
}
