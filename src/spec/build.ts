/** A document's value into a workflow: reads every entry, numbers the tasks, finds the edges, checks the whole. */
import path from "node:path";
import { HoldallError } from "../core/error.ts";
import { MAX_ARRAY_TASKS } from "../core/parameters.ts";
import { renderTemplate } from "../core/template.ts";
import type { Block, BlockPolicy, TaskBody, WorkflowDefinition } from "../core/workflow.ts";
import { actionTasks, readActions } from "./actions.ts";
import { checkUsed } from "./categories.ts";
import { findCycle } from "./cycles.ts";
import { isMap, type Path, type SpecDocument, type SpecMap, type SpecValue } from "./document.ts";
import { findEdges, indexOutputs } from "./edges.ts";
import { readFailureHandlers } from "./failure-handlers.ts";
import { checkKeys, keyOf, misspelled, WORKFLOW_KEYS } from "./fields.ts";
import { readEnv } from "./env.ts";
import { instancesOf } from "./instances.ts";
import { gatherMistakes, type Mistakes } from "./mistakes.ts";
import { readFiles, readUserData } from "./named-entries.ts";
import { type Clash, type NameIndex, nameIndex } from "./name-index.ts";
import { readNamedRequirements } from "./requirements.ts";
import { readSchedulers } from "./schedulers.ts";
import { readSettings } from "./settings.ts";
import { readSurroundings } from "./surroundings.ts";
import { readParameters } from "./tables.ts";
import { type Draft, readTask, type TaskContext } from "./tasks.ts";
import { kindOf, readList, readText, type Reader, withoutNulls } from "./values.ts";
import { fileReader } from "./task-files.ts";
import { type SpecWarning, warningsFor } from "./warnings.ts";

export interface BuildOptions {
  /** absolute path of the document */
  source: string;
  /** absolute folder that relative paths resolve against, unless the document says `cwd` */
  cwd: string;
  /** `--cwd`: wins over the document's */
  cwdOverride?: string | undefined;
  /** `--name` */
  name?: string | undefined;
}

/** A workflow with what is needed to say where in the document something stands. */
export interface Built {
  definition: WorkflowDefinition;
  document: SpecDocument;
  drafts: readonly Draft[];
  outputs: NameIndex;
  /** what the document asks for and nothing carries out yet */
  warnings: readonly SpecWarning[];
}

/** Throws `spec` with every mistake of the document. */
export function buildWorkflow(document: SpecDocument, options: BuildOptions): Built {
  const mistakes = gatherMistakes(document);
  const reader: Reader = { document, mistakes };
  if (!isMap(document.value)) throw noMapping(document, document.value);
  const root = withoutNulls(document.value);
  checkKeys(reader, root, WORKFLOW_KEYS, [], "a workflow");

  const specDir = path.dirname(options.source);
  const has = (key: string): boolean => Object.hasOwn(root, key);
  const text = (key: string): string | undefined =>
    has(key) ? readText(reader, root[key]!, [key]) : undefined;
  const name = text("name");
  if (!has("name") && options.name === undefined) {
    mistakes.add([], "the workflow has no name", "add `name:` at the top, or give --name");
  }
  const cwdText = text("cwd")?.replaceAll("${spec_dir}", specDir);
  const cwd =
    options.cwdOverride ??
    (cwdText === undefined ? options.cwd : path.resolve(options.cwd, cwdText));
  const reuseText = text("reuse")?.replaceAll("${spec_dir}", specDir);
  const reuse = reuseText === undefined ? {} : { reuse: path.resolve(cwd, reuseText) };
  const env = has("env") ? readEnv(reader, root["env"]!, ["env"]) : undefined;
  for (const key of Object.keys(env ?? {}))
    env![key] = env![key]!.replaceAll("${spec_dir}", specDir);
  const schedulers = readSchedulers(reader, root["slurm_schedulers"]);
  const settings = readSettings(reader, root);
  const surroundings = readSurroundings(reader, root);
  const parameters = has("parameters")
    ? readParameters(reader, root["parameters"]!, ["parameters"])
    : new Map();
  const entries = { document, mistakes, specDir, parameters };
  const userData = readUserData(entries, root["user_data"]);
  const sources = { ...entries, files: readFiles(entries, root["files"]), userData };
  const tasksKey = keyOf(root, "tasks", "jobs");
  const context: TaskContext = {
    cwd,
    env,
    requirements: readNamedRequirements(reader, root["resource_requirements"]),
    ...sources,
    fileReader: fileReader(sources),
    schedulers: new Set(schedulers.map((scheduler) => scheduler.name)),
    handlers: readFailureHandlers(reader, root["failure_handlers"], specDir),
    categories: { names: new Set(), complete: true },
    torc: tasksKey === "jobs",
  };
  const drafts =
    tasksKey === undefined
      ? noTasks(mistakes, root)
      : readTasks(context, root[tasksKey]!, tasksKey);
  const actions = readActions(context, root["actions"]);
  if (settings.categories && context.categories.complete && drafts.length > 0 && !mistakes.enough)
    checkUsed(reader, settings.categories, context.categories.names);
  const { blocks, taskCount } = gatherBlocks(drafts);
  if (taskCount > MAX_ARRAY_TASKS) {
    mistakes.add(
      [tasksKey ?? "tasks"],
      `the workflow has ${taskCount} tasks`,
      `${MAX_ARRAY_TASKS} at most; make several`,
      { key: true },
    );
  }
  // names and edges mean nothing while tasks are missing
  mistakes.throwAny();

  const names = indexNames(drafts);
  const ownerPath = (task: number, ...keys: readonly string[]): Path =>
    fieldPath(root, draftOf(drafts, task), keys);
  checkNames(names, mistakes, ownerPath);
  const outputs = indexOutputs(drafts, cwd);
  checkOutputs(outputs, drafts, mistakes, ownerPath, cwd);
  const edges = findEdges(drafts, names, outputs, cwd, mistakes).result();
  const resolved = actionTasks(actions, drafts, names, mistakes);
  const cycle = findCycle({ ...edges, taskCount });
  if (cycle) {
    const shown = [...cycle, cycle[0]!].map((task) => nameOf(drafts, task));
    if (shown.length > 12) shown.splice(6, shown.length - 12, "…");
    const itself = cycle.length === 1;
    const where = ownerPath(
      cycle[0]!,
      "depends_on",
      "depends_on_job",
      "depends_on_regexes",
      "inputs",
      "input_files",
    );
    mistakes.add(
      where,
      itself
        ? `a task waits for itself: ${shown.join(" → ")}`
        : `tasks wait for each other: ${shown.join(" → ")}`,
      "remove one of these dependencies",
      { key: true },
    );
  }
  mistakes.throwAny();
  return {
    definition: {
      name: options.name ?? name!,
      source: options.source,
      specDir,
      cwd,
      blocks,
      ...edges,
      taskCount,
      schedulers,
      ...settings,
      ...reuse,
      ...surroundings,
      ...(resolved.length > 0 ? { actions: resolved } : {}),
      ...(userData && userData.values.size > 0 ? { userData: [...userData.values.values()] } : {}),
    },
    document,
    drafts,
    outputs,
    warnings: warningsFor(document, { ...surroundings, ...reuse, actions: resolved }),
  };
}

function noMapping(document: SpecDocument, root: SpecValue): HoldallError {
  return new HoldallError(
    "spec",
    `a workflow is a mapping of keys, and this document is ${kindOf(root)}`,
    {
      place: { file: document.file, ...document.locate([]) },
      fix: Array.isArray(root)
        ? "put `name: …` and `tasks:` above the list"
        : "write `name:` and `tasks:`, a list of tasks",
    },
  );
}

function noTasks(mistakes: Mistakes, root: SpecMap): Draft[] {
  if (misspelled(root, WORKFLOW_KEYS, "tasks")) return [];
  mistakes.add(
    [],
    "the workflow has no tasks",
    "add `tasks:`, a list of tasks with `name:` and `command:`",
  );
  return [];
}

function readTasks(context: TaskContext, value: SpecValue, key: string): Draft[] {
  const drafts: Draft[] = [];
  const list = readList(context, value, [key]);
  if (list?.length === 0)
    context.mistakes.add(
      [key],
      "the list of tasks is empty",
      "add a task with `name:` and `command:`",
    );
  for (let i = 0; i < (list?.length ?? 0) && !context.mistakes.enough; i++) {
    const at = [key, i];
    const draft = readTask(context, list![i]!, at);
    if (draft) drafts.push(...instancesOf(context, list![i]!, at, draft));
  }
  let first = 0;
  for (const draft of drafts) {
    draft.first = first;
    first += draft.count;
  }
  return drafts;
}

/** Consecutive tasks that share their policy become one block. */
function gatherBlocks(drafts: readonly Draft[]): { blocks: Block[]; taskCount: number } {
  const blocks: Block[] = [];
  let taskCount = 0;
  let bodies: TaskBody[] = [];
  let gathered = "";
  let last: BlockPolicy | null = null;
  for (const { table, title, body, policy, count } of drafts) {
    const first = taskCount;
    taskCount += count;
    if (table !== null) {
      blocks.push({ kind: "array", first, count, title, parameters: table, body, ...policy });
      last = null;
      continue;
    }
    const key = policy === last ? gathered : JSON.stringify(policy);
    if (last !== null && key === gathered) {
      bodies.push(body);
      (blocks.at(-1) as { count: number }).count += 1;
      continue;
    }
    bodies = [body];
    gathered = key;
    last = policy;
    blocks.push({ kind: "explicit", first, count: 1, bodies, ...policy });
  }
  return { blocks, taskCount };
}

export function indexNames(drafts: readonly Draft[]): NameIndex {
  const names = nameIndex();
  for (const draft of drafts) {
    if (draft.table === null) names.addText(draft.body.name as string, draft.first);
    else
      names.addTemplate({
        template: draft.body.name,
        table: draft.table,
        first: draft.first,
        count: draft.count,
      });
  }
  return names;
}

/** The draft that owns a task number. */
export function draftOf(drafts: readonly Draft[], task: number): Draft {
  let [low, high] = [0, drafts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (drafts[middle]!.first <= task) low = middle;
    else high = middle - 1;
  }
  return drafts[low]!;
}

function nameOf(drafts: readonly Draft[], task: number): string {
  const draft = draftOf(drafts, task);
  return draft.table === null
    ? draft.title
    : renderTemplate(draft.body.name, draft.table, task - draft.first);
}

/** Path of the first of `keys` that the task has, else of the task. */
function fieldPath(root: SpecMap, draft: Draft, keys: readonly string[]): Path {
  const list = root[draft.path[0] as string] as readonly SpecValue[];
  const task = list[draft.path[1] as number] as SpecMap;
  const key = keyOf(task, ...keys);
  return key === undefined ? draft.path : [...draft.path, key];
}

type OwnerPath = (task: number, ...keys: readonly string[]) => Path;

function checkNames(names: NameIndex, mistakes: Mistakes, ownerPath: OwnerPath): void {
  for (const clash of names.clashes(100)) {
    if ("unproven" in clash) unproven(clash, mistakes, ownerPath, "names", "name");
    else {
      const array = ownerPath(clash.a).join() === ownerPath(clash.b).join();
      mistakes.add(
        ownerPath(clash.b, "name"),
        `two tasks are called '${clash.text}'`,
        array
          ? "put every parameter with several values into the name, with something between them"
          : "rename one of them",
      );
    }
  }
}

function checkOutputs(
  outputs: NameIndex,
  drafts: readonly Draft[],
  mistakes: Mistakes,
  ownerPath: OwnerPath,
  cwd: string,
): void {
  for (const clash of outputs.clashes(100)) {
    if ("unproven" in clash)
      unproven(clash, mistakes, ownerPath, "outputs", "outputs", "output_files");
    else {
      const shown = clash.text.startsWith(`${cwd}/`)
        ? clash.text.slice(cwd.length + 1)
        : clash.text;
      mistakes.add(
        ownerPath(clash.b, "outputs", "output_files"),
        `two tasks list the output '${shown}': ${nameOf(drafts, clash.a)} and ${nameOf(drafts, clash.b)}`,
        "let every task write files of its own",
      );
    }
  }
}

function unproven(
  clash: Extract<Clash, { unproven: unknown }>,
  mistakes: Mistakes,
  ownerPath: OwnerPath,
  what: string,
  ...keys: string[]
): void {
  mistakes.add(
    ownerPath(clash.unproven.first, ...keys),
    `${clash.unproven.count} tasks are too many to check one by one that their ${what} differ`,
    `put every parameter into the ${keys[0]!}, separated by a character that no value has, or make arrays of a million at most`,
  );
}
