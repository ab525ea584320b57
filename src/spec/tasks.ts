/** One entry of `tasks` into a draft: everything but its place among the others. */
import { parameterCount } from "../core/parameters.ts";
import { formatProblem, parseTemplate, renderTemplate } from "../core/template.ts";
import type {
  BlockPolicy,
  Command,
  ParameterTable,
  TaskBody,
  TextTemplate,
} from "../core/workflow.ts";
import { isList, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, misspelled, TASK_KEYS } from "./fields.ts";
import { readEnv } from "./env.ts";
import { type PolicyContext, readPolicy } from "./policy.ts";
import { hasReferences } from "./references.ts";
import { escapePattern } from "./regexes.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import { type NamedValues, readTable } from "./tables.ts";
import { type EntrySources, type FileReader, type TaskFiles } from "./task-files.ts";
import {
  readChoice,
  readMap,
  readNumber,
  readText,
  readTexts,
  readWritten,
  withoutNulls,
} from "./values.ts";

/** Text of a document with the place it stands at. */
export interface Placed {
  text: TextTemplate;
  where: Path;
}

export interface Draft {
  /** where it stands, e.g. ["tasks", 3] */
  path: Path;
  table: ParameterTable | null;
  /** the name as written */
  title: string;
  body: TaskBody;
  policy: BlockPolicy;
  dependsOn: readonly Placed[];
  /** the list object of the document: aliases share it */
  dependsOnList: SpecValue | undefined;
  dependsOnRegexes: readonly Placed[];
  /** names of user data that it reads and makes */
  readsData: readonly TextTemplate[];
  makesData: readonly TextTemplate[];
  /** comes after all tasks of the stage before; null = of no stage */
  stage: number | null;
  /** what it refers to has to be looked up task by task */
  late: boolean;
  /** the array it was written as, when it is one task of several that were written out */
  arrayTitle: string | null;
  first: number;
  count: number;
}

/** What all tasks of a document share. */
export interface TaskContext extends PolicyContext, EntrySources {
  readonly env: Readonly<Record<string, string>> | undefined;
  readonly parameters: NamedValues;
  readonly fileReader: FileReader;
  /** `jobs` instead of `tasks`: Torc runs every command with bash */
  readonly torc: boolean;
}

/** Turns text into what it says: a template in an array, or the text of one of its tasks. */
export type TemplateReader = (text: string, where: Path, use?: TextUse) => TextTemplate;

/** `command`: for a shell; `word`: of a list of arguments; `part`: of a command, whose `${spec_dir}` is put in later; `regex`. */
type TextUse = "command" | "word" | "part" | "regex";

/** `index`: reads that one task of the array as if it was written out. */
export function readTask(
  context: TaskContext,
  value: SpecValue,
  at: Path,
  index?: number,
): Draft | null {
  const whole = readMap(context, value, at);
  if (!whole) {
    context.categories.complete = false;
    return null;
  }
  const task = withoutNulls(whole);
  checkKeys(context, task, TASK_KEYS, at, "a task");
  const written = readTable(context, task, at, context.parameters);
  const table = index === undefined ? written : null;
  const plainText = templateReader(context, written, index);
  let files: TaskFiles | null = null;
  const filesOf = (): TaskFiles => (files ??= context.fileReader.begin(table, plainText));
  const template: TemplateReader = (text, where, use) =>
    (use === "command" || use === "word") && hasReferences(text)
      ? filesOf().command(text, where, use === "command")
      : plainText(text, where, use);
  const placed = (key: string): readonly Placed[] => {
    const list = Object.hasOwn(task, key) ? task[key] : undefined;
    if (list === undefined) return NOTHING;
    const where = [...at, key];
    const read = readTexts(context, list, where);
    if (!read) return NOTHING;
    const use = key.endsWith("_regexes") ? "regex" : undefined;
    if (!isList(list)) return [{ text: plainText(read[0]!, where, use), where }];
    return read.map((text, i) => {
      const place = [...where, i];
      return { text: plainText(text, place, use), where: place };
    });
  };

  const title = readName(context, task, at);
  const command = readCommand(context, task, at, template);
  const env = readTaskEnv(context, task, at, plainText);
  readLists(task, filesOf, placed);
  const jobs = placed("depends_on_job");
  const dependsOn = jobs.length > 0 ? [...placed("depends_on"), ...jobs] : placed("depends_on");
  const dependsOnRegexes = placed("depends_on_regexes");
  const stage = Object.hasOwn(task, "stage")
    ? (readNumber(context, task["stage"]!, [...at, "stage"], { min: 0, max: 1_000_000 }) ?? null)
    : null;
  const policy = readPolicy(context, task, at, written, title);
  if (title === undefined || command === undefined) return null;
  const name = plainText(title, [...at, "name"]);
  const body: TaskBody = { name, command };
  // assigned inside functions, which the types do not see
  const found = files as TaskFiles | null;
  if (found && found.inputs.length > 0) body.inputs = found.inputs;
  if (found && found.outputs.length > 0) body.outputs = found.outputs;
  if (env) body.env = env;
  return {
    path: at,
    table,
    title: table === null && typeof name === "string" ? name : title,
    body,
    policy,
    dependsOn,
    dependsOnList: jobs.length > 0 ? undefined : task["depends_on"],
    dependsOnRegexes,
    readsData: found?.readsData ?? [],
    makesData: found?.makesData ?? [],
    stage,
    late: found?.late === true || dependsOnRegexes.some(({ text }) => typeof text !== "string"),
    arrayTitle: index === undefined ? null : title,
    first: 0,
    count: table ? parameterCount(table) : 1,
  };
}

function templateReader(
  context: TaskContext,
  table: ParameterTable | null,
  index: number | undefined,
): TemplateReader {
  return (text, where, use) => {
    if (table === null && !text.includes("${spec_dir}")) return text;
    const parsed = parseTemplate(text, table?.names ?? []);
    if ("error" in parsed) {
      const rest = text.slice(parsed.offset);
      const needle = /^\{[^{}]*\}/.exec(rest)?.[0] ?? "{";
      context.mistakes.add(where, parsed.error, parsed.fix, { needle });
      return text;
    }
    if (table) checkFormats(context, parsed.value, table, where);
    if (use === "regex") return regexText(parsed.value, table, index);
    const folder =
      use === "part"
        ? parsed.value
        : substituteSpecDir(parsed.value, context.specDir, use === "command");
    return index === undefined || table === null ? folder : renderTemplate(folder, table, index);
  };
}

/** A value stands for itself in an expression. */
function regexText(
  template: TextTemplate,
  table: ParameterTable | null,
  index: number | undefined,
): TextTemplate {
  if (typeof template === "string" || table === null || index === undefined) return template;
  return template
    .map((piece) =>
      typeof piece === "string" ? piece : escapePattern(renderTemplate([piece], table, index)),
    )
    .join("");
}

const NOTHING: readonly Placed[] = [];

/** What a task says of files and user data outside its command, in this order. */
const LISTS: readonly (readonly [
  key: string,
  put: (files: TaskFiles, list: readonly Placed[]) => void,
])[] = (["input", "output"] as const).flatMap(
  (direction) =>
    [
      [`${direction}s`, (files, list) => files.paths(direction, list)],
      [`${direction}_files`, (files, list) => files.named(direction, list)],
      [`${direction}_file_regexes`, (files, list) => files.matching("files", direction, list)],
      [`${direction}_user_data`, (files, list) => files.data(direction, list)],
      [
        `${direction}_user_data_regexes`,
        (files, list) => files.matching("user_data", direction, list),
      ],
    ] satisfies (readonly [string, (files: TaskFiles, list: readonly Placed[]) => void])[],
);

function readLists(
  task: SpecMap,
  files: () => TaskFiles,
  placed: (key: string) => readonly Placed[],
): void {
  for (const [key, put] of LISTS) if (Object.hasOwn(task, key)) put(files(), placed(key));
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
  template: TemplateReader,
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
  const script = Object.hasOwn(task, "invocation_script")
    ? readText(context, task["invocation_script"]!, [...at, "invocation_script"])
    : undefined;
  if (isList(value)) return readArguments(context, value, at, { shell, script }, template);
  // `command: true` can only mean the program
  const written = value instanceof Literal && value.value !== null ? value.text : value;
  const text = readText(context, written, where);
  if (text === undefined) return undefined;
  if (text.includes("\0"))
    context.mistakes.add(where, "a command cannot hold a NUL character", "remove it");
  if (script !== undefined && shell === "none")
    noScript(context, at, "an invocation script needs a shell", "remove `shell`");
  // one line is a program that is given the command, several lines come before it
  const scripted =
    script === undefined ? text : `${script.trimEnd()}${/\n./.test(script) ? "\n" : " "}${text}`;
  const command = template(scripted, where, "command");
  if (shell === "none") return { kind: "words", text: command };
  if (shell !== undefined || context.torc)
    return { kind: "shell", shell: shell ?? "bash", text: command };
  return script === undefined
    ? { kind: "auto", text: command }
    : { kind: "shell", shell: "sh", text: command };
}

function noScript(context: TaskContext, at: Path, message: string, fix: string): void {
  context.mistakes.add([...at, "invocation_script"], message, fix, { key: true });
}

function readArguments(
  context: TaskContext,
  value: readonly SpecValue[],
  at: Path,
  given: { shell: string | undefined; script: string | undefined },
  template: TemplateReader,
): Command {
  const where = [...at, "command"];
  if (given.shell === "sh" || given.shell === "bash") {
    context.mistakes.add(
      [...at, "shell"],
      "a command given as a list never runs in a shell",
      "write the command as one text, or remove `shell`",
    );
  }
  if (given.script !== undefined) {
    const message = "a command given as a list cannot be given to an invocation script";
    noScript(context, at, message, "write the command as one text");
  }
  if (value.length === 0)
    context.mistakes.add(where, "'command' is an empty list", "give it at least the program");
  const argv: TextTemplate[] = [];
  for (let i = 0; i < value.length; i++) {
    const word = readWritten(context, value[i]!, [...where, i]);
    if (word !== undefined) argv.push(template(word, [...where, i], "word"));
  }
  return { kind: "argv", argv };
}

function readTaskEnv(
  context: TaskContext,
  task: SpecMap,
  at: Path,
  template: TemplateReader,
): Readonly<Record<string, TextTemplate>> | undefined {
  if (!Object.hasOwn(task, "env")) return context.env;
  const own = readEnv(context, task["env"]!, [...at, "env"]);
  const env: Record<string, TextTemplate> = { ...context.env };
  for (const key of Object.keys(own ?? {})) env[key] = template(own![key]!, [...at, "env", key]);
  return env;
}
