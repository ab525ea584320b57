/**
 * Large YAML documents, piece by piece: the text is cut at its top-level keys and at the items of its long lists, each piece
 * is read on its own, and places are looked for only where a mistake is. Reading a 50 MB document whole would take
 * half a minute and gigabytes; what is no workflow at all is refused after one look at its lines.
 */
import { type ErrorDetail, HoldallError, type Place } from "../core/error.ts";
import {
  type At,
  isList,
  isMap,
  Literal,
  type Path,
  type Position,
  setOwn,
  type SpecDocument,
  type SpecValue,
} from "./document.ts";
import { FILE_KEYS, type Keys, TASK_KEYS, USER_DATA_KEYS, WORKFLOW_KEYS } from "./fields.ts";
import { mistakesError } from "./mistakes.ts";
import { nearest } from "./nearest.ts";
import { parsePlainItem } from "./yaml-plain.ts";
import { emptyDocument, parseYaml } from "./yaml.ts";

/** Above this many bytes a document is read piece by piece. */
export const LARGE_BYTES = 1_000_000;

/** One piece can be this long: the reader of whole documents does about 3 MB/s. */
const MAX_PIECE = 4_000_000;

/** After so many unknown keys a document is no workflow. */
const SHOWN_UNKNOWN = 200;

/** Mistakes of syntax after which reading on is of no use. */
const ENOUGH_MISTAKES = 21;

/** Items that are no tasks after which reading on is of no use. */
const ENOUGH_WRONG = 200;

/** Lists that are read item by item, with the keys of an item. */
const LONG_LISTS: Readonly<Record<string, Keys>> = {
  tasks: TASK_KEYS,
  files: FILE_KEYS,
  user_data: USER_DATA_KEYS,
};

interface Piece {
  key: string;
  offset: number;
  end: number;
  line: number;
  /** of long lists: where each item starts, and on which line */
  items: { offsets: number[]; lines: number[]; column: number } | null;
}

export function parseLargeYaml(file: string, source: string): SpecDocument {
  const text = source.includes("\r") ? source.replaceAll("\r\n", "\n") : source;
  const pieces = cutPieces(file, text);
  checkPieces(file, pieces);
  const value: Record<string, SpecValue> = {};
  const mistakes: (ErrorDetail & { place: Place })[] = [];
  const part = (from: number, end: number, line: number, column: number): SpecDocument | null => {
    try {
      return parsePart(file, text, from, end, line, column);
    } catch (error) {
      if (!(error instanceof HoldallError) || error.place === undefined) throw error;
      const { message, fix, place } = error;
      mistakes.push({ message, fix, place });
      for (const other of error.others)
        if (other.place) mistakes.push({ ...other, place: other.place });
      if (mistakes.length >= ENOUGH_MISTAKES) throw mistakesError(mistakes);
      return null;
    }
  };
  for (const piece of pieces) {
    if (piece.items) {
      const keys = LONG_LISTS[WORKFLOW_KEYS[piece.key]!]!;
      setOwn(value, piece.key, readItems(text, piece, part, keys));
      continue;
    }
    const read = part(piece.offset, piece.end, piece.line, 0)?.value as Record<string, SpecValue>;
    if (read) setOwn(value, piece.key, read[piece.key] ?? new Literal(null, ""));
  }
  if (mistakes.length > 0) throw mistakesError(mistakes);
  const find = (path: Path): { part: SpecDocument; rest: Path } | null => {
    const piece = pieces.find(({ key }) => key === path[0]);
    if (!piece) return null;
    const i = path[1];
    if (!piece.items || typeof i !== "number" || i >= piece.items.offsets.length) {
      const end = piece.items ? Math.min(piece.end, piece.items.offsets[0]!) : piece.end;
      return {
        part: parsePart(file, text, piece.offset, end, piece.line, 0),
        rest: piece.items ? path.slice(0, 1) : path,
      };
    }
    const { offsets, lines, column } = piece.items;
    const end = offsets[i + 1] ?? piece.end;
    return {
      part: parsePart(file, text, offsets[i]!, end, lines[i]!, column),
      rest: [0, ...path.slice(2)],
    };
  };
  return {
    file,
    format: "yaml",
    value,
    locate(path: Path, at?: At): Position {
      const found = find(path);
      return found ? found.part.locate(found.rest, at) : { line: pieces[0]!.line, column: 1 };
    },
    source(path: Path): string {
      const found = find(path);
      return found ? found.part.source(found.rest) : "";
    },
  };
}

type ReadPart = (from: number, end: number, line: number, column: number) => SpecDocument | null;

function readItems(text: string, piece: Piece, part: ReadPart, keys: Keys): SpecValue[] {
  const { offsets, lines, column } = piece.items!;
  const items: SpecValue[] = [];
  let wrong = 0;
  // items that cannot be what they should are told later; after so many of them the rest need not be read
  for (let i = 0; i < offsets.length && wrong < ENOUGH_WRONG; i++) {
    const end = offsets[i + 1] ?? piece.end;
    let item: SpecValue | undefined = parsePlainItem(text, offsets[i]!, end, column);
    if (item === undefined) {
      const read = part(offsets[i]!, end, lines[i]!, column)?.value;
      if (read === undefined) continue;
      item = isList(read) ? read[0]! : read;
    }
    items.push(item);
    if (!isMap(item) || Object.keys(item).some((key) => !Object.hasOwn(keys, key))) wrong += 1;
  }
  return items;
}

/** One piece as a document of its own, with its places in the whole. */
function parsePart(
  file: string,
  text: string,
  from: number,
  end: number,
  line: number,
  column: number,
): SpecDocument {
  if (end - from > MAX_PIECE) {
    throw new HoldallError(
      "spec",
      `one entry of ${Math.round((end - from) / 1e6)} MB is too long`,
      {
        place: { file, line, column: column + 1 },
        fix: "a workflow is a list of tasks, one `- ` each; describe many alike tasks with parameters",
      },
    );
  }
  const shift = <T extends Position>(place: T): T => ({ ...place, line: place.line + line - 1 });
  let part: SpecDocument;
  try {
    part = parseYaml(file, " ".repeat(column) + text.slice(from, end));
  } catch (error) {
    if (!(error instanceof HoldallError) || error.place === undefined) throw error;
    throw new HoldallError(error.code, error.message, {
      fix: error.fix,
      place: shift(error.place),
      others: error.others.map((other) => ({ ...other, place: other.place && shift(other.place) })),
    });
  }
  return { ...part, locate: (path, at) => shift(part.locate(path, at)) };
}

const KEY = /([A-Za-z_][\w.-]*|"[^"\n]*"|'[^'\n]*')[ \t]*:(?=[ \t\n]|$)/y;

/** Cuts at keys without indentation. Throws at the first line that cannot belong to a mapping. */
function cutPieces(file: string, text: string): Piece[] {
  const pieces: Piece[] = [];
  let piece: Piece | null = null;
  let line = 0;
  let next = 0;
  let unknown = 0;
  const refuse = (message: string, column = 1): never => {
    throw new HoldallError("spec", message, {
      place: { file, line, column },
      fix: "a workflow is YAML with `name:` and `tasks:`, a list of tasks",
    });
  };
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; at = next) {
    const newline = text.indexOf("\n", at);
    next = newline < 0 ? text.length : newline + 1;
    line += 1;
    const first = text.charCodeAt(at);
    if (first === 10 || first === 35 || first === 13) continue; // newline, #, \r
    if (first === 32 || (first === 45 && piece !== null && !text.startsWith("---", at))) {
      if (piece === null) {
        if (text.slice(at, next).trim() === "") continue;
        refuse("the first key is indented");
      } else if (piece.items) noteItem(text, at, next, line, piece.items);
      continue;
    }
    if (text.startsWith("---", at) && pieces.length === 0) continue;
    if (text.startsWith("...", at)) continue;
    if (text.startsWith("---", at)) refuse("the file holds several YAML documents");
    KEY.lastIndex = at;
    const match = KEY.exec(text);
    if (!match) {
      const shown = text.slice(at, Math.min(next - 1, at + 40)).trim();
      refuse(
        `'${shown}' is no key of a workflow${first === 123 || first === 91 ? "; a document of this size cannot be one {…} or […]" : ""}`,
      );
      continue;
    }
    if (piece) piece.end = at;
    const key = /^["']/.test(match[1]!) ? match[1]!.slice(1, -1) : match[1]!;
    const isLong =
      Object.hasOwn(LONG_LISTS, WORKFLOW_KEYS[key] ?? "") &&
      /^[ \t]*(?:#.*)?$/.test(text.slice(KEY.lastIndex, next).trimEnd());
    piece = {
      key,
      offset: at,
      end: text.length,
      line,
      items: isLong ? { offsets: [], lines: [], column: -1 } : null,
    };
    if (pieces.some((other) => other.key === key)) refuse(`the key '${key}' is there twice`);
    pieces.push(piece);
    if (!Object.hasOwn(WORKFLOW_KEYS, key) && (unknown += 1) >= SHOWN_UNKNOWN) break;
  }
  if (pieces.length === 0) throw emptyDocument(file, text.slice(0, 1000));
  for (const each of pieces) if (each.items?.offsets.length === 0) each.items = null;
  return pieces;
}

/** Remembers a line that starts an item: `- ` at the column of the first one. */
function noteItem(
  text: string,
  at: number,
  next: number,
  line: number,
  items: NonNullable<Piece["items"]>,
): void {
  let column = 0;
  while (text.charCodeAt(at + column) === 32) column += 1;
  if (items.column >= 0 && column > items.column) return;
  const character = text.charCodeAt(at + column);
  if (character === 35 || character === 10 || at + column >= next) return;
  const after = text.charCodeAt(at + column + 1);
  const isItem = character === 45 && (after === 32 || after === 10 || Number.isNaN(after));
  if (items.column < 0) {
    // no list: leave it to the reader of whole pieces
    items.column = isItem ? column : 1_000_000;
  }
  // a line that is out of place ends up in a piece of its own, where its mistake is told
  if (items.column < 1_000_000) {
    items.offsets.push(at + Math.min(column, items.column));
    items.lines.push(line);
  }
}

function checkPieces(file: string, pieces: readonly Piece[]): void {
  const unknown = pieces.filter(({ key }) => !Object.hasOwn(WORKFLOW_KEYS, key));
  if (unknown.length > 0 || !pieces.some(({ key }) => WORKFLOW_KEYS[key] === "tasks")) {
    const told = unknown.length > 0 ? unknown : [pieces[0]!];
    throw mistakesError(
      told.map(({ key, line }) => {
        const near = nearest(key, Object.keys(WORKFLOW_KEYS));
        const isKnown = Object.hasOwn(WORKFLOW_KEYS, key);
        return {
          message: isKnown ? "the workflow has no tasks" : `a workflow has no key '${key}'`,
          fix:
            near !== null && !isKnown
              ? `did you mean '${near}'?`
              : "a workflow is `name:` and `tasks:`, a list of tasks",
          place: { file, line, column: 1 },
        };
      }),
      told.length,
    );
  }
}
