import { blockOf } from "./graph.ts";
import type { Tasks } from "./tasks.ts";
import type { Block } from "./workflow.ts";

/** The block that a task belongs to, with all that is equal for its tasks. */
export function policyOf(tasks: Tasks, task: number): Block {
  return tasks.definition.blocks[blockOf(tasks.graph.blockFirst, task)]!;
}
