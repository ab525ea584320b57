import { HoldallError } from "../../core/error.ts";
import type { WorkflowDefinition } from "../../core/workflow.ts";
import type { WorkflowRow } from "../ledger.ts";
import { packIntegers, unpackIntegers } from "./numbers.ts";
import type { Statements } from "./statements.ts";
import {
  allocateTaskIds,
  deleteDefinition,
  insertDefinition,
  nextTaskId,
  noWorkflow,
  workflowRow,
} from "./write-workflows.ts";

/** Far below every task number, so that tasks on their way never meet one in its place. */
const LIFT = 2 ** 40;
const PAGE_ROWS = 1000;

/** Inside the caller's transaction. `mapping[new task]` = old task or -1. */
export function replaceDefinition(
  statements: Statements,
  workflow: number,
  definition: WorkflowDefinition,
  digest: string,
  mapping: Int32Array,
): WorkflowRow {
  const columns = statements.row("get_workflow", workflow);
  if (columns === null) throw noWorkflow(workflow);
  const old = workflowRow(columns);
  if (mapping.length !== definition.taskCount) {
    throw new HoldallError("internal", `${mapping.length} tasks mapped of ${definition.taskCount}`);
  }
  moveHistory(statements, workflow, invert(mapping, old.taskCount));
  deleteDefinition(statements, workflow);
  insertDefinition(statements, workflow, definition);
  const { name, source, taskCount } = definition;
  const firstTaskId = taskIds(statements, old, taskCount);
  statements.run("update_workflow", workflow, name, source, digest, firstTaskId, taskCount);
  return { ...old, name, source, digest, firstTaskId, taskCount };
}

/** `[old task]` = new task or -1. */
function invert(mapping: Int32Array, oldCount: number): Int32Array {
  const inverse = new Int32Array(oldCount).fill(-1);
  for (const [task, old] of mapping.entries()) {
    if (old === -1) continue;
    if (inverse[old] !== -1) {
      throw new HoldallError("internal", `task ${old} of ${oldCount} cannot become task ${task}`);
    }
    inverse[old] = task;
  }
  return inverse;
}

/** Ids stay while the tasks fit into them or the workflow is the newest; else it gets new ones. */
function taskIds(statements: Statements, old: WorkflowRow, taskCount: number): number {
  const added = taskCount - old.taskCount;
  if (added <= 0) return old.firstTaskId;
  if (old.firstTaskId + old.taskCount !== nextTaskId(statements)) {
    return allocateTaskIds(statements, taskCount);
  }
  allocateTaskIds(statements, added);
  return old.firstTaskId;
}

function moveHistory(statements: Statements, workflow: number, newOf: Int32Array): void {
  // Tasks dropped by earlier replacements lie from -1 down; these go below them.
  const lowest = Math.min(0, (statements.row("lowest_task", workflow)?.[0] as number | null) ?? 0);
  function target(old: number): number {
    if (old < 0) return old;
    const task = newOf[old] ?? -1;
    return task === -1 ? lowest - 1 - old : task;
  }

  statements.run("create_moves");
  const insert = statements("insert_move");
  let moves = 0;
  for (let old = 0; old < newOf.length; old++) {
    if (newOf[old] === old) continue;
    insert.run(old, target(old));
    moves++;
  }
  if (moves > 0) {
    for (const table of ["results", "attempts", "outputs", "files", "canceled"]) {
      statements.run(`lift_${table}`, workflow, LIFT);
      statements.run(`land_${table}`, workflow, LIFT);
    }
    statements.run("drop_dropped_files", workflow);
    statements.run("drop_dropped_canceled", workflow);
    moveAssignments(statements, workflow, target);
  }
  statements.run("drop_moves");
}

function moveAssignments(
  statements: Statements,
  workflow: number,
  target: (old: number) => number,
): void {
  let after = 0;
  for (;;) {
    const page = statements.rows("assignments_page", workflow, after, PAGE_ROWS);
    for (const [id, , tasks] of page) {
      const moved = unpackIntegers(tasks as Uint8Array).map(target);
      statements.run("update_assignment", id!, packIntegers(moved));
      after = id as number;
    }
    if (page.length < PAGE_ROWS) return;
  }
}
