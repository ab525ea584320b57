/** `holdall run -- CMD …` with `--array`, `--each-line` and `--from-json`: a workflow without a document. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { HoldallError } from "../core/error.ts";
import { parameterCount, parseIndices } from "../core/parameters.ts";
import { formatProblem, IDENTIFIER, parseTemplate } from "../core/template.ts";
import {
  type Block,
  type BlockPolicy,
  type Command,
  DEFAULT_REQUIREMENT,
  type ParameterTable,
  type ParameterValues,
  type Requirement,
  type TextTemplate,
  type WorkflowDefinition,
} from "../core/workflow.ts";
import { nearest } from "./nearest.ts";

export interface AdhocOptions {
  /** absolute */
  cwd: string;
  /** the words after `--` */
  command: readonly string[];
  name?: string | undefined;
  /** of the task, or of the array before the index; default: the program's */
  taskName?: string | undefined;
  /** `--array 0-23`: one task each, `{i}` is the index */
  array?: string | undefined;
  /** `--each-line FILE`: one task for each line that is not empty, `{line}`; `-` is stdin */
  eachLine?: string | undefined;
  /** `--from-json FILE`: one task for each item; `{key}` of objects, `{item}` of anything else; `-` is stdin */
  fromJson?: string | undefined;
  need?: Requirement | undefined;
  retries?: number | undefined;
  timeoutSeconds?: number | null | undefined;
  priority?: number | undefined;
  /** instead of reading files and stdin (`-`) */
  read?: (file: string) => string;
}

/** Throws `usage` for what cannot be understood, `not_found` for a list that is not there. */
export function adhocWorkflow(options: AdhocOptions): WorkflowDefinition {
  const { command, cwd } = options;
  if (command.every((word) => word.trim() === "")) {
    throw usage("there is no command after --", "write `holdall run -- PROGRAM ARGUMENTS`");
  }
  const sources = [options.array, options.eachLine, options.fromJson].filter(
    (source) => source !== undefined,
  );
  if (sources.length > 1)
    throw usage("--array, --each-line and --from-json exclude each other", "give one of them");
  const table = readTable(options);
  const title = options.taskName ?? taskTitle(command);
  const policy: BlockPolicy = {
    requirement: options.need ?? DEFAULT_REQUIREMENT,
    category: title,
    retries: options.retries ?? 0,
    timeoutSeconds: options.timeoutSeconds ?? null,
    onUpstreamFailure: "skip",
    priority: 0,
    cwd: null,
    scheduler: null,
  };
  const parsed = readCommand(command, table);
  const block: Block =
    table === null
      ? {
          kind: "explicit",
          first: 0,
          count: 1,
          bodies: [{ name: title, command: parsed }],
          ...policy,
        }
      : arrayBlock(table, title, parsed, policy);
  return {
    name: options.name ?? title,
    source: null,
    specDir: cwd,
    cwd,
    blocks: [block],
    edges: [],
    runs: [],
    sets: [],
    taskCount: block.count,
    priority: options.priority ?? 0,
    sortMethod: "auto",
    schedulers: [],
  };
}

function usage(message: string, fix: string): HoldallError {
  return new HoldallError("usage", message, { fix });
}

/** The program's name, as far as it is fit for a name. */
function taskTitle(command: readonly string[]): string {
  const word = command.length === 1 ? command[0]!.trim().split(/\s+/)[0]! : command[0]!;
  const name = path
    .basename(word)
    .replaceAll(/[^\w.+-]+/g, "_")
    .replaceAll(/^_+|_+$/g, "")
    .slice(0, 60);
  return name === "" ? "task" : name;
}

/** Tasks are told apart by the last parameter: the index of `--array`, or the number of the line or item from 0. */
function arrayBlock(
  table: ParameterTable,
  title: string,
  command: Command,
  policy: BlockPolicy,
): Block {
  const index = table.names.length - 1;
  return {
    kind: "array",
    first: 0,
    count: parameterCount(table),
    title: `${title}_{${table.names[index]!}}`,
    parameters: table,
    body: { name: [`${title}_`, { p: index }], command },
    ...policy,
  };
}

function readTable(options: AdhocOptions): ParameterTable | null {
  if (options.array !== undefined) {
    const parsed = parseIndices(options.array);
    if ("error" in parsed) throw usage(`--array: ${parsed.error}`, parsed.fix);
    return { names: ["i"], values: [parsed.value], mode: "product" };
  }
  if (options.eachLine !== undefined) {
    const lines = readInput(options, options.eachLine, "--each-line")
      .split(/\r?\n/)
      .filter((line) => line.trim() !== "");
    if (lines.length === 0)
      throw usage(
        `--each-line: ${shownFile(options.eachLine)} has no line`,
        "give one line for each task",
      );
    return numbered(["line"], [lines]);
  }
  if (options.fromJson !== undefined) return jsonTable(options, options.fromJson);
  return null;
}

function shownFile(file: string): string {
  return file === "-" ? "stdin" : file;
}

/** Adds the running number, called `i` unless the items have a key of that name. */
function numbered(names: readonly string[], values: readonly ParameterValues[]): ParameterTable {
  const count = (values[0] as readonly string[]).length;
  const name =
    ["i", "index", "task_index", "_index"].find((free) => !names.includes(free)) ?? "__index";
  return {
    names: [...names, name],
    values: [...values, { from: 0, step: 1, count, decimals: 0 }],
    mode: "zip",
  };
}

function readInput(options: AdhocOptions, file: string, flag: string): string {
  if (options.read) return options.read(file);
  try {
    return readFileSync(file === "-" ? 0 : path.resolve(options.cwd, file), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HoldallError(
      code === "ENOENT" ? "not_found" : "usage",
      `${flag}: cannot read ${shownFile(file)} (${code ?? String(error)})`,
      {
        fix: "name a file that exists, or - for stdin",
        cause: error,
      },
    );
  }
}

function jsonTable(options: AdhocOptions, file: string): ParameterTable {
  const shape = 'write a list: [{"key": value, …}, …] or [value, …]';
  const text = readInput(options, file, "--from-json");
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    throw usage(`--from-json: ${shownFile(file)} is not JSON: ${(error as Error).message}`, shape);
  }
  if (!Array.isArray(items)) throw usage(`--from-json: ${shownFile(file)} holds no list`, shape);
  if (items.length === 0)
    throw usage(
      `--from-json: the list in ${shownFile(file)} is empty`,
      "give one item for each task",
    );
  const isRecord = (item: unknown): item is Record<string, unknown> =>
    typeof item === "object" && item !== null && !Array.isArray(item);
  if (!items.every(isRecord)) {
    if (items.some(isRecord))
      throw usage(`--from-json: ${shownFile(file)} mixes objects with other values`, shape);
    return numbered(["item"], [items.map(jsonText)]);
  }
  const names = Object.keys(items[0] ?? {});
  const bad = names.find((name) => !IDENTIFIER.test(name));
  if (bad !== undefined || names.length === 0) {
    throw usage(
      bad === undefined
        ? "--from-json: the objects are empty"
        : `--from-json: '${bad}' cannot be a parameter's name`,
      "use keys of letters, digits and _, not starting with a digit",
    );
  }
  for (const [i, item] of items.entries()) {
    const missing =
      names.find((name) => !Object.hasOwn(item, name)) ??
      Object.keys(item).find((name) => !names.includes(name));
    if (missing !== undefined)
      throw usage(
        `--from-json: item ${i} and item 0 differ in the key '${missing}'`,
        "give all objects the same keys",
      );
  }
  return numbered(
    names,
    names.map((name) => items.map((item) => jsonText(item[name]))),
  );
}

function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Several words are the argument list; one word with spaces is a command line in which values are quoted. */
function readCommand(words: readonly string[], table: ParameterTable | null): Command {
  const single = words.length === 1 && /\s/.test(words[0]!.trim());
  const template = (text: string): TextTemplate => {
    const parsed = parseTemplate(text, table?.names ?? []);
    if ("error" in parsed) {
      const near = nearest(/^\{+(\w+)/.exec(text.slice(parsed.offset))?.[1] ?? "", table!.names);
      const wanted = near === null ? parsed.fix : `did you mean {${near}}?`;
      throw usage(parsed.error, wanted);
    }
    if (typeof parsed.value !== "string") {
      for (const piece of parsed.value) {
        if (typeof piece === "string" || piece.f === undefined) continue;
        const problem = formatProblem(piece.f, table!.values[piece.p]!);
        if (problem !== null)
          throw usage(`{${table!.names[piece.p]!}}: ${problem}`, "leave the format out");
      }
    }
    return parsed.value;
  };
  if (!single) return { kind: "argv", argv: words.map(template) };
  return { kind: "auto", text: quoteValues(template(words[0]!), table) };
}

/** A value in a command line is one word to the shell, whatever it holds; `{line:s}` puts it in as it is. */
function quoteValues(template: TextTemplate, table: ParameterTable | null): TextTemplate {
  if (typeof template === "string" || table === null) return template;
  let quote = "";
  return template.map((piece) => {
    if (typeof piece === "string") {
      for (let i = 0; i < piece.length; i++) {
        if (piece[i] === "\\" && quote !== "'") i += 1;
        else if (quote === "" && (piece[i] === "'" || piece[i] === '"')) quote = piece[i]!;
        else if (piece[i] === quote) quote = "";
      }
      return piece;
    }
    if (piece.f !== undefined || "step" in table.values[piece.p]!) return piece;
    if (quote !== "") {
      const name = table.names[piece.p]!;
      throw usage(
        `{${name}} stands inside quotes, and it is quoted by itself`,
        `write {${name}} outside the quotes, or {${name}:s} for its text as it is`,
      );
    }
    return { p: piece.p, f: "q" };
  });
}
