/** Named entries of a document that tasks refer to: `files` and `user_data`. Nothing is expanded that need not be. */
import { ordinalText, parameterCount, sameTable, valueCount } from "../core/parameters.ts";
import { compileReference, compileTemplate, renderTemplate } from "../core/template.ts";
import type { ParameterTable, ParameterValues, TextTemplate } from "../core/workflow.ts";
import { EXPANSION_LIMIT, type NameIndex, nameIndex } from "./name-index.ts";

export interface RegistryEntry {
  name: TextTemplate;
  /** what stands for it: the path of a file */
  path: TextTemplate;
  table: ParameterTable | null;
}

/** What differs from task to task in a way that has to be looked up one by one. */
export const LATE: unique symbol = Symbol("late");

export interface Registry {
  /** what stands for the entry of this name, for every task of a table; null: there is no such entry */
  resolve(name: TextTemplate, table: ParameterTable | null): TextTemplate | typeof LATE | null;
  /** what stands for all entries whose name matches; null = too many to look at */
  matching(regex: RegExp): readonly string[] | null;
  readonly index: NameIndex;
  readonly size: number;
  /** names to suggest */
  names(): Iterable<string>;
}

interface Placed extends RegistryEntry {
  first: number;
  count: number;
}

export function registry(entries: readonly RegistryEntry[]): Registry {
  const index = nameIndex();
  const placed: Placed[] = [];
  let size = 0;
  for (const entry of entries) {
    const count = entry.table ? parameterCount(entry.table) : 1;
    placed.push({ ...entry, first: size, count });
    if (entry.table === null) index.addText(entry.name as string, size);
    else index.addTemplate({ template: entry.name, table: entry.table, first: size, count });
    size += count;
  }
  const byShape = new Map<string, Placed[]>();
  for (const entry of placed) {
    if (typeof entry.name === "string") continue;
    const shape = shapeOf(entry.name);
    byShape.set(shape, [...(byShape.get(shape) ?? []), entry]);
  }

  const lookUp = (text: string): string | null => {
    const number = index.find(text);
    if (number === null) return null;
    let [low, high] = [0, placed.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (placed[middle]!.first <= number) low = middle;
      else high = middle - 1;
    }
    const { path, table, first } = placed[low]!;
    return table ? renderTemplate(path, table, number - first) : (path as string);
  };

  return {
    index,
    size,
    resolve(name, table) {
      if (typeof name === "string") return lookUp(name);
      for (const entry of byShape.get(shapeOf(name)) ?? []) {
        const path = carryOver(entry, name, table!);
        if (path !== null) return path;
      }
      return LATE;
    },
    matching(regex) {
      if (size > EXPANSION_LIMIT) return null;
      const found: string[] = [];
      for (const { name, path, table, count } of placed) {
        if (table === null) {
          if (regex.test(name as string)) found.push(path as string);
          continue;
        }
        const [printName, printPath] = [compileTemplate(name, table), compileTemplate(path, table)];
        for (let i = 0; i < count; i++) if (regex.test(printName(i))) found.push(printPath(i));
      }
      return [...new Set(found)];
    },
    *names() {
      yield* index.texts.keys();
      for (const { name, table } of placed)
        if (table !== null) yield renderTemplate(name, table, 0);
    },
  };
}

/** Literal pieces and formats, with a mark for every parameter. */
function shapeOf(template: Exclude<TextTemplate, string>): string {
  return template
    .map((piece) => (typeof piece === "string" ? piece : `\0${piece.f ?? ""}\0`))
    .join("");
}

/** The entry's path with the parameters of `table` in place of its own, or null when it is not for all of them. */
function carryOver(
  entry: Placed,
  name: Exclude<TextTemplate, string>,
  table: ParameterTable,
): TextTemplate | null {
  const own = entry.table!;
  const given = new Map<number, number>();
  for (const [i, piece] of (entry.name as Exclude<TextTemplate, string>).entries()) {
    if (typeof piece === "string") continue;
    const other = name[i];
    if (other === undefined || typeof other === "string") return null;
    const before = given.get(piece.p);
    if (before !== undefined && before !== other.p) return null;
    given.set(piece.p, other.p);
  }
  const zipped = own.mode === "zip" && own.values.length > 1;
  if (zipped && !sameTable(own, table)) return null;
  for (const [mine, theirs] of given) {
    if (zipped ? mine !== theirs : !within(table.values[theirs]!, own.values[mine]!)) return null;
  }
  if (typeof entry.path === "string") return entry.path;
  const path: (string | { p: number; f?: string })[] = [];
  for (const piece of entry.path) {
    if (typeof piece === "string") {
      path.push(piece);
      continue;
    }
    const p = given.get(piece.p);
    if (p === undefined) {
      // a parameter with one value
      path.push(compileReference(piece, own.values[piece.p]!)(0));
    } else path.push(piece.f === undefined ? { p } : { p, f: piece.f });
  }
  return path;
}

/** Values that are looked at one by one. */
const LOOKED_AT = 100_000;

function within(some: ParameterValues, all: ParameterValues): boolean {
  if ("step" in some && "step" in all) {
    const { from, step, count, decimals } = some;
    if (from === all.from && step === all.step && decimals === all.decimals)
      return count <= all.count;
  }
  if (valueCount(some) > LOOKED_AT || valueCount(all) > LOOKED_AT) return false;
  const known = new Set<string>();
  for (let i = 0; i < valueCount(all); i++) known.add(ordinalText(all, i));
  for (let i = 0; i < valueCount(some); i++) if (!known.has(ordinalText(some, i))) return false;
  return true;
}
