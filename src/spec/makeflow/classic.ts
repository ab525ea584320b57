/** A classic Makeflow file into rules: lines that begin with a blank are commands, the others rules and variables. */
import type { Place } from "../../core/error.ts";
import { linesOf } from "../document.ts";
import { nearest } from "../nearest.ts";
import type { NestedReader } from "./nested.ts";
import {
  amountOf,
  type FileUse,
  type Gathered,
  MAX_RULES,
  MODES,
  type Resource,
  RESOURCES,
  type Resources,
  type Rule,
} from "./rules.ts";
import { DEFAULT, makeVariables } from "./variables.ts";
import { type Cursor, Stop, wordReader } from "./words.ts";

/** A mistake in one line says nothing of the next; after so many nobody reads on. */
const MOST_MISTAKES = 200;

interface Pending {
  rule: Rule;
  /** its own variables */
  own: Map<string, string>;
  category: string;
  number: number;
  /** stands for a rule that could not be read, so that its command is none too many */
  lost?: boolean;
}

export interface ClassicSource {
  /** as users are told of it */
  file: string;
  text: string;
  /** folder that its rules run in, relative to where the workflow runs; "" = there */
  dir: string;
  environment: Readonly<Record<string, string | undefined>>;
  nested: NestedReader;
}

/** Reads a file's rules into `all`, in order. */
export function readClassic(source: ClassicSource, all: Gathered): void {
  const { file, dir } = source;
  const text = source.text.replace(/^\uFEFF/, " ").replaceAll("\r\n", " \n");
  const lines = linesOf(text);
  const place = (offset: number): Place => ({ file, ...lines(Math.min(offset, text.length)) });
  const variables = makeVariables(source.environment);
  const exported = new Set<string>();
  const finished: Pending[] = [];
  const cursor: Cursor & { at: number } = { text, at: 0, used: null, depth: 0 };
  let category: string = DEFAULT;
  let pending: Pending | null = null;
  let last: Pending | null = null;
  const found: Rule[] = [];
  let told = 0;
  const warned = new Set<string>();

  const numberNow = (): number => pending?.number ?? finished.length;
  const lookup = (name: string): string | undefined =>
    variables.lookup(name, numberNow(), pending?.category ?? category, pending?.own);
  let missing = "";
  const words = wordReader(
    (name) => {
      missing = name;
      return lookup(name);
    },
    () => {
      const near = nearest(missing, [...variables.names(), ...(pending?.own.keys() ?? [])]);
      return near === null ? "" : ` (did you mean ${near}?)`;
    },
  );

  const tell = (message: string, fix: string, offset: number): void => {
    told += 1;
    all.mistakes.push({ message, fix, place: place(offset) });
  };
  const warn = (key: string, message: string, fix: string, offset: number): void => {
    if (warned.has(key)) return;
    warned.add(key);
    all.warnings.push({ message, fix, place: place(offset) });
  };
  const stop = (message: string, fix: string, offset: number): never => {
    // oxlint-disable-next-line no-throw-literal -- a signal with its place, caught below
    throw new Stop(message, fix, offset);
  };

  /** How far `mark` is ahead in this line, outside quotes; -1 = it is not. */
  function ahead(mark: string): number {
    let quote = "";
    for (let i = cursor.at; i < text.length && text[i] !== "\n"; i++) {
      const character = text[i]!;
      if (quote !== "") quote = character === quote ? "" : quote;
      else if (character === mark) return i - cursor.at;
      else if (character === "\\") i += 1;
      else if (character === '"' || character === "'") quote = character;
    }
    return -1;
  }

  function blanks(): void {
    while (text[cursor.at] === " " || text[cursor.at] === "\t") cursor.at += 1;
  }

  function statement(): void {
    const start = cursor.at;
    const dot = text[start] === ".";
    if (dot) cursor.at += 1;
    const name = words.name(cursor);
    blanks();
    if (!dot && name === "export") exporting(start);
    else if (!dot && name !== "" && ahead("=") >= 0) variable(name, start);
    else if (dot) directive(`.${name}`, start);
    else unknown(start);
  }

  function unknown(start: number): never {
    const line = text.slice(start).split("\n", 1)[0]!.trim();
    const word = /^\S*/.exec(line)![0];
    const shown = line.length > 60 ? `${line.slice(0, 57)}...` : line;
    const known = /^-?(?:include|define|ifdef|ifeq|ifndef|ifneq|endif|else|unexport|vpath)$/;
    return stop(
      `'${shown}' is no rule, no variable and no command`,
      known.test(word)
        ? `Makeflow has no '${word}'; write out what it stands for`
        : "write targets: sources, NAME=VALUE, or begin a command with a tab",
      start,
    );
  }

  function variable(name: string, start: number): void {
    const appends = text[cursor.at] === "+" && text[cursor.at + 1] === "=";
    if (!appends && text[cursor.at] !== "=") {
      const sign = text.slice(cursor.at, cursor.at + 2);
      const fix = /^[:?!]=/.test(sign)
        ? `write ${name}=VALUE; values are read where they are written`
        : `write ${name}=VALUE`;
      stop(`'${name}' is followed by '${sign[0] ?? ""}' where = or += should be`, fix, cursor.at);
    }
    cursor.at += appends ? 2 : 1;
    blanks();
    assign(name, words.value(cursor), appends, start);
  }

  function assign(name: string, value: string, appends: boolean, start: number): void {
    if (pending) {
      const before = appends ? lookup(name) : undefined;
      pending.own.set(name, before === undefined ? value : `${before} ${value}`);
    } else if (appends) variables.append(name, value, numberNow(), category);
    else {
      const where = name === "CATEGORY" || name === "SYMBOL" ? DEFAULT : category;
      variables.set(name, value, numberNow(), where);
    }
    if (name === "CATEGORY" || name === "SYMBOL") {
      const named = unquoted(value);
      if (named === "") stop(`${name} names no category`, `write ${name}=NAME`, start);
      if (pending) pending.category = named;
      else category = named;
    } else if (isResource(name) && amountOf(unquoted(value)) === null) {
      stop(`${name} takes an amount, not '${value}'`, `write a number, ${unitOf(name)}`, start);
    } else if (name === "BATCH_OPTIONS") {
      warn(
        name,
        "BATCH_OPTIONS are options of a batch system and change nothing here",
        "give options of Slurm in slurm_schedulers of a native document, or to holdall serve",
        start,
      );
    }
  }

  function exporting(start: number): void {
    if (ahead("=") >= 0) {
      const name = words.name(cursor);
      if (name === "") stop("export names no variable", "write export NAME=VALUE", start);
      blanks();
      exported.add(name);
      variable(name, start);
      return;
    }
    const names = words.value(cursor).split(/[\s,]+/).filter(Boolean);
    if (names.length === 0) stop("export names no variable", "write export NAME", start);
    for (const name of names) {
      if (/^[A-Za-z_]\w*$/.test(name)) exported.add(name);
      else stop(`'${name}' cannot be exported`, "name a variable: letters, digits and _", start);
    }
  }

  function directive(name: string, start: number): void {
    const [key = "", ...values] = words
      .value(cursor)
      .split(/\s+/)
      .filter(Boolean)
      .map(unquoted);
    const value = values[0];
    if (name === ".SIZE") {
      if (value === undefined || amountOf(value) === null || values.length > 1)
        stop(".SIZE takes a file and its size", "write .SIZE FILE BYTES", start);
      return;
    }
    if (name === ".UMBRELLA")
      stop("Umbrella specifications are not read", "run the command in a container yourself", start);
    if (name !== ".MAKEFLOW") {
      const fix = `write .MAKEFLOW CATEGORY NAME, .MAKEFLOW CORES N or .SIZE FILE BYTES`;
      stop(`there is no directive '${name}'`, fix, start);
    }
    if (key === "") stop(".MAKEFLOW says nothing", "write .MAKEFLOW CORES 1", start);
    if (value === undefined || values.length > 1)
      stop(`.MAKEFLOW ${key} takes one value`, `write .MAKEFLOW ${key} VALUE`, start);
    if (key === "MODE") {
      if (!Object.hasOwn(MODES, value!)) {
        const fix = `write ${Object.keys(MODES).join(", ")}`;
        stop(`'${value}' is no mode of a category`, fix, start);
      }
      all.modes.set(pending?.category ?? category, MODES[value!]!);
    } else if (key === "CATEGORY" || isResource(key)) assign(key, value!, false, start);
    else {
      const known = ["CATEGORY", "MODE", ...RESOURCES];
      const near = nearest(key, known);
      const fix = near === null ? `there is ${known.join(", ")}` : `did you mean ${near}?`;
      stop(`.MAKEFLOW has no '${key}'`, fix, start);
    }
  }

  function rule(start: number): void {
    unfinished();
    const read = words.files(cursor);
    const outputs: FileUse[] = [];
    const inputs: FileUse[] = [];
    let list = outputs;
    for (let i = 0; i < read.length; i++) {
      const word = read[i]!;
      if (word.kind === "colon") list = inputs;
      else if (word.kind === "arrow") {
        const message = "-> stands before or after nothing";
        stop(message, String.raw`write FILE->NAME, or \-\> in a name`, word.offset);
      } else {
        checkName(word.text, word.quoted, word.offset);
        let as: string | null = null;
        if (read[i + 1]?.kind === "arrow") {
          const name = read[i + 2];
          if (name?.kind !== "file") {
            const message = `'${word.text}->' does not say what the command calls the file`;
            return stop(message, `write ${word.text}->NAME without a blank`, word.offset);
          }
          checkName(name.text, name.quoted, name.offset);
          as = name.text;
          i += 2;
        }
        list.push({ path: word.text, as, place: place(word.offset) });
      }
    }
    pending = begun(start, inputs, outputs);
  }

  function begun(start: number, inputs: FileUse[], outputs: FileUse[]): Pending {
    const at = place(start);
    return {
      rule: {
        place: at,
        dir,
        command: "",
        commandPlace: at,
        inputs,
        outputs,
        category: null,
        env: {},
        resources: {},
        local: false,
      },
      own: new Map(),
      category,
      number: finished.length,
    };
  }

  function checkName(name: string, quoted: boolean, offset: number): void {
    if (name === "") stop("a file has no name", 'write its name instead of ""', offset);
    if (quoted) return;
    if (/[*?]/.test(name))
      stop(`'${name}': Makeflow has no wildcards`, "name every file, or put the rules together with JX: listdir() and a comprehension", offset);
    if (name.includes("%"))
      stop(`'${name}': Makeflow has no rules for patterns`, `write one rule for each file, or use JX; '${name}' in quotes is a file of this name`, offset);
  }

  function command(start: number): void {
    blanks();
    const at = cursor.at;
    let read = words.command(cursor);
    if (read === "") return;
    if (!pending) {
      stop(
        last === null ? "this command belongs to no rule" : "a rule has one command, and this is another",
        last === null
          ? "write targets: sources above it, or take away the blanks before it"
          : String.raw`join them with && or ;, and end lines that go on with \ `.trimEnd(),
        start,
      );
    }
    const done = pending!;
    pending = null;
    last = done;
    const local = unquoted(variables.lookup("BATCH_LOCAL", done.number, done.category, done.own) ?? "");
    done.rule.local = /^(?:1|y|yes|t|true)$/i.test(local);
    let nested = false;
    for (let match; (match = /^(LOCAL|MAKEFLOW)(?: |$)/.exec(read)); ) {
      if (match[1] === "LOCAL") done.rule.local = true;
      else nested = true;
      read = read.slice(match[0].length);
    }
    done.rule.commandPlace = place(at);
    if (read === "") stop("the command is empty", nested ? "write MAKEFLOW FILE" : "write one after LOCAL", at);
    done.rule.command = read;
    finish(done);
    if (!nested) {
      found.push(done.rule);
      return;
    }
    const parts = read.match(/"[^"]*"|'[^']*'|\S+/g)!.map(unquoted);
    if (parts.length > 2)
      stop("MAKEFLOW takes a file and a folder", "write MAKEFLOW FILE or MAKEFLOW FILE FOLDER", at);
    // what is exported is in the environment of the nested workflow too
    exportTo(done);
    for (const each of source.nested(done.rule, parts[0]!, parts[1] ?? "", null)) found.push(each);
  }

  function finish(done: Pending): void {
    finished.push(done);
    if (finished.length + all.rules.length > MAX_RULES)
      stop(`there are more than ${MAX_RULES} rules`, "make several workflows", cursor.at);
    const { rule: each } = done;
    const look = (name: string): string | undefined =>
      variables.lookup(name, done.number, done.category, done.own);
    if (done.category !== DEFAULT) each.category = done.category;
    each.resources = resourcesOf(look);
    const threads = look("OMP_NUM_THREADS");
    if (threads === undefined && each.resources.CORES !== undefined)
      each.env["OMP_NUM_THREADS"] = String(each.resources.CORES);
  }

  function unfinished(): void {
    if (!pending) return;
    const { rule: each, lost: isTold } = pending;
    pending = null;
    if (isTold) return;
    const what = each.outputs[0]?.path ?? each.inputs[0]?.path ?? "nothing";
    all.mistakes.push({
      message: `the rule for '${what}' has no command`,
      fix: "write its command on the next line, after a tab",
      place: each.place,
    });
  }

  function line(): void {
    const start = cursor.at;
    const character = text[start]!;
    if (character === "\n") cursor.at += 1;
    else if (character === "#") skipLine();
    else if (character === " " || character === "\t") command(start);
    else if (character === "@") {
      cursor.at += 1;
      statement();
    } else {
      const colon = ahead(":");
      const equal = ahead("=");
      if (colon >= 0 && equal === colon + 1)
        stop("':=' is no sign of Makeflow", "write =; values are read where they are written", start + colon);
      if (colon >= 0 && (equal < 0 || colon < equal)) rule(start);
      else statement();
    }
  }

  function skipLine(): void {
    const end = text.indexOf("\n", cursor.at);
    cursor.at = end < 0 ? text.length : end + 1;
  }

  while (cursor.at < text.length && told < MOST_MISTAKES) {
    const start = cursor.at;
    try {
      line();
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      tell(error.message, error.fix, error.offset);
      const isCommand = text[start] === " " || text[start] === "\t";
      // a rule whose first line is wrong still has the command after it
      if (isCommand) {
        if (pending) last = pending;
        pending = null;
      } else if (ahead0(start)) pending ??= lost(start);
      cursor.at = start;
      skipLine();
    }
  }
  unfinished();

  function ahead0(start: number): boolean {
    cursor.at = start;
    return ahead(":") >= 0;
  }

  function lost(start: number): Pending {
    return { ...begun(start, [], []), lost: true };
  }

  function exportTo({ rule: each, number, category: of, own }: Pending): void {
    for (const name of exported) {
      const value = variables.lookup(name, number, of, own);
      if (value !== undefined) each.env[name] = unquoted(value);
    }
  }

  // `export` anywhere is for all rules
  for (const each of finished) exportTo(each);
  for (const each of found) all.rules.push(each);
}

function isResource(name: string): name is Resource {
  return (RESOURCES as readonly string[]).includes(name);
}

function unitOf(name: Resource): string {
  if (name === "WALL_TIME") return "in seconds";
  return name === "MEMORY" || name === "DISK" ? "in MB" : "such as 2";
}

function resourcesOf(look: (name: string) => string | undefined): Resources {
  const resources: Resources = {};
  for (const name of RESOURCES) {
    const value = look(name);
    const amount = value === undefined ? null : amountOf(unquoted(value));
    if (amount !== null) resources[name] = amount;
  }
  return resources;
}

/** Without the quotes around the whole. */
function unquoted(text: string): string {
  const trimmed = text.trim();
  const match = /^"([^"]*)"$|^'([^']*)'$/.exec(trimmed);
  return match ? (match[1] ?? match[2]!) : trimmed;
}
