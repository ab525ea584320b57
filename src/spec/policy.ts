/** What is equal for all tasks of an entry: what they need, where and how often they run. */
import path from "node:path";
import { parseDuration } from "../core/units.ts";
import {
  type BlockPolicy,
  DEFAULT_REQUIREMENT,
  type ParameterTable,
  type Requirement,
} from "../core/workflow.ts";
import type { CategoryUse } from "./categories.ts";
import type { Path, SpecMap } from "./document.ts";
import { type FaultContext, MAX_RETRIES, readFaults } from "./faults.ts";
import { keyOf, misspelled, TASK_KEYS } from "./fields.ts";
import { readPlacement } from "./placement.ts";
import { readTaskRequirement } from "./requirements.ts";
import { nameFix, readBoolean, readChoice, readNumber, readText, readUnit } from "./values.ts";

export interface PolicyContext extends FaultContext {
  readonly cwd: string;
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly schedulers: ReadonlySet<string>;
  /** filled while tasks are read */
  readonly categories: CategoryUse;
}

/** `title`: the task's name as written, or undefined when that is a mistake. */
export function readPolicy(
  context: PolicyContext,
  task: SpecMap,
  at: Path,
  table: ParameterTable | null,
  title: string | undefined,
): BlockPolicy {
  if (table === null && saysNothing(task)) {
    context.categories.names.add("default");
    return PLAIN_POLICY;
  }
  const has = (key: string): boolean => Object.hasOwn(task, key);
  const policy: BlockPolicy = {
    requirement: readTaskRequirement(context, task, at, context.requirements),
    category: readCategory(context, task, at, table === null ? "default" : title),
    retries: readRetries(context, task, at),
    timeoutSeconds: readTimeout(context, task, at),
    onUpstreamFailure: readOnUpstreamFailure(context, task, at),
    priority: 0,
    cwd: null,
    scheduler: readScheduler(context, task, at),
  };
  if (has("priority")) {
    const limits = { min: -1_000_000, max: 1_000_000 };
    policy.priority = readNumber(context, task["priority"]!, [...at, "priority"], limits) ?? 0;
  }
  if (has("cwd")) {
    const cwd = readText(context, task["cwd"]!, [...at, "cwd"]);
    if (cwd !== undefined)
      policy.cwd = path.resolve(context.cwd, cwd.replaceAll("${spec_dir}", context.specDir));
  }
  // left out where they say nothing: many tasks with a policy of their own are stored and compared
  const faults = readFaults(context, task, at, table);
  if (faults) policy.faults = faults;
  const placement = readPlacement(context, task, at);
  if (placement) policy.placement = placement;
  if (has("idempotent") && readBoolean(context, task["idempotent"]!, [...at, "idempotent"]))
    policy.idempotent = true;
  return policy;
}

/** Keys of a task that say nothing of its policy. */
const WITHOUT_POLICY: ReadonlySet<string> = new Set([
  "name",
  "command",
  "inputs",
  "outputs",
  "input_files",
  "output_files",
  "depends_on",
  "env",
  "shell",
  "stage",
]);

/** Most of many tasks say nothing: they share one object, which is compared at once. */
const PLAIN_POLICY: BlockPolicy = Object.freeze({
  requirement: DEFAULT_REQUIREMENT,
  category: "default",
  retries: 0,
  timeoutSeconds: null,
  onUpstreamFailure: "skip",
  priority: 0,
  cwd: null,
  scheduler: null,
});

function saysNothing(task: SpecMap): boolean {
  for (const key in task) if (!WITHOUT_POLICY.has(key)) return false;
  return true;
}

function readCategory(
  context: PolicyContext,
  task: SpecMap,
  at: Path,
  otherwise: string | undefined,
): string {
  const given = Object.hasOwn(task, "category");
  const name = given ? readText(context, task["category"]!, [...at, "category"]) : otherwise;
  if (name === undefined || (!given && misspelled(task, TASK_KEYS, "category")))
    context.categories.complete = false;
  else context.categories.names.add(name);
  return name ?? "";
}

function readRetries(context: PolicyContext, task: SpecMap, at: Path): number {
  const key = keyOf(task, "retries", "max_retries");
  if (key === undefined) return 0;
  const limits = { min: 0, max: MAX_RETRIES };
  const number = readNumber(context, task[key]!, [...at, key], limits) ?? 0;
  // Torc counts attempts
  return key === "retries" ? number : Math.max(0, number - 1);
}

function readTimeout(context: PolicyContext, task: SpecMap, at: Path): number | null {
  if (!Object.hasOwn(task, "timeout")) return null;
  const where = [...at, "timeout"];
  const seconds = readUnit(context, task["timeout"]!, where, parseDuration);
  if (seconds === 0) {
    const message = "a timeout of 0 ends every attempt at once";
    context.mistakes.add(where, message, "give it some time, or remove it");
  }
  return seconds ?? null;
}

function readOnUpstreamFailure(context: PolicyContext, task: SpecMap, at: Path): "skip" | "run" {
  const key = keyOf(task, "on_upstream_failure", "cancel_on_blocking_job_failure");
  if (key === undefined) return "skip";
  const where = [...at, key];
  if (key === "on_upstream_failure")
    return readChoice(context, task[key]!, where, ["skip", "run"]) ?? "skip";
  return readBoolean(context, task[key]!, where) === false ? "run" : "skip";
}

function readScheduler(context: PolicyContext, task: SpecMap, at: Path): string | null {
  const key = keyOf(task, "scheduler", "slurm_scheduler");
  if (key === undefined) return null;
  const name = readText(context, task[key]!, [...at, key]);
  if (name !== undefined && !context.schedulers.has(name)) {
    const fix = nameFix(name, context.schedulers, "add it to slurm_schedulers");
    context.mistakes.add([...at, key], `no scheduler is called '${name}'`, fix);
  }
  return name ?? null;
}
