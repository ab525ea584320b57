/** Opens the ledger's side of a run: a new workflow, or the same one again with what has to be done once more. */
import { HoldallError } from "../core/error.ts";
import { CANCELED, FAILED, SUCCEEDED } from "../core/states.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { LedgerRecord, WorkflowOptions, WorkflowRow } from "../ledger/ledger.ts";
import { definitionWithBodies } from "../server/definition.ts";
import type { Engine } from "../server/engine.ts";
import { compareDefinitions, definitionDigest, type Comparison } from "../server/identity.ts";
import { createStamper, isUnchanged } from "../worker/files.ts";
import type { RunPlan, RunRequest } from "./embedded-types.ts";
import { refuseHeld } from "./held-elsewhere.ts";

export interface OpenedRun {
  row: WorkflowRow;
  plan: RunPlan | null;
}

export function openRun(engine: Engine, request: RunRequest): OpenedRun {
  const { ledger } = engine;
  const options: WorkflowOptions = {
    stdout: request.stdout,
    stderr: request.stderr,
    outputDir: request.outputDir,
  };
  const { what } = request;
  if (what.kind === "workflow") {
    const known = ledger.workflow(what.id);
    if (!known)
      throw new HoldallError(
        "not_found",
        `there is no workflow ${what.id} in ${request.stateDir}`,
        {
          fix: "see `holdall status --all` for what is there",
        },
      );
    refuseHeld(ledger, known);
    ledger.updateOptions(known.id, options);
    return again(engine, known, null);
  }
  const { definition } = what;
  const digest = definitionDigest(definition);
  const known = what.adHoc
    ? undefined
    : ledger.workflows().find((row) => row.name === definition.name);
  if (!known) return { row: engine.submit(definition, digest, options), plan: null };
  if (!request.fresh) refuseOtherSource(known, definition, request.stateDir);
  refuseHeld(ledger, known);
  if (request.fresh) {
    ledger.deleteWorkflow(known.id);
    engine.spill.forget(known.id);
    return { row: engine.submit(definition, digest, options), plan: null };
  }
  let comparison: Comparison | null = null;
  if (known.digest !== digest) {
    const before = definitionWithBodies(ledger, known.id);
    comparison = compareDefinitions(before, definition);
    const others: LedgerRecord[] = sameActions(before, definition)
      ? []
      : [{ kind: "actions_forgotten", workflow: known.id }];
    ledger.replaceDefinition(known.id, definition, digest, comparison.mapping, others);
  }
  ledger.updateOptions(known.id, options);
  return again(engine, known, comparison);
}

/** Whether what was done of the actions counts for those of now. Which tasks they are about may change with the tasks. */
function sameActions(before: WorkflowDefinition, now: WorkflowDefinition): boolean {
  const said = ({ actions = [] }: WorkflowDefinition): string =>
    JSON.stringify(actions.map(({ trigger, what, persistent }) => [trigger, what, persistent]));
  return said(before) === said(now);
}

function refuseOtherSource(
  known: WorkflowRow,
  definition: WorkflowDefinition,
  stateDir: string,
): void {
  if (known.source === null || known.source === definition.source) return;
  throw new HoldallError(
    "conflict",
    `${stateDir} already holds a workflow named '${known.name}', from another file: ${known.source}`,
    { fix: "choose another name with --name, or start anew with --fresh" },
  );
}

/** Takes up a workflow that ran before: what succeeded and is unchanged is kept. */
function again(engine: Engine, known: WorkflowRow, comparison: Comparison | null): OpenedRun {
  const row = engine.load(known.id, true);
  const tasks = engine.tasks(known.id)!;
  const before = tasks.state.slice();
  const seeds = new Set<number>(comparison?.changed);
  for (const task of comparison?.added ?? []) seeds.add(task);
  for (const task of changedFiles(engine, known.id, before)) seeds.add(task);
  for (let task = 0; task < before.length; task++)
    if (before[task] === FAILED || before[task] === CANCELED) seeds.add(task);
  if (seeds.size > 0)
    engine.event({ type: "retry", workflow: known.id, tasks: [...seeds], rebuild: true });
  const added = comparison?.added.length ?? 0;
  const plan: RunPlan = {
    kept: 0,
    changed: 0,
    added,
    again: 0,
    removed: comparison?.removed ?? 0,
  };
  const changed = new Set(comparison?.changed);
  for (let task = 0; task < before.length; task++) {
    if (tasks.state[task] === SUCCEEDED) plan.kept++;
    else if (before[task] === SUCCEEDED || changed.has(task)) plan.changed++;
    else plan.again++;
  }
  plan.again -= added;
  return { row, plan };
}

/** Succeeded tasks whose declared inputs or outputs are not what they were. */
function changedFiles(engine: Engine, workflow: number, states: Uint8Array): Set<number> {
  const stamper = createStamper();
  const changed = new Set<number>();
  for (const [task, stamp] of engine.ledger.files(workflow))
    if (states[task] === SUCCEEDED && !changed.has(task) && !isUnchanged(stamp, stamper))
      changed.add(task);
  return changed;
}
