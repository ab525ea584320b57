/** One entry of `tasks` into a draft: everything but its place among the others. */
import path from "node:path";
import { parameterCount } from "../core/parameters.ts";
import { formatProblem, parseTemplate } from "../core/template.ts";
import { parseDuration } from "../core/units.ts";
import type {
  BlockPolicy,
  Command,
  ParameterTable,
  Requirement,
  TaskBody,
  TextTemplate,
} from "../core/workflow.ts";
import { isList, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, keyOf, misspelled, TASK_KEYS } from "./fields.ts";
import { readTaskRequirement } from "./requirements.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import { type NamedValues, readTable } from "./tables.ts";
import {
  readBoolean,
  readChoice,
  readMap,
  readNumber,
  readText,
  readTexts,
  readUnit,
  readWritten,
  type Reader,
} from "./values.ts";

export interface Draft {
  /** where it stands, e.g. ["tasks", 3] */
  path: Path;
  table: ParameterTable | null;
  /** the name as written */
  title: string;
  body: TaskBody;
  policy: BlockPolicy;
  dependsOn: readonly TextTemplate[];
  /** the list object of the document: aliases share it */
  dependsOnList: SpecValue | undefined;
  first: number;
  count: number;
}

/** What all tasks of a document share. */
export interface TaskContext extends Reader {
  readonly specDir: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly requirements: ReadonlyMap<string, Requirement>;
  readonly parameters: NamedValues;
  readonly schedulers: ReadonlySet<string>;
  /** `jobs` instead of `tasks`: Torc runs every command with bash */
  readonly torc: boolean;
}

export function readTask(context: TaskContext, value: SpecValue, at: Path): Draft | null {
  const task = readMap(context, value, at);
  if (!task) return null;
  checkKeys(context, task, TASK_KEYS, at, "a task");
  const table = readTable(context, task, at, context.parameters);
  const names = table?.names ?? [];

  const template = (text: string, where: Path, isCommand = false): TextTemplate => {
    if (table === null && !text.includes("${spec_dir}")) return text;
    const parsed = parseTemplate(text, names);
    if ("error" in parsed) {
      const rest = text.slice(parsed.offset);
      const needle = /^\{[^{}]*\}/.exec(rest)?.[0] ?? "{";
      context.mistakes.add(where, parsed.error, parsed.fix, { needle });
      return text;
    }
    if (table) checkFormats(context, parsed.value, table, where);
    return substituteSpecDir(parsed.value, context.specDir, isCommand);
  };
  const texts = (...keys: readonly string[]): TextTemplate[] | undefined => {
    const key = keyOf(task, ...keys);
    if (key === undefined) return undefined;
    const where = [...at, key];
    const read = readTexts(context, task[key]!, where);
    if (!read || read.length === 0) return undefined;
    const listed = isList(task[key]);
    return read.map((text, i) => template(text, listed ? [...where, i] : where));
  };

  const title = readName(context, task, at);
  const command = readCommand(context, task, at, template);
  const env = readTaskEnv(context, task, at, template);
  const inputs = texts("inputs", "input_files");
  const outputs = texts("outputs", "output_files");
  const dependsOn = texts("depends_on") ?? [];
  const policy = readPolicy(context, task, at, table === null ? "default" : (title ?? ""));
  if (title === undefined || command === undefined) return null;
  const name = template(title, [...at, "name"]);
  const body: TaskBody = { name, command };
  if (inputs) body.inputs = inputs;
  if (outputs) body.outputs = outputs;
  if (env) body.env = env;
  const count = table ? parameterCount(table) : 1;
  return {
    path: at,
    table,
    title,
    body,
    policy,
    dependsOn,
    dependsOnList: task["depends_on"],
    first: 0,
    count,
  };
}

function checkFormats(
  context: TaskContext,
  template: TextTemplate,
  table: ParameterTable,
  at: Path,
): void {
  if (typeof template === "string") return;
  for (const piece of template) {
    if (typeof piece === "string" || piece.f === undefined) continue;
    const problem = formatProblem(piece.f, table.values[piece.p]!);
    if (problem === null) continue;
    const name = table.names[piece.p]!;
    context.mistakes.add(
      at,
      `parameter '${name}': ${problem}`,
      `write {${name}} for the value as it is`,
      { needle: `{${name}:${piece.f}}` },
    );
  }
}

function readName(context: TaskContext, task: SpecMap, at: Path): string | undefined {
  if (!Object.hasOwn(task, "name")) {
    if (!misspelled(task, TASK_KEYS, "name"))
      context.mistakes.add(at, "a task has no name", "add `name:`");
    return undefined;
  }
  const name = readText(context, task["name"]!, [...at, "name"]);
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  if (name !== undefined && (/[\u0000-\u001f\u007f]/.test(name) || name !== name.trim())) {
    context.mistakes.add(
      [...at, "name"],
      "a task's name is one line without spaces around it",
      "shorten it to one line",
    );
  }
  return name;
}

function readCommand(
  context: TaskContext,
  task: SpecMap,
  at: Path,
  template: (text: string, where: Path, isCommand?: boolean) => TextTemplate,
): Command | undefined {
  const where = [...at, "command"];
  if (!Object.hasOwn(task, "command")) {
    const fix = "add `command:`, a text or a list of words";
    if (misspelled(task, TASK_KEYS, "command")) return undefined;
    const name = typeof task["name"] === "string" ? ` '${task["name"]}'` : "";
    context.mistakes.add(at, `the task${name} has no command`, fix);
    return undefined;
  }
  const value = task["command"]!;
  const shell = Object.hasOwn(task, "shell")
    ? readChoice(context, task["shell"]!, [...at, "shell"], ["sh", "bash", "none"])
    : undefined;
  if (isList(value)) {
    if (shell === "sh" || shell === "bash") {
      context.mistakes.add(
        [...at, "shell"],
        "a command given as a list never runs in a shell",
        "write the command as one text, or remove `shell`",
      );
    }
    if (value.length === 0)
      context.mistakes.add(where, "'command' is an empty list", "give it at least the program");
    const argv: TextTemplate[] = [];
    for (let i = 0; i < value.length; i++) {
      const word = readWritten(context, value[i]!, [...where, i]);
      if (word !== undefined) argv.push(template(word, [...where, i]));
    }
    return { kind: "argv", argv };
  }
  // `command: true` can only mean the program
  const written = value instanceof Literal && value.value !== null ? value.text : value;
  const text = readText(context, written, where);
  if (text === undefined) return undefined;
  if (text.includes("\0"))
    context.mistakes.add(where, "a command cannot hold a NUL character", "remove it");
  const command = template(text, where, true);
  if (shell === "none") return { kind: "words", text: command };
  if (shell !== undefined || context.torc)
    return { kind: "shell", shell: shell ?? "bash", text: command };
  return { kind: "auto", text: command };
}

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `env` as written texts; used for the workflow's and for a task's. */
export function readEnv(
  reader: Reader,
  value: SpecValue,
  at: Path,
): Record<string, string> | undefined {
  const map = readMap(reader, value, at);
  if (!map) return undefined;
  const env: Record<string, string> = {};
  for (const key of Object.keys(map)) {
    if (!VARIABLE.test(key)) {
      reader.mistakes.add(
        [...at, key],
        `'${key}' cannot be the name of an environment variable`,
        "use letters, digits and _, not starting with a digit",
        { key: true },
      );
      continue;
    }
    const text = readWritten(reader, map[key]!, [...at, key]);
    if (text?.includes("\0"))
      reader.mistakes.add(
        [...at, key],
        "an environment variable cannot hold a NUL character",
        "remove it",
      );
    if (text !== undefined) env[key] = text;
  }
  return env;
}

function readTaskEnv(
  context: TaskContext,
  task: SpecMap,
  at: Path,
  template: (text: string, where: Path) => TextTemplate,
): Readonly<Record<string, TextTemplate>> | undefined {
  if (!Object.hasOwn(task, "env")) return context.env;
  const own = readEnv(context, task["env"]!, [...at, "env"]);
  const env: Record<string, TextTemplate> = { ...context.env };
  for (const key of Object.keys(own ?? {})) env[key] = template(own![key]!, [...at, "env", key]);
  return env;
}

function readPolicy(context: TaskContext, task: SpecMap, at: Path, category: string): BlockPolicy {
  const has = (key: string): boolean => Object.hasOwn(task, key);
  const policy: BlockPolicy = {
    requirement: readTaskRequirement(context, task, at, context.requirements),
    category,
    retries: 0,
    timeoutSeconds: null,
    onUpstreamFailure: "skip",
    priority: 0,
    cwd: null,
    scheduler: null,
  };
  if (has("category"))
    policy.category = readText(context, task["category"]!, [...at, "category"]) ?? category;
  if (has("retries"))
    policy.retries =
      readNumber(context, task["retries"]!, [...at, "retries"], { min: 0, max: 1_000_000 }) ?? 0;
  if (has("max_retries")) {
    // Torc counts attempts
    const attempts = readNumber(context, task["max_retries"]!, [...at, "max_retries"], {
      min: 0,
      max: 1_000_000,
    });
    policy.retries = Math.max(0, (attempts ?? 1) - 1);
  }
  if (has("timeout")) {
    const where = [...at, "timeout"];
    const seconds = readUnit(context, task["timeout"]!, where, parseDuration);
    if (seconds === 0)
      context.mistakes.add(
        where,
        "a timeout of 0 ends every attempt at once",
        "give it some time, or remove it",
      );
    policy.timeoutSeconds = seconds ?? null;
  }
  if (has("on_upstream_failure")) {
    policy.onUpstreamFailure =
      readChoice(
        context,
        task["on_upstream_failure"]!,
        [...at, "on_upstream_failure"],
        ["skip", "run"],
      ) ?? "skip";
  }
  if (has("cancel_on_blocking_job_failure")) {
    const cancel = readBoolean(context, task["cancel_on_blocking_job_failure"]!, [
      ...at,
      "cancel_on_blocking_job_failure",
    ]);
    policy.onUpstreamFailure = cancel === false ? "run" : "skip";
  }
  if (has("priority"))
    policy.priority =
      readNumber(context, task["priority"]!, [...at, "priority"], {
        min: -1_000_000,
        max: 1_000_000,
      }) ?? 0;
  if (has("cwd")) {
    const cwd = readText(context, task["cwd"]!, [...at, "cwd"]);
    if (cwd !== undefined)
      policy.cwd = path.resolve(context.cwd, cwd.replaceAll("${spec_dir}", context.specDir));
  }
  const schedulerKey = keyOf(task, "scheduler", "slurm_scheduler");
  if (schedulerKey !== undefined) {
    const where = [...at, schedulerKey];
    const name = readText(context, task[schedulerKey]!, where);
    if (name !== undefined && !context.schedulers.has(name)) {
      const known = [...context.schedulers].slice(0, 10).join(", ");
      context.mistakes.add(
        where,
        `no scheduler is called '${name}'`,
        known === "" ? "add it to slurm_schedulers" : `there is ${known}`,
      );
    }
    policy.scheduler = name ?? null;
  }
  return policy;
}
