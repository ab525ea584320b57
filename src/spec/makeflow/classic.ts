/** A classic Makeflow file into rules: lines that begin with a blank are commands, the others rules and variables. */
import type { Place } from "../../core/error.ts";
import { linesOf } from "../document.ts";
import { nearest } from "../nearest.ts";
import type { NestedReader } from "./nested.ts";
import { isResource, resourcesOf, unitOf, unquoted } from "./resources.ts";
import { ruleFiles } from "./rule-files.ts";
import {
  amountOf,
  type FileUse,
  type Gathered,
  MAX_RULES,
  MODES,
  RESOURCES,
  type Rule,
} from "./rules.ts";
import { DEFAULT, makeVariables } from "./variables.ts";
import { type Cursor, Stop, stopAt, wordReader } from "./words.ts";

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
    return stopAt(
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
      stopAt(`'${name}' is followed by '${sign[0] ?? ""}' where = or += should be`, fix, cursor.at);
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
      if (named === "") stopAt(`${name} names no category`, `write ${name}=NAME`, start);
      if (pending) pending.category = named;
      else category = named;
    } else if (isResource(name) && amountOf(unquoted(value)) === null) {
      stopAt(`${name} takes an amount, not '${value}'`, `write a number, ${unitOf(name)}`, start);
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
      if (name === "") stopAt("export names no variable", "write export NAME=VALUE", start);
      blanks();
      exported.add(name);
      variable(name, start);
      return;
    }
    const names = words
      .value(cursor)
      .split(/[\s,]+/)
      .filter(Boolean);
    if (names.length === 0) stopAt("export names no variable", "write export NAME", start);
    for (const name of names) {
      if (/^[A-Za-z_]\w*$/.test(name)) exported.add(name);
      else stopAt(`'${name}' cannot be exported`, "name a variable: letters, digits and _", start);
    }
  }

  function directive(name: string, start: number): void {
    const [key = "", ...values] = words.value(cursor).split(/\s+/).filter(Boolean).map(unquoted);
    const value = values[0];
    if (name === ".SIZE") {
      if (value === undefined || amountOf(value) === null || values.length > 1)
        stopAt(".SIZE takes a file and its size", "write .SIZE FILE BYTES", start);
      return;
    }
    if (name === ".UMBRELLA")
      stopAt(
        "Umbrella specifications are not read",
        "run the command in a container yourself",
        start,
      );
    if (name !== ".MAKEFLOW") {
      const fix = `write .MAKEFLOW CATEGORY NAME, .MAKEFLOW CORES N or .SIZE FILE BYTES`;
      stopAt(`there is no directive '${name}'`, fix, start);
    }
    if (key === "") stopAt(".MAKEFLOW says nothing", "write .MAKEFLOW CORES 1", start);
    if (value === undefined || values.length > 1)
      stopAt(`.MAKEFLOW ${key} takes one value`, `write .MAKEFLOW ${key} VALUE`, start);
    if (key === "MODE") {
      if (!Object.hasOwn(MODES, value)) {
        const fix = `write ${Object.keys(MODES).join(", ")}`;
        stopAt(`'${value}' is no mode of a category`, fix, start);
      }
      all.modes.set(pending?.category ?? category, MODES[value]!);
    } else if (key === "CATEGORY" || isResource(key)) assign(key, value, false, start);
    else {
      const known = ["CATEGORY", "MODE", ...RESOURCES];
      const near = nearest(key, known);
      const fix = near === null ? `there is ${known.join(", ")}` : `did you mean ${near}?`;
      stopAt(`.MAKEFLOW has no '${key}'`, fix, start);
    }
  }

  function rule(start: number): void {
    unfinished();
    const { inputs, outputs } = ruleFiles(words.files(cursor), place);
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

  function command(start: number): void {
    blanks();
    const at = cursor.at;
    let read = words.command(cursor);
    if (read === "") return;
    if (!pending) {
      stopAt(
        last === null
          ? "this command belongs to no rule"
          : "a rule has one command, and this is another",
        last === null
          ? "write targets: sources above it, or take away the blanks before it"
          : String.raw`join them with && or ;, and end lines that go on with \ `.trimEnd(),
        start,
      );
    }
    const done = pending;
    pending = null;
    last = done;
    const local = unquoted(
      variables.lookup("BATCH_LOCAL", done.number, done.category, done.own) ?? "",
    );
    done.rule.local = /^(?:1|y|yes|t|true)$/i.test(local);
    let nested = false;
    for (let match; (match = /^(LOCAL|MAKEFLOW)(?: |$)/.exec(read));) {
      if (match[1] === "LOCAL") done.rule.local = true;
      else nested = true;
      read = read.slice(match[0].length);
    }
    done.rule.commandPlace = place(at);
    if (read === "")
      stopAt("the command is empty", nested ? "write MAKEFLOW FILE" : "write one after LOCAL", at);
    done.rule.command = read;
    finish(done);
    if (!nested) {
      found.push(done.rule);
      return;
    }
    const parts = read.match(/"[^"]*"|'[^']*'|\S+/g)!.map(unquoted);
    if (parts.length > 2)
      stopAt(
        "MAKEFLOW takes a file and a folder",
        "write MAKEFLOW FILE or MAKEFLOW FILE FOLDER",
        at,
      );
    // what is exported is in the environment of the nested workflow too
    exportTo(done);
    for (const each of source.nested(done.rule, parts[0]!, parts[1] ?? "", null)) found.push(each);
  }

  function finish(done: Pending): void {
    finished.push(done);
    if (finished.length + all.rules.length > MAX_RULES)
      stopAt(`there are more than ${MAX_RULES} rules`, "make several workflows", cursor.at);
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

  function readLine(): void {
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
        stopAt(
          "':=' is no sign of Makeflow",
          "write =; values are read where they are written",
          start + colon,
        );
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
      readLine();
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
