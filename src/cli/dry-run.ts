/** `run --dry-run`: what would run and why, and what is kept. Nothing is started, and nothing is written. */
import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openLedgerCopy } from "../ledger/sqlite/open-copy.ts";
import { LEDGER_FILE } from "../ledger/sqlite/open.ts";
import { definitionWithBodies } from "../server/definition.ts";
import { compareDefinitions, definitionDigest, eachTold } from "../server/identity.ts";
import type { RunRequest } from "./embedded-types.ts";
import type { Io } from "./io.ts";
import { printJson } from "./output/json.ts";
import { count, plural } from "./output/units.ts";
import { openReuseSource, type ReusedTask, reuseTasks } from "./reuse.ts";
import { allNew, decide, type Decisions, type Reason } from "./run-decisions.ts";
import { knownWorkflow, noWorkflow } from "./run-plan.ts";

/** Lines of each kind shown to people. */
const MOST_LINES = 1000;

interface DryRun {
  workflow: number | null;
  definition: WorkflowDefinition;
  decisions: Decisions;
  reused: ReadonlyMap<number, ReusedTask>;
  removed: number;
  /** nothing was known of the workflow */
  first: boolean;
}

/** Throws what the run itself would: not_found, conflict. */
export function showDryRun(request: RunRequest, io: Io, json: boolean): void {
  const dry = lookAhead(request);
  if (json) printJson(io, dryRunJson(dry));
  else io.stdout.write(dryRunText(dry));
}

function lookAhead(request: RunRequest): DryRun {
  const ledger = existsSync(join(request.stateDir, LEDGER_FILE))
    ? openLedgerCopy(request.stateDir)
    : null;
  try {
    const dry = lookInto(ledger, request);
    if (request.reuse === null || request.fresh) return dry;
    const source = openReuseSource(request.reuse, { ledger, dir: request.stateDir });
    try {
      const reused = reuseTasks(dry.decisions, source, dry.workflow, false);
      return { ...dry, reused: new Map(reused.map((each) => [each.task, each])) };
    } finally {
      source.close();
    }
  } finally {
    ledger?.close();
  }
}

function lookInto(ledger: Ledger | null, request: RunRequest): DryRun {
  const { what } = request;
  if (!ledger && what.kind === "workflow") throw noWorkflow(what.id, request.stateDir);
  const known = ledger ? knownWorkflow(ledger, request) : null;
  const nothing = { reused: new Map<number, ReusedTask>(), removed: 0, first: false };
  if (!ledger || !known || (request.fresh && what.kind === "definition")) {
    const { definition } = what as Extract<typeof what, { kind: "definition" }>;
    const decisions = allNew(definition);
    return { ...nothing, workflow: null, definition, decisions, first: true };
  }
  const before = definitionWithBodies(ledger, known.id);
  const definition = what.kind === "definition" ? what.definition : before;
  const same = what.kind === "workflow" || known.digest === definitionDigest(definition);
  const comparison = same ? null : compareDefinitions(before, definition);
  const decisions = decide(ledger, known, definition, comparison);
  const removed = comparison?.removed ?? 0;
  return { ...nothing, workflow: known.id, definition, decisions, removed };
}

type Action = "run" | "reuse" | "keep";

interface Decided {
  task: number;
  name: string;
  cwd: string;
  action: Action;
}

function decided({ definition, decisions, reused }: DryRun): Decided[] {
  const all: Decided[] = [];
  eachTold(
    definition,
    () => true,
    (task, tell) => {
      const { name, cwd } = tell();
      const action = reused.has(task) ? "reuse" : decisions.runs[task] === 1 ? "run" : "keep";
      all.push({ task, name, cwd, action });
    },
  );
  return all;
}

/** Its own reasons, and that it waits for something that runs. */
function reasonsOf({ decisions, first }: DryRun, task: number): readonly Reason[] {
  if (first) return [{ why: "new" }];
  const own = decisions.reasons.get(task) ?? [];
  const upstream = decisions.because[task]!;
  // What is reused does not run, and what waits for it may have to.
  if (upstream === -1 || own.some(({ why }) => why === "new")) return own;
  return [...own, { why: "depends_on", task: upstream }];
}

function fileName(file: string, cwd: string): string {
  return file.startsWith(`${cwd}/`) ? relative(cwd, file) : file;
}

function dryRunJson(dry: DryRun): object {
  const all = decided(dry);
  const amount = (action: Action): number => all.filter((each) => each.action === action).length;
  return {
    workflow_id: dry.workflow,
    name: dry.definition.name,
    tasks: all.length,
    run: amount("run"),
    reuse: amount("reuse"),
    keep: amount("keep"),
    removed: dry.removed,
    decisions: all.map(({ task, name, cwd, action }) => {
      if (action === "keep") return { task: name, action, why: [] };
      const why = reasonsOf(dry, task).map((reason) => ({
        reason: reason.why,
        ...("file" in reason ? { file: fileName(reason.file, cwd) } : {}),
        ...("task" in reason ? { task: all[reason.task]!.name } : {}),
      }));
      const { earlier } = dry.reused.get(task) ?? {};
      return {
        task: name,
        action,
        why,
        ...(earlier ? { from: { workflow_id: earlier.workflow, task: earlier.name } } : {}),
      };
    }),
  };
}

function dryRunText(dry: DryRun): string {
  const all = decided(dry);
  const of = Map.groupBy(all, ({ action }) => action);
  const amounts = [`${count(of.get("run")?.length ?? 0)} would run`];
  const [reuse, keep] = [of.get("reuse") ?? [], of.get("keep") ?? []];
  if (reuse.length > 0) amounts.push(`${count(reuse.length)} would be reused`);
  amounts.push(`${count(keep.length)} kept`);
  if (dry.removed > 0) amounts.push(`${count(dry.removed)} no longer there`);
  let text = `${dry.definition.name}: ${plural(all.length, "task")}: ${amounts.join(", ")}\n`;
  for (const action of ["run", "reuse", "keep"] as const) {
    const those = of.get(action) ?? [];
    for (const { task, name, cwd } of those.slice(0, MOST_LINES)) {
      const { earlier } = dry.reused.get(task) ?? {};
      const why = earlier
        ? `done by task ${earlier.name} of workflow ${earlier.workflow}`
        : action === "keep"
          ? ""
          : reasonsOf(dry, task)
              .map((reason) => reasonText(reason, cwd, (other) => all[other]!.name))
              .join(", ");
      text += `${action.padEnd(5)}  ${name}${why === "" ? "" : `  (${why})`}\n`;
    }
    if (those.length > MOST_LINES)
      text += `${action.padEnd(5)}  … and ${count(those.length - MOST_LINES)} more: --json has all\n`;
  }
  return text;
}

const TEXTS = {
  new: "new",
  command_changed: "command changed",
  env_changed: "env changed",
  directory_changed: "directory changed",
  declared_files_changed: "declared files changed",
  failed_before: "failed before",
  canceled_before: "was canceled",
  unfinished: "has not run to its end",
} as const;

function reasonText(reason: Reason, cwd: string, nameOf: (task: number) => string): string {
  if (reason.why === "depends_on") return `depends on ${nameOf(reason.task)}`;
  if (!("file" in reason)) return TEXTS[reason.why];
  const [role, how] = reason.why.split("_");
  return `${role} ${fileName(reason.file, cwd)} ${how === "missing" ? "is missing" : how}`;
}
