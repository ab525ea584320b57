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
