import { appendDefinition } from "../core/append.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** A stored definition with the bodies of its explicit tasks, which the ledger keeps apart. */
export function definitionWithBodies(ledger: Ledger, workflow: number): WorkflowDefinition {
  const definition = ledger.definition(workflow);
  return {
    ...definition,
    blocks: definition.blocks.map((block) => {
      if (block.kind === "array") return block;
      const numbers = Array.from({ length: block.count }, (_, i) => block.first + i);
      return { ...block, bodies: ledger.bodies(workflow, numbers) };
    }),
  };
}

/** What the core keeps: explicit tasks without their bodies. */
export function withoutBodies(definition: WorkflowDefinition): WorkflowDefinition["blocks"] {
  return definition.blocks.map((block) =>
    block.kind === "explicit" ? { ...block, bodies: null } : block,
  );
}

/** A stored definition with `more` behind it, and which of its tasks (by number) were there before: for `replaceDefinition`. */
export function withMore(
  ledger: Ledger,
  workflow: number,
  more: WorkflowDefinition,
  after: readonly number[],
): { definition: WorkflowDefinition; mapping: Int32Array } {
  const before = definitionWithBodies(ledger, workflow);
  const definition = appendDefinition(before, more, after);
  const mapping = Int32Array.from({ length: definition.taskCount }, (_, task) =>
    task < before.taskCount ? task : -1,
  );
  return { definition, mapping };
}
