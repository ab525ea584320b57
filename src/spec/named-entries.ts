/** `files` and `user_data` of a document. */
import { formatProblem, parseTemplate } from "../core/template.ts";
import { valueCount } from "../core/parameters.ts";
import type { ParameterTable, TextTemplate, UserData } from "../core/workflow.ts";
import { isList, isMap, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, FILE_KEYS, misspelled, USER_DATA_KEYS } from "./fields.ts";
import { type Registry, registry, type RegistryEntry } from "./registry.ts";
import { substituteSpecDir } from "./spec-dir.ts";
import { type NamedValues, readTable } from "./tables.ts";
import { readBoolean, readList, readMap, readText, type Reader, withoutNulls } from "./values.ts";

export interface EntryContext extends Reader {
  readonly specDir: string;
  readonly parameters: NamedValues;
}

/** The document's `files`, or null when it has none: then what tasks list are paths. */
export function readFiles(context: EntryContext, value: SpecValue | undefined): Registry | null {
  if (value === undefined) return null;
  const entries: RegistryEntry[] = [];
  for (const { map, at, table, name } of named(context, value, ["files"], FILE_KEYS, "a file")) {
    if (!Object.hasOwn(map, "path")) {
      if (!misspelled(map, FILE_KEYS, "path"))
        context.mistakes.add(at, "a file has no path", "add `path:`");
      continue;
    }
    const text = readText(context, map["path"]!, [...at, "path"]);
    const path = text === undefined ? null : templateOf(context, text, table, [...at, "path"]);
    if (name === null || path === null) continue;
    const narrowed = table && narrow(context, { name, path }, table, at);
    entries.push(
      narrowed ?? { name, path: substituteSpecDir(path, context.specDir, false), table },
    );
  }
  return unambiguous(context, entries, "files");
}

/** What user data a document has, and its values. */
export interface UserDataEntries {
  registry: Registry;
  values: ReadonlyMap<string, UserData>;
}

export function readUserData(
  context: EntryContext,
  value: SpecValue | undefined,
): UserDataEntries | null {
  if (value === undefined) return null;
  const entries: RegistryEntry[] = [];
  const values = new Map<string, UserData>();
  const found = named(context, value, ["user_data"], USER_DATA_KEYS, "a piece of user data");
  for (const { map, at, table, name, title: shown } of found) {
    const ephemeral =
      Object.hasOwn(map, "is_ephemeral") &&
      readBoolean(context, map["is_ephemeral"]!, [...at, "is_ephemeral"]) === true;
    if (name === null) continue;
    entries.push({ name, path: name, table });
    const data = Object.hasOwn(map, "data") ? { data: plain(map["data"]!) } : {};
    values.set(shown, { name: shown, ...data, ephemeral });
  }
  return { registry: unambiguous(context, entries, "user_data"), values };
}

interface Named {
  map: SpecMap;
  at: Path;
  table: ParameterTable | null;
  name: TextTemplate | null;
  /** the name as written */
  title: string;
}

function named(
  context: EntryContext,
  value: SpecValue,
  path: Path,
  keys: typeof FILE_KEYS,
  owner: string,
): Named[] {
  const found: Named[] = [];
  for (const [i, item] of (readList(context, value, path) ?? []).entries()) {
    if (context.mistakes.enough) break;
    const at = [...path, i];
    const whole = readMap(context, item, at);
    if (!whole) continue;
    const map = withoutNulls(whole);
    checkKeys(context, map, keys, at, owner);
    const table = readTable(context, map, at, context.parameters);
    let name: TextTemplate | null = null;
    let title = "";
    if (Object.hasOwn(map, "name")) {
      const text = readText(context, map["name"]!, [...at, "name"]);
      title = text ?? "";
      if (text !== undefined) name = templateOf(context, text, table, [...at, "name"]);
    } else if (!misspelled(map, keys, "name")) {
      context.mistakes.add(at, `${owner} has no name`, "add `name:`");
    }
    found.push({ map, at, table, name, title });
  }
  return found;
}

function templateOf(
  context: EntryContext,
  text: string,
  table: ParameterTable | null,
  where: Path,
): TextTemplate | null {
  if (table === null) return text;
  const parsed = parseTemplate(text, table.names);
  if ("error" in parsed) {
    const needle = /^\{[^{}]*\}/.exec(text.slice(parsed.offset))?.[0] ?? "{";
    context.mistakes.add(where, parsed.error, parsed.fix, { needle });
    return null;
  }
  for (const piece of typeof parsed.value === "string" ? [] : parsed.value) {
    if (typeof piece === "string" || piece.f === undefined) continue;
    const problem = formatProblem(piece.f, table.values[piece.p]!);
    const name = table.names[piece.p]!;
    if (problem !== null)
      context.mistakes.add(where, `parameter '${name}': ${problem}`, `write {${name}}`, {
        needle: `{${name}:${piece.f}}`,
      });
  }
  return parsed.value;
}

/** An entry of parameters that do not show in its name is as often there as they have values: told when its path differs, else once. */
function narrow(
  context: EntryContext,
  entry: { name: TextTemplate; path: TextTemplate },
  table: ParameterTable,
  at: Path,
): RegistryEntry {
  const path = substituteSpecDir(entry.path, context.specDir, false);
  if (table.mode === "zip") return { name: entry.name, path, table };
  const used = (template: TextTemplate): Set<number> =>
    new Set(
      (typeof template === "string" ? [] : template).flatMap((piece) =>
        typeof piece === "string" ? [] : [piece.p],
      ),
    );
  const [inName, inPath] = [used(entry.name), used(path)];
  for (const p of inPath) {
    if (inName.has(p) || valueCount(table.values[p]!) < 2) continue;
    const name = table.names[p]!;
    context.mistakes.add(
      [...at, "name"],
      `several files would have this name: the path uses '${name}' and the name does not`,
      `put {${name}} into the name`,
    );
  }
  // parameters that nothing uses would only repeat it
  const values = table.values.map((each, p) =>
    inName.has(p) || inPath.has(p)
      ? each
      : "step" in each
        ? { ...each, count: 1 }
        : each.slice(0, 1),
  );
  return { name: entry.name, path, table: { ...table, values } };
}

function unambiguous(
  context: EntryContext,
  entries: readonly RegistryEntry[],
  key: string,
): Registry {
  const known = registry(entries);
  for (const clash of known.index.clashes(20)) {
    const what = key === "files" ? "files" : "pieces of user data";
    if ("unproven" in clash) {
      context.mistakes.add(
        [key],
        `there are too many ${what} to check one by one that their names differ`,
        "put every parameter into the name, separated by a character that no value has",
        { key: true },
      );
      continue;
    }
    context.mistakes.add(
      [key, entryOf(entries, clash.b), "name"],
      `two ${what} are called '${clash.text}'`,
      "rename one of them",
    );
  }
  return known;
}

function entryOf(entries: readonly RegistryEntry[], number: number): number {
  let first = 0;
  for (const [i, { table }] of entries.entries()) {
    const count = table ? table.values.reduce((n, each) => n * valueCount(each), 1) : 1;
    const own = table?.mode === "zip" ? valueCount(table.values[0]!) : count;
    if (number < first + own) return i;
    first += own;
  }
  return 0;
}

/** A value of a document as JSON knows it. */
export function plain(value: SpecValue): unknown {
  if (typeof value === "string") return value;
  if (value instanceof Literal)
    return typeof value.value === "bigint" ? Number(value.value) : value.value;
  if (isList(value)) return value.map(plain);
  if (!isMap(value)) return null;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}
