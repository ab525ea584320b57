/** Torc's `failure_handlers`: named lists of rules about exit codes. */
import type { ExitRule } from "../core/workflow.ts";
import { isList, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { MAX_RETRIES, readCodes, readCommandText } from "./faults.ts";
import { checkKeys, HANDLER_KEYS, HANDLER_RULE_KEYS, misspelled } from "./fields.ts";
import { readBoolean, readList, readMap, readNumber, readText, type Reader } from "./values.ts";

/** Attempts in total when a rule does not say: Torc's default. */
const TORC_ATTEMPTS = 3;

/** The rules of every handler by name; of one with mistakes, those that could be read. */
export function readFailureHandlers(
  reader: Reader,
  value: SpecValue | undefined,
  specDir: string,
): ReadonlyMap<string, readonly ExitRule[]> {
  const handlers = new Map<string, readonly ExitRule[]>();
  if (value === undefined) return handlers;
  const path: Path = ["failure_handlers"];
  for (const [i, item] of (readList(reader, value, path) ?? []).entries()) {
    const at = [...path, i];
    const map = readMap(reader, item, at);
    if (!map) continue;
    checkKeys(reader, map, HANDLER_KEYS, at, "a failure handler");
    const rules = readRules(reader, map, at, specDir);
    if (!Object.hasOwn(map, "name")) {
      if (!misspelled(map, HANDLER_KEYS, "name"))
        reader.mistakes.add(at, "a failure handler has no name", "add `name:`");
      continue;
    }
    const name = readText(reader, map["name"]!, [...at, "name"]);
    if (name === undefined) continue;
    if (handlers.has(name)) {
      const message = `two failure handlers are called '${name}'`;
      reader.mistakes.add([...at, "name"], message, "rename one of them");
    }
    handlers.set(name, rules);
  }
  return handlers;
}

function readRules(
  reader: Reader,
  handler: SpecMap,
  at: Path,
  specDir: string,
): readonly ExitRule[] {
  const path = [...at, "rules"];
  if (!Object.hasOwn(handler, "rules")) {
    if (!misspelled(handler, HANDLER_KEYS, "rules"))
      reader.mistakes.add(at, "a failure handler has no rules", "add `rules:`, a list");
    return [];
  }
  const list = readList(reader, handler["rules"]!, path);
  if (list?.length === 0)
    reader.mistakes.add(path, "'rules' is an empty list", "add a rule, or remove the handler");
  const rules: ExitRule[] = [];
  for (const [i, item] of (list ?? []).entries()) {
    const map = readMap(reader, item, [...path, i]);
    const rule = map && readRule(reader, map, [...path, i], specDir);
    if (rule) rules.push(rule);
  }
  return rules;
}

function readRule(reader: Reader, map: SpecMap, at: Path, specDir: string): ExitRule | undefined {
  const has = (key: string): boolean => Object.hasOwn(map, key);
  checkKeys(reader, map, HANDLER_RULE_KEYS, at, "a rule of a failure handler");
  const all = has("match_all_exit_codes")
    ? readBoolean(reader, map["match_all_exit_codes"]!, [...at, "match_all_exit_codes"])
    : false;
  // an empty list beside it is how Torc itself writes "all"
  const codes = map["exit_codes"];
  const listed =
    codes === undefined || (all === true && isList(codes) && codes.length === 0)
      ? undefined
      : readCodes(reader, codes, [...at, "exit_codes"], false);
  const meant = ["exit_codes", "match_all_exit_codes"].some(
    (key) => has(key) || misspelled(map, HANDLER_RULE_KEYS, key),
  );
  if (!meant || (!has("exit_codes") && has("match_all_exit_codes") && all === false)) {
    const fix = "add `exit_codes:`, or `match_all_exit_codes: true`";
    reader.mistakes.add(at, "this rule is for no exit code", fix);
  }
  // Torc counts attempts in total
  const limits = { min: 0, max: MAX_RETRIES };
  const attempts = has("max_retries")
    ? readNumber(reader, map["max_retries"]!, [...at, "max_retries"], limits)
    : TORC_ATTEMPTS;
  const script = has("recovery_script")
    ? readCommandText(reader, map["recovery_script"]!, [...at, "recovery_script"], specDir)
    : undefined;
  const exitCodes = all === true ? null : listed;
  if (exitCodes === undefined || attempts === undefined) return undefined;
  return { exitCodes, retries: Math.max(0, attempts - 1), recovery: script ?? null };
}
