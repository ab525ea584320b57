import { SQLiteError } from "bun:sqlite";
import { HoldallError } from "../../core/error.ts";
import type { Block, TaskBody, TextTemplate, WorkflowDefinition } from "../../core/workflow.ts";
import type { WorkflowOptions, WorkflowRow } from "../ledger.ts";
import { packIntegers, unpackIntegers } from "./numbers.ts";
import type { Statements, Value } from "./statements.ts";

/** All of these run inside the caller's transaction. */

export function insertWorkflow(
  statements: Statements,
  definition: WorkflowDefinition,
  digest: string,
  options: WorkflowOptions,
  nowMs: number,
): WorkflowRow {
  const { name, source, taskCount } = definition;
  const firstTaskId = allocateTaskIds(statements, taskCount);
  const id = statements.row(
    "insert_workflow",
    name,
    source,
    digest,
    firstTaskId,
    taskCount,
    nowMs,
    JSON.stringify(options),
  )![0] as number;
  insertDefinition(statements, id, definition);
  return {
    id,
    name,
    source,
    digest,
    firstTaskId,
    taskCount,
    submittedMs: nowMs,
    endedMs: null,
    options,
  };
}

export function allocateTaskIds(statements: Statements, count: number): number {
  const first = nextTaskId(statements);
  statements.run("set_meta", "next_task_id", first + count);
  return first;
}

export function nextTaskId(statements: Statements): number {
  return statements.row("get_meta", "next_task_id")![0] as number;
}

export function insertDefinition(
  statements: Statements,
  workflow: number,
  definition: WorkflowDefinition,
): void {
  const { blocks, edges, ...body } = definition;
  checkBlocks(definition);
  statements.run("insert_definition", workflow, JSON.stringify(body), packIntegers(edges));
  for (const [index, block] of blocks.entries()) {
    const { kind, first, count, ...rest } = block;
    const stored = kind === "explicit" ? { ...rest, bodies: null } : rest;
    statements.run("insert_block", workflow, index, kind, first, count, JSON.stringify(stored));
    if (block.kind === "explicit") insertBodies(statements, workflow, first, block.bodies!);
  }
}

export function deleteDefinition(statements: Statements, workflow: number): void {
  for (const table of ["bodies", "blocks", "definition"]) {
    statements.run(`delete_${table}`, workflow);
  }
}

export function deleteWorkflow(statements: Statements, workflow: number): void {
  for (const table of [
    "actions",
    "claim_starts",
    "claims",
    "results",
    "attempts",
    "outputs",
    "canceled",
    "assignments",
    "files",
  ]) {
    statements.run(`delete_${table}`, workflow);
  }
  deleteDefinition(statements, workflow);
  statements.run("delete_workflow", workflow);
}

/** Blocks cover the tasks from 0 to the last one without gaps. */
function checkBlocks({ blocks, taskCount }: WorkflowDefinition): void {
  let next = 0;
  for (const block of blocks) {
    const bodies = block.kind === "explicit" ? (block.bodies?.length ?? -1) : block.count;
    if (block.first !== next || bodies !== block.count) {
      throw new HoldallError(
        "internal",
        `a block of ${block.count} tasks from ${block.first} does not fit`,
      );
    }
    next += block.count;
  }
  if (next !== taskCount) {
    throw new HoldallError("internal", `the blocks hold ${next} of ${taskCount} tasks`);
  }
}

function insertBodies(
  statements: Statements,
  workflow: number,
  first: number,
  bodies: readonly TaskBody[],
): void {
  const insert = statements("insert_body");
  let task = first;
  for (const { name, ...rest } of bodies) {
    const text = literalName(name);
    try {
      insert.run(workflow, task++, text, JSON.stringify(rest));
    } catch (error) {
      if (!(error instanceof SQLiteError) || error.code !== "SQLITE_CONSTRAINT_UNIQUE") throw error;
      throw new HoldallError("spec", `two tasks are called "${text}"`, {
        fix: "give each task a name of its own",
        cause: error,
      });
    }
  }
}

/** Explicit tasks have no parameters that their names could refer to. */
function literalName(name: TextTemplate): string {
  if (typeof name === "string") return name;
  return name
    .map((part) => {
      if (typeof part === "string") return part;
      throw new HoldallError("internal", "the name of an explicit task refers to a parameter");
    })
    .join("");
}

export function readDefinition(statements: Statements, workflow: number): WorkflowDefinition {
  const row = statements.row("get_definition", workflow);
  if (row === null) throw noWorkflow(workflow);
  const blocks = statements
    .rows("get_blocks", workflow)
    .map(
      ([kind, first, count, body]) =>
        ({ kind, first, count, ...(JSON.parse(body as string) as object) }) as Block,
    );
  return {
    ...(JSON.parse(row[0] as string) as Omit<WorkflowDefinition, "blocks" | "edges">),
    blocks,
    edges: Array.from(unpackIntegers(row[1] as Uint8Array)),
  };
}

export function readBodies(
  statements: Statements,
  workflow: number,
  tasks: readonly number[],
): TaskBody[] {
  return tasks.map((task) => {
    const row = statements.row("get_body", workflow, task);
    if (row === null) {
      throw new HoldallError("not_found", `workflow ${workflow} has no explicit task ${task}`);
    }
    const rest = JSON.parse(row[1] as string) as Omit<TaskBody, "name">;
    return { name: row[0] as string, ...rest };
  });
}

export function workflowRow(columns: Value[]): WorkflowRow {
  const [id, name, source, digest, firstTaskId, taskCount, submittedMs, endedMs, options] = columns;
  return {
    id: id as number,
    name: name as string,
    source: source as string | null,
    digest: digest as string,
    firstTaskId: firstTaskId as number,
    taskCount: taskCount as number,
    submittedMs: submittedMs as number,
    endedMs: endedMs as number | null,
    options: JSON.parse(options as string) as WorkflowOptions,
  };
}

export function noWorkflow(workflow: number): HoldallError {
  return new HoldallError("not_found", `there is no workflow ${workflow}`, {
    fix: "holdall status --all lists the workflows of this state directory",
  });
}
