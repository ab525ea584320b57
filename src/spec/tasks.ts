/** One entry of `tasks` into a draft: everything but its place among the others. */
import { parameterCount } from "../core/parameters.ts";
import { formatProblem, parseTemplate } from "../core/template.ts";
import type {
  BlockPolicy,
  Command,
  ParameterTable,
  TaskBody,
  TextTemplate,
} from "../core/workflow.ts";
import { isList, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, keyOf, misspelled, TASK_KEYS } from "./fields.ts";
import { type PolicyContext, readPolicy } from "./policy.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import { type NamedValues, readTable } from "./tables.ts";
import { readChoice, readMap, readText, readTexts, readWritten, type Reader } from "./values.ts";

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
export interface TaskContext extends PolicyContext {
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly parameters: NamedValues;
  /** `jobs` instead of `tasks`: Torc runs every command with bash */
  readonly torc: boolean;
}

export function readTask(context: TaskContext, value: SpecValue, at: Path): Draft | null {
  const task = readMap(context, value, at);
  if (!task) {
    context.categories.complete = false;
    return null;
  }
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
  const policy = readPolicy(context, task, at, table, title);
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
