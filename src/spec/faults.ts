/** `retry_on`, `backoff`, `exit_codes`, `crash_limit` and Torc's failure handlers into a fault policy. */
import { DEFAULT_BACKOFF } from "../core/faults.ts";
import { type Outcome, OUTCOMES } from "../core/states.ts";
import { parseDuration } from "../core/units.ts";
import type { Backoff, ExitRule, FaultPolicy, ParameterTable } from "../core/workflow.ts";
import { isList, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { BACKOFF_KEYS, checkKeys, EXIT_RULE_KEYS, misspelled } from "./fields.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import {
  nameFix,
  readList,
  readMap,
  readNumber,
  readText,
  readUnit,
  type Reader,
} from "./values.ts";

/** Attempts are numbered in 16 bits, with room left for those that are lost with their worker. */
export const MAX_RETRIES = 60_000;

/** The others are no failures. */
const RETRIABLE: readonly Outcome[] = OUTCOMES.filter(
  (outcome) => outcome !== "ok" && outcome !== "superseded" && outcome !== "canceled",
);

export interface FaultContext extends Reader {
  readonly specDir: string;
  /** rules of the workflow's failure handlers, by name */
  readonly handlers: ReadonlyMap<string, readonly ExitRule[]>;
}

/** Undefined when the task says nothing about faults beside `retries`. */
export function readFaults(
  context: FaultContext,
  task: SpecMap,
  at: Path,
  table: ParameterTable | null,
): FaultPolicy | undefined {
  const has = (key: string): boolean => Object.hasOwn(task, key);
  const faults: FaultPolicy = {};
  if (has("retry_on")) {
    const retryOn = readRetryOn(context, task["retry_on"]!, [...at, "retry_on"]);
    if (retryOn) faults.retryOn = retryOn;
  }
  if (has("backoff")) {
    const backoff = readBackoff(context, task["backoff"]!, [...at, "backoff"]);
    if (backoff) faults.backoff = backoff;
  }
  if (has("exit_codes")) {
    const rules = readExitRules(context, task["exit_codes"]!, [...at, "exit_codes"], table);
    if (rules) faults.exitRules = rules;
  }
  if (has("failure_handler")) {
    const rules = readHandlerName(context, task, [...at, "failure_handler"]);
    if (rules) faults.exitRules = rules;
  }
  if (has("crash_limit")) {
    const limits = { min: 1, max: MAX_RETRIES };
    const limit = readNumber(context, task["crash_limit"]!, [...at, "crash_limit"], limits);
    if (limit !== undefined) faults.crashLimit = limit;
  }
  return Object.keys(faults).length > 0 ? faults : undefined;
}

function readRetryOn(
  reader: Reader,
  value: SpecValue,
  path: Path,
): Partial<Record<Outcome, number>> | undefined {
  const map = readMap(reader, value, path);
  if (!map) return undefined;
  for (const key of Object.keys(map)) {
    if ((RETRIABLE as readonly string[]).includes(key)) continue;
    const isOutcome = (OUTCOMES as readonly string[]).includes(key);
    const message = isOutcome
      ? `an attempt that ended with '${key}' is never tried again`
      : `there is no outcome '${key}'`;
    const fix = isOutcome ? "remove it" : nameFix(key, RETRIABLE, "");
    reader.mistakes.add([...path, key], message, fix, { key: true });
  }
  // in the order of the outcomes, so that equal policies are equal however they are written
  const retryOn: Partial<Record<Outcome, number>> = {};
  for (const outcome of RETRIABLE) {
    if (!Object.hasOwn(map, outcome)) continue;
    const limits = { min: 0, max: MAX_RETRIES };
    const retries = readNumber(reader, map[outcome]!, [...path, outcome], limits);
    if (retries !== undefined) retryOn[outcome] = retries;
  }
  return Object.keys(retryOn).length > 0 ? retryOn : undefined;
}

function readBackoff(reader: Reader, value: SpecValue, path: Path): Backoff | undefined {
  const map = readMap(reader, value, path);
  if (!map) return undefined;
  checkKeys(reader, map, BACKOFF_KEYS, path, "a back-off");
  const duration = (key: string): number | undefined =>
    Object.hasOwn(map, key)
      ? readUnit(reader, map[key]!, [...path, key], parseDuration)
      : undefined;
  const number = (key: string, min: number, max: number): number | undefined =>
    Object.hasOwn(map, key)
      ? readNumber(reader, map[key]!, [...path, key], { min, max, integer: false })
      : undefined;
  const initial = duration("initial");
  const max = duration("max");
  if (initial !== undefined && max !== undefined && initial > max) {
    const message = "the first delay of a back-off is longer than its longest";
    reader.mistakes.add([...path, "max"], message, "make 'max' at least as long as 'initial'");
  }
  // what is left out never contradicts what is given
  const initialSeconds =
    initial ?? Math.min(DEFAULT_BACKOFF.initialSeconds, max ?? DEFAULT_BACKOFF.maxSeconds);
  return {
    initialSeconds,
    factor: number("factor", 1, 1000) ?? DEFAULT_BACKOFF.factor,
    maxSeconds: max ?? Math.max(DEFAULT_BACKOFF.maxSeconds, initialSeconds),
    jitter: number("jitter", 0, 1) ?? DEFAULT_BACKOFF.jitter,
  };
}

function readExitRules(
  context: FaultContext,
  value: SpecValue,
  path: Path,
  table: ParameterTable | null,
): readonly ExitRule[] | undefined {
  const list = readList(context, value, path);
  if (list?.length === 0)
    context.mistakes.add(path, "'exit_codes' is an empty list", "add a rule, or remove the key");
  const rules: ExitRule[] = [];
  const seen = new Set<number | null>();
  for (const [i, item] of (list ?? []).entries()) {
    const at = [...path, i];
    const map = readMap(context, item, at);
    if (!map) continue;
    checkKeys(context, map, EXIT_RULE_KEYS, at, "a rule of 'exit_codes'");
    const exitCodes = readRuleCodes(context, map, at);
    for (const code of exitCodes === undefined ? [] : (exitCodes ?? [null])) {
      if (seen.has(code)) {
        const which = code === null ? "all exit codes" : `exit code ${code}`;
        const message = `two rules are for ${which}, and only the first would count`;
        context.mistakes.add([...at, "codes"], message, "keep one of them");
      }
      seen.add(code);
    }
    const retries = readRuleRetries(context, map, at);
    const recovery = readRecovery(context, map, at, table);
    if (retries === 0 && recovery !== null) {
      const message = "a recovery command without retries never runs";
      const fix = "give the rule retries, or remove the recovery";
      context.mistakes.add([...at, "recovery"], message, fix, { key: true });
    }
    if (exitCodes !== undefined && retries !== undefined)
      rules.push({ exitCodes, retries, recovery });
  }
  return rules.length > 0 ? rules : undefined;
}

function readRuleCodes(
  reader: Reader,
  map: SpecMap,
  at: Path,
): readonly number[] | null | undefined {
  if (!Object.hasOwn(map, "codes")) {
    if (misspelled(map, EXIT_RULE_KEYS, "codes")) return undefined;
    const fix = "add `codes:`, a list of exit codes or any";
    reader.mistakes.add(at, "a rule of 'exit_codes' has no codes", fix);
    return undefined;
  }
  const value = map["codes"]!;
  return value === "any" ? null : readCodes(reader, value, [...at, "codes"], true);
}

/** Exit codes of failures, in order and each once. `single`: one number and the word `any` are known as well. */
export function readCodes(
  reader: Reader,
  value: SpecValue,
  path: Path,
  single: boolean,
): readonly number[] | undefined {
  const limits = { min: 1, max: 255 };
  if (single && value instanceof Literal && typeof value.value === "number") {
    const code = readNumber(reader, value, path, limits);
    return code === undefined ? undefined : [code];
  }
  if (single && typeof value === "string") {
    const message = `'${String(path.at(-1))}' must be any or a list of exit codes, not '${value}'`;
    reader.mistakes.add(path, message, "write any, or a list such as [1, 2]");
    return undefined;
  }
  const list = readList(reader, value, path);
  if (!list || !isList(value)) return undefined;
  if (list.length === 0) {
    const message = `'${String(path.at(-1))}' is an empty list`;
    reader.mistakes.add(path, message, "name at least one exit code from 1 to 255");
    return undefined;
  }
  const codes = new Set<number>();
  let wrong = false;
  for (const [i, item] of list.entries()) {
    const code = readNumber(reader, item, [...path, i], limits);
    if (code === undefined) wrong = true;
    else codes.add(code);
  }
  return wrong ? undefined : [...codes].toSorted((a, b) => a - b);
}

function readRuleRetries(reader: Reader, map: SpecMap, at: Path): number | undefined {
  if (Object.hasOwn(map, "retries"))
    return readNumber(reader, map["retries"]!, [...at, "retries"], { min: 0, max: MAX_RETRIES });
  if (misspelled(map, EXIT_RULE_KEYS, "retries")) return undefined;
  const fix = "add `retries:`, how many further attempts there are";
  reader.mistakes.add(at, "a rule of 'exit_codes' has no retries", fix);
  return undefined;
}

function readRecovery(
  context: FaultContext,
  map: SpecMap,
  at: Path,
  table: ParameterTable | null,
): string | null {
  if (!Object.hasOwn(map, "recovery")) return null;
  const path = [...at, "recovery"];
  const recovery = readCommandText(context, map["recovery"]!, path, context.specDir);
  for (const [needle, name] of recovery?.matchAll(/(?<![${])\{(\w+)(?::[^{}]*)?\}/g) ?? []) {
    if (!table?.names.includes(name!)) continue;
    const message = `${needle} has no value in a recovery command, which all tasks of the array share`;
    context.mistakes.add(path, message, "tell the tasks apart by $HOLDALL_TASK", { needle });
  }
  return recovery ?? null;
}

/** A command line without parameters. */
export function readCommandText(
  reader: Reader,
  value: SpecValue,
  path: Path,
  specDir: string,
): string | undefined {
  const text = readText(reader, value, path);
  if (text?.includes("\0"))
    reader.mistakes.add(path, "a command cannot hold a NUL character", "remove it");
  return text === undefined ? undefined : (substituteSpecDir(text, specDir, true) as string);
}

function readHandlerName(
  context: FaultContext,
  task: SpecMap,
  path: Path,
): readonly ExitRule[] | undefined {
  if (Object.hasOwn(task, "exit_codes")) {
    const message = "'failure_handler' and 'exit_codes' are both given";
    context.mistakes.add(path, message, "keep one of them", { key: true });
  }
  const name = readText(context, task["failure_handler"]!, path);
  if (name === undefined) return undefined;
  const rules = context.handlers.get(name);
  if (rules) return rules.length > 0 ? rules : undefined;
  const fix = nameFix(name, context.handlers.keys(), "add it to failure_handlers");
  context.mistakes.add(path, `no failure handler is called '${name}'`, fix);
  return undefined;
}
