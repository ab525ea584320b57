/** `actions`: what happens beside the tasks, when the workflow, some tasks or a worker start or end. */
import { type Trigger, TRIGGERS, type WorkflowAction } from "../core/workflow.ts";
import { isList, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { ACTION_KEYS, checkKeys, keyOf, misspelled } from "./fields.ts";
import { arrayRanges } from "./edges.ts";
import { nameMatcher } from "./group-edges.ts";
import type { Mistakes } from "./mistakes.ts";
import type { NameIndex } from "./name-index.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import type { Draft } from "./tasks.ts";
import {
  nameFix,
  readBoolean,
  readChoice,
  readList,
  readMap,
  readNumber,
  readText,
  readTexts,
  type Reader,
  withoutNulls,
} from "./values.ts";

export interface ActionContext extends Reader {
  readonly specDir: string;
  readonly schedulers: ReadonlySet<string>;
}

/** An action whose tasks are still names. */
export interface ActionDraft {
  path: Path;
  action: WorkflowAction;
  names: readonly { text: string; where: Path }[];
  regexes: readonly { text: string; where: Path }[];
}

const KINDS = ["run_commands", "schedule_nodes"] as const;

/** Keys that only one kind of action has. */
const ONLY: Readonly<Record<(typeof KINDS)[number], readonly string[]>> = {
  run_commands: ["commands"],
  schedule_nodes: [
    "scheduler",
    "scheduler_type",
    "num_allocations",
    "start_one_worker_per_node",
    "max_parallel_jobs",
  ],
};

export function readActions(
  context: ActionContext,
  value: SpecValue | undefined,
): readonly ActionDraft[] {
  if (value === undefined) return [];
  const drafts: ActionDraft[] = [];
  for (const [i, item] of (readList(context, value, ["actions"]) ?? []).entries()) {
    const at = ["actions", i];
    const whole = readMap(context, item, at);
    const draft = whole && readAction(context, withoutNulls(whole), at);
    if (draft) drafts.push(draft);
  }
  return drafts;
}

function readAction(context: ActionContext, map: SpecMap, at: Path): ActionDraft | null {
  checkKeys(context, map, ACTION_KEYS, at, "an action");
  const trigger = choice(context, map, at, "trigger_type", TRIGGERS);
  const kind = choice(context, map, at, "action_type", KINDS);
  const tasks = readTaskNames(context, map, at, trigger, kind === "run_commands");
  const persistent =
    Object.hasOwn(map, "persistent") &&
    readBoolean(context, map["persistent"]!, [...at, "persistent"]) === true;
  if (kind === undefined) return null;
  for (const [other, keys] of Object.entries(ONLY)) {
    const foreign = other === kind ? undefined : keyOf(map, ...keys);
    if (foreign === undefined) continue;
    const message = `'${foreign}' is for actions of the type ${other}`;
    context.mistakes.add([...at, foreign], message, `remove it, or write action_type ${other}`, {
      key: true,
    });
  }
  const what =
    kind === "run_commands" ? readCommands(context, map, at) : readSchedule(context, map, at);
  if (trigger === undefined || what === undefined) return null;
  return { path: at, action: { trigger, what, persistent }, ...tasks };
}

function choice<T extends string>(
  context: ActionContext,
  map: SpecMap,
  at: Path,
  key: string,
  choices: readonly T[],
): T | undefined {
  if (Object.hasOwn(map, key)) return readChoice(context, map[key]!, [...at, key], choices);
  if (!misspelled(map, ACTION_KEYS, key))
    context.mistakes.add(
      at,
      `an action has no ${key}`,
      `add \`${key}:\`, one of ${choices.join(", ")}`,
    );
  return undefined;
}

function readTaskNames(
  context: ActionContext,
  map: SpecMap,
  at: Path,
  trigger: Trigger | undefined,
  runs: boolean,
): Pick<ActionDraft, "names" | "regexes"> {
  const texts = (key: string | undefined): { text: string; where: Path }[] => {
    if (key === undefined) return [];
    const where = [...at, key];
    const listed = isList(map[key]);
    return (readTexts(context, map[key]!, where) ?? []).map((text, i) => ({
      text,
      where: listed ? [...where, i] : where,
    }));
  };
  const key = keyOf(map, "jobs", "tasks");
  const names = texts(key);
  const regexes = texts(keyOf(map, "job_name_regexes"));
  const ofTasks = trigger === "on_jobs_ready" || trigger === "on_jobs_complete";
  const given = key ?? keyOf(map, "job_name_regexes");
  if (ofTasks && names.length === 0 && regexes.length === 0) {
    context.mistakes.add(
      at,
      `an action ${trigger} names no tasks`,
      "add `jobs:` with their names, or `job_name_regexes:`",
    );
  } else if (trigger !== undefined && !ofTasks && given !== undefined && runs) {
    const message = `'${given}' is for the triggers on_jobs_ready and on_jobs_complete`;
    context.mistakes.add([...at, given], message, "remove it, or change the trigger", {
      key: true,
    });
  }
  return { names, regexes };
}

function readCommands(
  context: ActionContext,
  map: SpecMap,
  at: Path,
): WorkflowAction["what"] | undefined {
  if (!Object.hasOwn(map, "commands")) {
    if (!misspelled(map, ACTION_KEYS, "commands"))
      context.mistakes.add(at, "an action has no commands to run", "add `commands:`, a list");
    return undefined;
  }
  const texts = readTexts(context, map["commands"]!, [...at, "commands"]);
  if (texts?.length === 0)
    context.mistakes.add([...at, "commands"], "'commands' is an empty list", "add a command");
  if (!texts || texts.length === 0) return undefined;
  const commands = texts.map((text) => substituteSpecDir(text, context.specDir, true) as string);
  return { kind: "run_commands", commands };
}

/** The actions with the tasks that they name. */
export function actionTasks(
  actions: readonly ActionDraft[],
  drafts: readonly Draft[],
  names: NameIndex,
  mistakes: Mistakes,
): readonly WorkflowAction[] {
  if (actions.length === 0) return [];
  const arrays = arrayRanges(drafts);
  const match = nameMatcher(drafts, mistakes);
  return actions.map(({ action, names: wanted, regexes }) => {
    const ranges: (readonly [number, number])[] = [];
    for (const { text, where } of wanted) {
      const task = names.find(text);
      const found = task === null ? arrays.get(text) : ([task, 1] as const);
      if (found) ranges.push(found);
      else {
        const fix = nameFix(text, [...arrays.keys(), ...names.texts.keys()], "name a task");
        mistakes.add(where, `no task is called '${text}'`, fix);
      }
    }
    for (const { text, where } of regexes) ranges.push(...match(text, where));
    return ranges.length > 0 ? { ...action, tasks: joined(ranges) } : action;
  });
}

/** Ranges in order, each task once. */
function joined(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const all: [number, number][] = [];
  for (const [first, count] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = all.at(-1);
    if (last && first <= last[0] + last[1]) last[1] = Math.max(last[1], first + count - last[0]);
    else all.push([first, count]);
  }
  return all;
}

function readSchedule(
  context: ActionContext,
  map: SpecMap,
  at: Path,
): WorkflowAction["what"] | undefined {
  const has = (key: string): boolean => Object.hasOwn(map, key);
  const number = (key: string): number | undefined =>
    has(key) ? readNumber(context, map[key]!, [...at, key], { min: 1, max: 1_000_000 }) : undefined;
  if (has("scheduler_type"))
    readChoice(context, map["scheduler_type"]!, [...at, "scheduler_type"], ["slurm"]);
  if (!has("scheduler")) {
    if (!misspelled(map, ACTION_KEYS, "scheduler"))
      context.mistakes.add(at, "an action names no scheduler for its nodes", "add `scheduler:`");
    return undefined;
  }
  const scheduler = readText(context, map["scheduler"]!, [...at, "scheduler"]);
  if (scheduler !== undefined && !context.schedulers.has(scheduler)) {
    const fix = nameFix(scheduler, context.schedulers, "add it to slurm_schedulers");
    context.mistakes.add([...at, "scheduler"], `no scheduler is called '${scheduler}'`, fix);
  }
  const allocations = number("num_allocations") ?? 1;
  const maxParallel = number("max_parallel_jobs") ?? null;
  const oneWorkerPerNode =
    has("start_one_worker_per_node") &&
    readBoolean(context, map["start_one_worker_per_node"]!, [
      ...at,
      "start_one_worker_per_node",
    ]) === true;
  if (scheduler === undefined) return undefined;
  return { kind: "schedule_nodes", scheduler, allocations, oneWorkerPerNode, maxParallel };
}
