/** Opens the ledger's side of a run: a new workflow, or the same one again with what has to be done once more. */
import { HoldallError } from "../core/error.ts";
import { SUCCEEDED } from "../core/states.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger, LedgerRecord, WorkflowOptions, WorkflowRow } from "../ledger/ledger.ts";
import { definitionWithBodies } from "../server/definition.ts";
import type { Engine } from "../server/engine.ts";
import { compareDefinitions, definitionDigest, type Comparison } from "../server/identity.ts";
import type { RunPlan, RunRequest } from "./embedded-types.ts";
import { refuseHeld } from "./held-elsewhere.ts";
import { openReuseSource, reuseRecords, reuseTasks } from "./reuse.ts";
import { allNew, decide, type Decisions, fileChanges } from "./run-decisions.ts";

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
  const { what, reuse } = request;
  const known = knownWorkflow(ledger, request);
  if (known) refuseHeld(ledger, known);
  if (what.kind === "workflow") {
    ledger.updateOptions(known!.id, options);
    const before = reuse === null ? null : definitionWithBodies(ledger, known!.id);
    return again(engine, known!, null, before && decide(ledger, known!, before, null), request);
  }
  const { definition } = what;
  const digest = definitionDigest(definition);
  if (known && request.fresh) {
    ledger.deleteWorkflow(known.id);
    engine.spill.forget(known.id);
  }
  if (!known || request.fresh) {
    return reuse === null || request.fresh
      ? { row: engine.submit(definition, digest, options), plan: null }
      : firstWithReuse(engine, definition, digest, options, request);
  }
  let comparison: Comparison | null = null;
  let decisions: Decisions | null = null;
  if (known.digest === digest) {
    if (reuse !== null) decisions = decide(ledger, known, definition, null);
  } else {
    const before = definitionWithBodies(ledger, known.id);
    comparison = compareDefinitions(before, definition);
    // The ledger's tasks still have the numbers they had.
    if (reuse !== null) decisions = decide(ledger, known, definition, comparison);
    const others: LedgerRecord[] = sameActions(before, definition)
      ? []
      : [{ kind: "actions_forgotten", workflow: known.id }];
    ledger.replaceDefinition(known.id, definition, digest, comparison.mapping, others);
  }
  ledger.updateOptions(known.id, options);
  return again(engine, known, comparison, decisions, request);
}

/** What the ledger knows of what is to run. Throws not_found, and conflict when a name belongs to another document. */
export function knownWorkflow(ledger: Ledger, request: RunRequest): WorkflowRow | null {
  const { what, stateDir } = request;
  if (what.kind === "workflow") {
    const known = ledger.workflow(what.id);
    if (!known) throw noWorkflow(what.id, stateDir);
    return known;
  }
  if (what.adHoc) return null;
  const { definition } = what;
  const known = ledger.workflows().find((row) => row.name === definition.name) ?? null;
  if (known && !request.fresh) refuseOtherSource(known, definition, stateDir);
  return known;
}

export function noWorkflow(id: number, stateDir: string): HoldallError {
  return new HoldallError("not_found", `there is no workflow ${id} in ${stateDir}`, {
    fix: "see `holdall status --all` for what is there",
  });
}

/** Results of others are in the ledger before the workflow is taken up, as if it had made them itself. */
function firstWithReuse(
  engine: Engine,
  definition: WorkflowDefinition,
  digest: string,
  options: WorkflowOptions,
  request: RunRequest,
): OpenedRun {
  const { ledger } = engine;
  const source = openReuseSource(request.reuse!, { ledger, dir: request.stateDir });
  try {
    const decisions = allNew(definition);
    const tasks = reuseTasks(decisions, source, null, true);
    if (tasks.length === 0) return { row: engine.submit(definition, digest, options), plan: null };
    const { id } = ledger.insertWorkflow(definition, digest, options, Date.now());
    ledger.commit(reuseRecords(tasks, decisions, id, source));
    const added = definition.taskCount - tasks.length;
    const plan = { ...NOTHING, added, reused: tasks.length };
    return { row: engine.load(id, true), plan };
  } finally {
    source.close();
  }
}

const NOTHING: RunPlan = { kept: 0, changed: 0, added: 0, again: 0, removed: 0 };

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
function again(
  engine: Engine,
  known: WorkflowRow,
  comparison: Comparison | null,
  decisions: Decisions | null,
  request: RunRequest,
): OpenedRun {
  const reused = decisions
    ? takeFromOthers(engine.ledger, known.id, decisions, request)
    : new Set<number>();
  const row = engine.load(known.id, true);
  const tasks = engine.tasks(known.id)!;
  const before = tasks.state.slice();
  const seeds = new Set<number>(comparison?.changed);
  for (const task of comparison?.added ?? []) seeds.add(task);
  const { reasons, touched } = fileChanges(engine.ledger, known.id, before);
  // Else they would be read again each time.
  if (touched.length > 0) engine.ledger.commit(touched);
  for (const task of reasons.keys()) seeds.add(task);
  // What waits for one that has not ended runs after it, also where it was done before it had to wait.
  for (let task = 0; task < before.length; task++)
    if (before[task] !== SUCCEEDED || decisions?.runs[task] === 1) seeds.add(task);
  for (const task of reused) seeds.delete(task);
  if (seeds.size > 0)
    engine.event({ type: "retry", workflow: known.id, tasks: [...seeds], rebuild: true });
  const added = comparison?.added.filter((task) => !reused.has(task)).length ?? 0;
  const plan: RunPlan = { ...NOTHING, added, removed: comparison?.removed ?? 0 };
  if (reused.size > 0) plan.reused = reused.size;
  const changed = new Set(comparison?.changed);
  for (let task = 0; task < before.length; task++) {
    if (reused.has(task)) continue;
    if (tasks.state[task] === SUCCEEDED) plan.kept++;
    else if (before[task] === SUCCEEDED || changed.has(task)) plan.changed++;
    else plan.again++;
  }
  plan.again -= added;
  return { row, plan };
}

/** Takes what others have done already; answers which tasks. */
function takeFromOthers(
  ledger: Ledger,
  workflow: number,
  decisions: Decisions,
  request: RunRequest,
): Set<number> {
  const source = openReuseSource(request.reuse!, { ledger, dir: request.stateDir });
  try {
    const tasks = reuseTasks(decisions, source, workflow, true);
    ledger.commit(reuseRecords(tasks, decisions, workflow, source));
    return new Set(tasks.map(({ task }) => task));
  } finally {
    source.close();
  }
}
