/** Bags that benchmarks submit: tasks that say what they run, and run nothing. */
import type { WorkflowDefinition } from "../core/workflow.ts";
import { adhocWorkflow } from "../spec/index.ts";

/** array: one task array. edges: each task of its second half waits for one of the first. explicit: every task written out. */
export const BAG_SHAPES = ["array", "edges", "explicit"] as const;
export type BagShape = (typeof BAG_SHAPES)[number];

export function bag(shape: BagShape, tasks: number, cwd: string): WorkflowDefinition {
  const plain = adhocWorkflow({ command: ["/bin/true"], cwd, array: `1-${tasks}` });
  const [block] = plain.blocks;
  if (shape === "array" || block?.kind !== "array") return plain;
  if (shape === "edges") {
    const count = Math.floor(tasks / 2);
    return { ...plain, runs: [{ upstream: 0, dependent: tasks - count, count }] };
  }
  const { parameters: _, body: __, title: ___, ...policy } = block;
  const command = { kind: "argv", argv: ["/bin/true"] } as const;
  const bodies = Array.from({ length: tasks }, (_body, i) => ({ name: `task_${i}`, command }));
  return { ...plain, blocks: [{ ...policy, kind: "explicit", bodies }] };
}
