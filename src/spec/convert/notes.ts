/** Which entry of a document each comment belongs to. */
import {
  isList,
  isMap,
  linesOf,
  type Path,
  type SpecDocument,
  type SpecValue,
} from "../document.ts";
import type { Comment } from "./find-comments.ts";

/** Comments of one entry: on lines of their own before it, and behind it on its line. */
export interface Note {
  before: string[];
  after: string[];
}

export interface Notes {
  /** by `keyOf` */
  at: ReadonlyMap<string, Note>;
  /** after the last entry */
  end: string[];
}

export const NO_NOTES: Notes = { at: new Map(), end: [] };

export function keyOf(path: Path): string {
  return JSON.stringify(path);
}

/** `schema`: what a comment of the YAML language server names. */
export const MODELINE: RegExp = /^yaml-language-server:\s*\$schema=(\S+)\s*$/;

interface Entry {
  path: Path;
  line: number;
  column: number;
}

export function attach(document: SpecDocument, text: string, comments: readonly Comment[]): Notes {
  if (comments.length === 0) return NO_NOTES;
  const entries = entriesOf(document);
  const place = linesOf(text);
  const at = new Map<string, Note>();
  const noteAt = (path: Path): Note => {
    const key = keyOf(path);
    let note = at.get(key);
    if (!note) at.set(key, (note = { before: [], after: [] }));
    return note;
  };
  const end: string[] = [];
  // both are in order, so one pass over the entries is enough
  let next = 0;
  for (const { offset, lines } of comments) {
    const { line, column } = place(offset);
    const isBefore = (entry: Entry): boolean =>
      entry.line < line || (entry.line === line && entry.column < column);
    while (next < entries.length && isBefore(entries[next]!)) next++;
    const own = text.slice(offset - column + 1, offset).trim() === "";
    const entry = own ? entries[next] : entries[next - 1];
    if (entry === undefined) end.push(...lines);
    else noteAt(entry.path)[own ? "before" : "after"].push(...lines);
  }
  return { at, end };
}

/** In the order they stand in; of those that begin together, the outer one first. */
function entriesOf(document: SpecDocument): Entry[] {
  const entries: Entry[] = [];
  const walk = (value: SpecValue, path: Path): void => {
    const visit = (step: string | number, inner: SpecValue): void => {
      const to = [...path, step];
      entries.push({ path: to, ...document.locate(to, { key: true }) });
      walk(inner, to);
    };
    if (isList(value)) value.forEach((item, i) => visit(i, item));
    else if (isMap(value)) for (const key of Object.keys(value)) visit(key, value[key]!);
  };
  walk(document.value, []);
  return entries.toSorted((a, b) => a.line - b.line || a.column - b.column);
}

/** Everything that is said at a path or below it. */
export function allWithin(notes: Notes, path: Path, value: SpecValue): string[] {
  const own = notes.at.get(keyOf(path));
  const said = own ? [...own.before, ...own.after] : [];
  if (isList(value)) value.forEach((item, i) => said.push(...allWithin(notes, [...path, i], item)));
  else if (isMap(value))
    for (const key of Object.keys(value))
      said.push(...allWithin(notes, [...path, key], value[key]!));
  return said;
}
