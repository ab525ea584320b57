/**
 * Values, lists of files and commands of a classic Makeflow file, read character by character: quotes, backslashes,
 * comments, `$(VARIABLES)`. The three differ in what becomes of quotes and spaces.
 */

/** Thrown where reading cannot go on; costs no stack trace. */
export class Stop {
  readonly message: string;
  readonly fix: string;
  readonly offset: number;

  constructor(message: string, fix: string, offset: number) {
    this.message = message;
    this.fix = fix;
    this.offset = offset;
  }
}

export function stopAt(message: string, fix: string, offset: number): never {
  // oxlint-disable-next-line no-throw-literal -- a signal with its place, caught by the caller
  throw new Stop(message, fix, offset);
}

/** What is read, and where in the file it stands: text of a variable stands where the variable is used. */
export interface Cursor {
  readonly text: string;
  at: number;
  /** null = this is the file itself */
  readonly used: number | null;
  readonly depth: number;
}

export type Lookup = (name: string) => string | undefined;

export interface FileWord {
  kind: "file" | "arrow" | "colon";
  text: string;
  offset: number;
  /** a part of it was in quotes */
  quoted: boolean;
}

export interface WordReader {
  /** what follows `=`, up to the end of the line; quotes stay */
  value(cursor: Cursor): string;
  /** up to the end of the line */
  files(cursor: Cursor): FileWord[];
  /** up to the end of the line; quotes stay, for the shell */
  command(cursor: Cursor): string;
  /** names of variables end where these characters begin */
  name(cursor: Cursor): string;
}

const NAME_ENDS = new Set("\\\"'$#\n\t ,.-(){}[]<>=+!?/:");
const MAX_DEPTH = 32;
/** A text with variables in variables can double with each. */
const MAX_TEXT = 10_000_000;

const SPECIAL: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

export function wordReader(lookup: Lookup, known: () => string): WordReader {
  /** the first quote of what is being read that goes on over several lines: mostly the one that is not closed */
  let spanned: { cursor: Cursor; start: number } | null = null;
  /** the double quote that is being read */
  let opened: { cursor: Cursor; start: number } | null = null;
  let produced = 0;

  function stop(cursor: Cursor, message: string, fix: string, at = cursor.at): never {
    return stopAt(message, fix, cursor.used ?? at);
  }

  function name(cursor: Cursor): string {
    const start = cursor.at;
    while (cursor.at < cursor.text.length && !NAME_ENDS.has(cursor.text[cursor.at]!))
      cursor.at += 1;
    return cursor.text.slice(start, cursor.at);
  }

  function substitution(cursor: Cursor): string {
    const start = cursor.at;
    cursor.at += 1;
    const open = cursor.text[cursor.at];
    const close = open === "(" ? ")" : open === "{" ? "}" : "";
    if (close !== "") cursor.at += 1;
    const found = name(cursor);
    const shown = cursor.text.slice(start, cursor.at + 1).trim();
    if (
      /^[@%^*<?+]$/.test(found) ||
      (found === "" && /^[<?+]/.test(cursor.text.slice(cursor.at)))
    ) {
      stop(
        cursor,
        `Makeflow has no variables of a rule such as '${found === "" ? shown : `$${found}`}'`,
        "write the names of the files, or put them into variables",
        start,
      );
    }
    if (found === "") {
      const fix = String.raw`write \$ for a $ that the shell is to see`;
      stop(cursor, `'${shown}' names no variable`, fix, start);
    }
    if (close !== "") {
      if (cursor.text[cursor.at] !== close) {
        const fix = String.raw`write $${open}${found}${close}, or \$ for a $ that the shell is to see`;
        stop(cursor, `'$${open}${found}' is not closed with ${close}`, fix, start);
      }
      cursor.at += 1;
    }
    const value = lookup(found);
    if (value === undefined) {
      const near = known();
      const fix = String.raw`write \$${close === "" ? found : `${open}${found}${close}`} for the shell's, or set ${found}= before${near}`;
      stop(cursor, `the variable ${found} is not set`, fix, start);
    }
    if ((produced += value.length) > MAX_TEXT)
      stop(cursor, "variables in variables make this text too long", "shorten them", start);
    return value;
  }

  function inner(cursor: Cursor, value: string, start: number): Cursor {
    if (cursor.depth >= MAX_DEPTH) {
      const message = `variables stand in each other more than ${MAX_DEPTH} times`;
      stop(cursor, message, String.raw`write \$ for a $ that the shell is to see`, start);
    }
    return { text: value, at: 0, used: cursor.used ?? start, depth: cursor.depth + 1 };
  }

  function unclosed(inside: Cursor, from: number): never {
    const { cursor, start } = spanned ?? { cursor: inside, start: from };
    const line = cursor.text.slice(start).split("\n", 1)[0]!;
    const before = cursor.text.slice(0, start).split("\n").at(-1)!;
    const whole = `${before}${line}`.trim();
    const shown = whole.length > 100 ? `${whole.slice(0, 97)}...` : whole;
    const mark = cursor.text[start]!;
    return stop(
      cursor,
      `a quote (${mark}) is opened and never closed: ${shown}`,
      `close it with ${mark}, or write \\${mark} for the character itself`,
      start,
    );
  }

  function spansLines(cursor: Cursor, start: number): boolean {
    return cursor.used === null && cursor.text.slice(start, cursor.at).includes("\n");
  }

  function spans(cursor: Cursor, start: number): void {
    if (spansLines(cursor, start)) spanned ??= { cursor, start };
  }

  /** What is between single quotes: a backslash takes itself away, and nothing is put in. */
  function single(cursor: Cursor): string {
    const start = cursor.at;
    let result = "";
    for (cursor.at += 1; ; cursor.at += 1) {
      const character = cursor.text[cursor.at];
      if (character === undefined) unclosed(cursor, start);
      if (character === "'") break;
      if (character === "\\") {
        const next = cursor.text[(cursor.at += 1)];
        if (next === undefined) unclosed(cursor, start);
        result += next === "\n" ? " " : next;
      } else result += character;
    }
    spans(cursor, start);
    cursor.at += 1;
    return result;
  }

  /** What is between double quotes, with variables put in. */
  function double(cursor: Cursor): string {
    const start = cursor.at;
    let result = "";
    opened = { cursor, start };
    cursor.at += 1;
    for (;;) {
      const character = cursor.text[cursor.at];
      if (character === undefined) return unclosed(cursor, start);
      if (character === '"') break;
      if (character === "$") result += substitution(cursor);
      else if (character === "\\") {
        const next = cursor.text[cursor.at + 1];
        if (next === undefined) return unclosed(cursor, start);
        result += next === "\n" ? " " : (SPECIAL[next] ?? next);
        cursor.at += 2;
      } else if (character === "'" && closesInside(cursor)) {
        // single quotes keep their text as it is here too
        result += `'${single(cursor)}'`;
      } else {
        result += character;
        cursor.at += 1;
      }
    }
    spans(cursor, start);
    opened = null;
    cursor.at += 1;
    return result;
  }

  /** Whether the single quote at the cursor ends before the double quotes around it do. */
  function closesInside(cursor: Cursor): boolean {
    for (let i = cursor.at + 1; i < cursor.text.length; i++) {
      const character = cursor.text[i];
      if (character === "\\") i += 1;
      else if (character === "'") return true;
      else if (character === '"') return false;
    }
    return false;
  }

  function skipComment(cursor: Cursor): void {
    const end = cursor.text.indexOf("\n", cursor.at);
    cursor.at = end < 0 ? cursor.text.length : end;
  }

  function readValue(cursor: Cursor): string {
    let result = "";
    let kept = 0;
    for (;;) {
      const character = cursor.text[cursor.at];
      if (character === undefined || character === "\n") break;
      if (character === "#") {
        skipComment(cursor);
        break;
      }
      if (character === "$") result += substitution(cursor);
      else if (character === "'") result += `'${single(cursor)}'`;
      else if (character === '"') result += `"${double(cursor)}"`;
      else if (character === "\\" && cursor.at + 1 < cursor.text.length) {
        const next = cursor.text[cursor.at + 1]!;
        result += next === "\n" ? " " : (SPECIAL[next] ?? next);
        cursor.at += 2;
      } else {
        result += character;
        cursor.at += 1;
        if (character === " " || character === "\t") continue;
      }
      kept = result.length;
    }
    return result.slice(0, kept);
  }

  function files(cursor: Cursor): FileWord[] {
    const words: FileWord[] = [];
    let word: FileWord | null = null;
    const end = (): void => {
      if (word && (word.text !== "" || word.quoted)) words.push(word);
      word = null;
    };
    const add = (part: string, offset: number, quoted: boolean): void => {
      word ??= { kind: "file", text: "", offset, quoted: false };
      word.text += part;
      word.quoted ||= quoted;
    };
    const read = (from: Cursor): void => {
      for (;;) {
        const character = from.text[from.at];
        const offset = from.used ?? from.at;
        if (character === undefined || (character === "\n" && from.used === null)) return;
        if (character === " " || character === "\t" || character === "\n") {
          end();
          from.at += 1;
        } else if (character === "#") {
          skipComment(from);
        } else if (character === ":") {
          end();
          words.push({ kind: "colon", text: ":", offset, quoted: false });
          from.at += 1;
        } else if (character === "-" && from.text[from.at + 1] === ">") {
          end();
          words.push({ kind: "arrow", text: "->", offset, quoted: false });
          from.at += 2;
        } else if (character === "$") {
          const start = from.at;
          read(inner(from, substitution(from), start));
        } else if (character === "'") add(single(from), offset, true);
        else if (character === '"') add(double(from), offset, true);
        else if (character === "\\" && from.at + 1 < from.text.length) {
          const next = from.text[from.at + 1]!;
          if (next === "\n") end();
          else add(next, offset, true);
          from.at += 2;
        } else {
          add(character, offset, false);
          from.at += 1;
        }
      }
    };
    read(cursor);
    end();
    return words;
  }

  function command(cursor: Cursor): string {
    let result = "";
    const space = (): void => {
      if (result !== "" && !result.endsWith(" ")) result += " ";
    };
    const read = (from: Cursor): void => {
      for (;;) {
        const character = from.text[from.at];
        if (character === undefined || (character === "\n" && from.used === null)) return;
        if (character === " " || character === "\t" || character === "\n") {
          space();
          from.at += 1;
        } else if (character === "#") {
          skipComment(from);
        } else if (character === "$") {
          const start = from.at;
          read(inner(from, substitution(from), start));
        } else if (character === "'") result += `'${single(from)}'`;
        else if (character === '"') result += `"${double(from)}"`;
        else if (character === "\\" && from.at + 1 < from.text.length) {
          const next = from.text[from.at + 1]!;
          if (next === "\n") space();
          else result += next;
          from.at += 2;
        } else {
          result += character;
          from.at += 1;
        }
      }
    };
    read(cursor);
    return result.trimEnd();
  }

  const fresh =
    <T>(reader: (cursor: Cursor) => T) =>
    (cursor: Cursor): T => {
      produced = 0;
      spanned = null;
      opened = null;
      const start = cursor.at;
      try {
        return reader(cursor);
      } catch (error) {
        // what is wrong lines after a quote is mostly that it is still open
        if (!(error instanceof Stop) || error.message.startsWith("a quote")) throw error;
        const line = cursor.text.slice(start, error.offset);
        if (spanned === null && line.includes("\n") && opened !== null) spanned = opened;
        if (spanned === null) throw error;
        return unclosed(cursor, start);
      }
    };
  return { value: fresh(readValue), files: fresh(files), command: fresh(command), name };
}
