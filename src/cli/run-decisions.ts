/** What a run has to do of a workflow, and why: decided before anything is stored or started. */
import { buildGraph, type Graph, visitDependents } from "../core/graph.ts";
import { CANCELED, FAILED, SUCCEEDED } from "../core/states.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { FileStamp, Ledger, LedgerRecord, WorkflowRow } from "../ledger/ledger.ts";
import { definitionWithBodies } from "../server/definition.ts";
import { type Comparison, toldOf } from "../server/identity.ts";
import { restoreWorkflow } from "../server/restore.ts";
import { changeOf, createStamper } from "../worker/files.ts";

export type Reason =
  | {
      why:
        | "new"
        | "command_changed"
        | "env_changed"
        | "directory_changed"
        | "declared_files_changed"
        | "failed_before"
        | "canceled_before"
        | "unfinished";
    }
  | { why: "input_changed" | "input_missing" | "output_changed" | "output_missing"; file: string }
  | { why: "depends_on"; task: number };

export interface FileChanges {
  reasons: Map<number, Reason[]>;
  /** of tasks whose files were touched and have the content they had: how they look now */
  touched: LedgerRecord[];
}

/** Of succeeded tasks, by their numbers in the ledger: those whose declared files are not what they were. */
export function fileChanges(
  ledger: Ledger,
  workflow: number,
  states: ArrayLike<number>,
): FileChanges {
  const stamper = createStamper();
  const reasons = new Map<number, Reason[]>();
  const touched: LedgerRecord[] = [];
  let current = -1;
  let files: FileStamp[] = [];
  let isTouched = false;
  const close = (): void => {
    if (isTouched && !reasons.has(current))
      touched.push({ kind: "files", workflow, task: current, files });
    files = [];
    isTouched = false;
  };
  for (const [task, stamp] of ledger.files(workflow)) {
    if (states[task] !== SUCCEEDED) continue;
    if (task !== current) close();
    current = task;
    const change = changeOf(stamp, stamper);
    isTouched ||= change.kind === "touched";
    files.push(change.kind === "touched" ? change.now : stamp);
    if (change.kind === "same" || change.kind === "touched") continue;
    const reason = { why: `${stamp.role}_${change.kind}`, file: stamp.path } as const;
    const known = reasons.get(task);
    if (known) known.push(reason);
    else reasons.set(task, [reason]);
  }
  close();
  return { reasons, touched };
}

export interface Decisions {
  definition: WorkflowDefinition;
  graph: Graph;
  /** per task: 1 = it has to run */
  runs: Uint8Array;
  /** per task: its last attempt so far */
  attempts: ArrayLike<number>;
  /** of tasks that have reasons of their own; a workflow without history has none */
  reasons: ReadonlyMap<number, readonly Reason[]>;
  /** per task: another one that runs, before it; -1 = none */
  because: Int32Array;
}

/** A workflow of which nothing is known. */
export function allNew(definition: WorkflowDefinition): Decisions {
  const { taskCount } = definition;
  return {
    definition,
    graph: buildGraph(definition),
    runs: new Uint8Array(taskCount).fill(1),
    attempts: new Uint16Array(taskCount),
    reasons: new Map(),
    because: new Int32Array(taskCount).fill(-1),
  };
}

/**
 * Of a workflow in the ledger. `definition` (with bodies) is what it is to become; with `comparison` the ledger still has the
 * definition from before.
 */
export function decide(
  ledger: Ledger,
  row: WorkflowRow,
  definition: WorkflowDefinition,
  comparison: Comparison | null,
): Decisions {
  const { restored } = restoreWorkflow(ledger, row, ledger.definition(row.id).blocks, true);
  const found = fileChanges(ledger, row.id, restored.states).reasons;
  const { taskCount } = definition;
  const reasons = new Map<number, Reason[]>();
  const attempts = new Uint16Array(taskCount);
  const runs = new Uint8Array(taskCount);
  const changed = new Map<number, Reason[]>();
  if (comparison && comparison.changed.length > 0) {
    const before = definitionWithBodies(ledger, row.id);
    for (const task of comparison.changed)
      changed.set(task, differences(before, comparison.mapping[task]!, definition, task));
  }
  for (let task = 0; task < taskCount; task++) {
    const old = comparison ? comparison.mapping[task]! : task;
    const own: Reason[] = [];
    if (old === -1) own.push({ why: "new" });
    else {
      attempts[task] = restored.attempts[old]!;
      own.push(...(changed.get(task) ?? []), ...(found.get(old) ?? []));
      const state = restored.states[old]!;
      if (state === FAILED) own.push({ why: "failed_before" });
      else if (state === CANCELED) own.push({ why: "canceled_before" });
      else if (state !== SUCCEEDED) runs[task] = 1;
    }
    if (own.length === 0) continue;
    reasons.set(task, own);
    runs[task] = 1;
  }
  const graph = buildGraph(definition);
  const because = spread(graph, runs);
  // Whoever never ran waits for nobody who does: it was interrupted.
  for (let task = 0; task < taskCount; task++)
    if (runs[task] === 1 && because[task] === -1 && !reasons.has(task))
      reasons.set(task, [{ why: "unfinished" }]);
  return { definition, graph, runs, attempts, reasons, because };
}

/** Everything downstream of what runs, runs. Answers, per task, one that it waits for. */
function spread(graph: Graph, runs: Uint8Array): Int32Array {
  const because = new Int32Array(graph.size).fill(-1);
  const seenSets = new Uint8Array(graph.setSize.length);
  const stack: number[] = [];
  for (let task = 0; task < graph.size; task++) if (runs[task] === 1) stack.push(task);
  while (stack.length > 0) {
    const from = stack.pop()!;
    const reach = (task: number): void => {
      if (because[task] === -1) because[task] = from;
      if (runs[task] === 1) return;
      runs[task] = 1;
      stack.push(task);
    };
    visitDependents(graph, from, reach, (set) => {
      if (seenSets[set] === 1) return;
      seenSets[set] = 1;
      for (const [first, count] of graph.setDependents[set]!)
        for (let i = 0; i < count; i++) reach(first + i);
    });
  }
  return because;
}

function differences(
  before: WorkflowDefinition,
  old: number,
  after: WorkflowDefinition,
  task: number,
): Reason[] {
  const [a, b] = [toldOf(before, old), toldOf(after, task)];
  const differ = (...values: readonly [unknown, unknown]): boolean =>
    JSON.stringify(values[0]) !== JSON.stringify(values[1]);
  const reasons: Reason[] = [];
  if (a.command !== b.command || a.kind !== b.kind) reasons.push({ why: "command_changed" });
  if (differ(a.env, b.env)) reasons.push({ why: "env_changed" });
  if (a.cwd !== b.cwd) reasons.push({ why: "directory_changed" });
  if (differ(a.inputs, b.inputs) || differ(a.outputs, b.outputs))
    reasons.push({ why: "declared_files_changed" });
  return reasons;
}
