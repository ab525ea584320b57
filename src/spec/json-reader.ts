/**
 * Reads JSON and JSON5 one character after the other: values as written, each key once, and the place of the first
 * mistake. About as fast as `JSON.parse` with a conversion behind it, which would lose 2.50 and the second of two
 * equal keys.
 */
import { Literal, setOwn, type SpecValue } from "./document.ts";

/** Lists and mappings inside each other. Documents of people have ten; recursion ends at some thousands. */
const MAX_DEPTH = 500;

export interface JsonMistake {
  message: string;
  fix: string;
  offset: number;
}

/** Thrown by the reader; costs no stack trace. */
export class JsonStop {
  readonly mistake: JsonMistake;

  constructor(mistake: JsonMistake) {
    this.mistake = mistake;
  }
}

/** What stands directly inside a list or mapping. */
export interface Member {
  key: string | number;
  /** of the key; in lists that of the value */
  keyOffset: number;
  start: number;
  end: number;
}

export interface JsonReader {
  /** the whole document; duplicate keys are gathered in `mistakes` */
  document(): SpecValue;
  readonly mistakes: readonly JsonMistake[];
  /** where a value starts after spaces and comments */
  start(at: number): number;
  /** the members of the list or mapping at `at`; empty for other values */
  members(at: number): Member[];
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;

/** What JSON5 allows beyond JSON, told where strict JSON meets it. */
const RENAME = "remove it, or name the file .json5";

/** `five`: JSON5. */
export function jsonReader(text: string, five: boolean): JsonReader {
  let at = 0;
  let depth = 0;
  const mistakes: JsonMistake[] = [];

  function stop(message: string, fix: string, offset = at): never {
    // oxlint-disable-next-line no-throw-literal -- a signal with its place, caught by the caller
    throw new JsonStop({ message, fix, offset: Math.min(offset, text.length) });
  }

  function skip(): void {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === 32 || code === 10 || code === 13 || code === 9) at += 1;
      else if (code === 47) comment();
      else if (code === 0xfeff && at === 0) at += 1;
      else if (code > 10 && five && /[\s\u2028\u2029]/.test(text[at]!)) at += 1;
      else return;
    }
  }

  function comment(): void {
    const next = text[at + 1];
    if (next !== "/" && next !== "*") stop("a '/' stands alone", "remove it, or quote the text");
    if (!five) stop("JSON has no comments", RENAME);
    if (next === "/") {
      const end = text.slice(at).search(/[\n\r\u2028\u2029]/);
      at = end < 0 ? text.length : at + end;
      return;
    }
    const end = text.indexOf("*/", at + 2);
    if (end < 0) stop("a comment is opened and never closed", "close it with */");
    at = end + 2;
  }

  function value(): SpecValue {
    skip();
    const code = text.charCodeAt(at);
    if (code === QUOTE) return string(QUOTE);
    if (code === 123) return mapping();
    if (code === 91) return list();
    if (code === 39) {
      if (!five)
        stop("JSON quotes texts with \", not with '", 'write "…", or name the file .json5');
      return string(39);
    }
    return literal();
  }

  function string(quote: number): string {
    const start = at + 1;
    const mark = quote === QUOTE ? '"' : "'";
    let end = text.indexOf(mark, start);
    // most texts have no escapes, and searching for what is not there is the fastest way to know
    const plain = end < 0 ? null : text.slice(start, end);
    if (plain !== null && !/[\\\n\r]/.test(plain)) {
      if (!five && hasControl(plain)) control(start);
      at = end + 1;
      return plain;
    }
    let result = "";
    end = start;
    for (;;) {
      let run = end;
      let code = text.charCodeAt(run);
      while (
        code !== quote &&
        code !== BACKSLASH &&
        code !== 10 &&
        code !== 13 &&
        run < text.length
      )
        code = text.charCodeAt((run += 1));
      result += text.slice(end, run);
      if (run >= text.length || code === 10 || code === 13)
        return stop("a quote is opened and never closed", "close the quote", start - 1);
      if (code === quote) {
        if (!five && hasControl(result) && hasControl(text.slice(start, run))) control(start);
        at = run + 1;
        return result;
      }
      const escape = escaped(run);
      result += escape.text;
      end = escape.end;
    }
  }

  function hasControl(part: string): boolean {
    return /[\u0000-\u001f]/.test(part); // eslint-disable-line no-control-regex -- looked for
  }

  function control(start: number): never {
    const offset = start + text.slice(start).search(/[\u0000-\u001f]/); // eslint-disable-line no-control-regex -- looked for
    return stop("a control character stands in a text", "write \\t for a tab", offset);
  }

  /** The escape whose backslash is at `from`. */
  function escaped(from: number): { text: string; end: number } {
    const mark = text[from + 1] ?? "";
    const simple = SIMPLE_ESCAPES[mark];
    if (simple !== undefined) return { text: simple, end: from + 2 };
    if (mark === "u" || (mark === "x" && five)) {
      const digits = mark === "u" ? 4 : 2;
      const hex = text.slice(from + 2, from + 2 + digits);
      if (hex.length === digits && /^[\da-fA-F]+$/.test(hex))
        return { text: String.fromCharCode(Number.parseInt(hex, 16)), end: from + 2 + digits };
      stop(`'\\${mark}' needs ${digits} hexadecimal digits`, "write a backslash as \\\\", from);
    }
    if (five) {
      if (mark === "\r" && text[from + 2] === "\n") return { text: "", end: from + 3 };
      if (/^[\n\r\u2028\u2029]$/.test(mark)) return { text: "", end: from + 2 };
      if (mark === "0" && !/\d/.test(text[from + 2] ?? "")) return { text: "\0", end: from + 2 };
      if (mark === "v") return { text: "\v", end: from + 2 };
      if (mark !== "" && !/\d/.test(mark)) return { text: mark, end: from + 2 };
    }
    return stop(`'\\${mark}' means nothing here`, "write a backslash as \\\\", from);
  }

  /** The text between separators, for messages and for numbers and words. */
  function word(): string {
    const match = /[^\s,:[\]{}"']+/y;
    match.lastIndex = at;
    const found = match.exec(text)?.[0] ?? "";
    const end = found.search(/\/[/*]/);
    return end > 0 ? found.slice(0, end) : found;
  }

  function literal(): SpecValue {
    const shown = word();
    const known = WORDS.get(shown);
    if (known !== undefined) {
      at += shown.length;
      return known;
    }
    const pattern = five
      ? /^[-+]?(?:0[xX][\da-fA-F]+|(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|Infinity|NaN)$/
      : STRICT_NUMBER;
    if (pattern.test(shown)) {
      at += shown.length;
      const number = numberOf(shown);
      return new Literal(number, STRICT_NUMBER.test(shown) ? shown : String(number));
    }
    if (at >= text.length)
      return stop("the document ends before its last bracket is closed", "close it with } or ]");
    if (shown === "") return stop(`'${text[at]!}' stands where a value should`, "give a value");
    const near = `'${shown.length > 40 ? `${shown.slice(0, 37)}...` : shown}'`;
    if (/^[-+]?0\d/.test(shown))
      return stop(`${near} starts with 0, which is no number`, `quote it: "${shown}"`);
    if (/^[-+.\d]/.test(shown)) {
      const fix = `quote it: "${shown}"`;
      return stop(`${near} is no number`, fix);
    }
    return stop(`${near} is a text without quotes`, `quote it: "${shown}"`);
  }

  function enter(): void {
    if ((depth += 1) > MAX_DEPTH)
      stop("lists and mappings are nested too deeply", `${MAX_DEPTH} levels at most`);
    at += 1;
  }

  /** After a value: true when another one follows, false at the end. */
  function goesOn(close: string, opened: number): boolean {
    skip();
    const code = text.charCodeAt(at);
    if (code === COMMA) {
      const comma = at;
      at += 1;
      skip();
      if (text[at] !== close) return true;
      if (!five) stop("a comma stands before the closing bracket", RENAME, comma);
    }
    if (text[at] === close) {
      at += 1;
      depth -= 1;
      return false;
    }
    const open = close === "]" ? "[" : "{";
    if (at >= text.length)
      stop(`'${open}' is opened and never closed`, `close it with ${close}`, opened);
    return stop(`a comma or '${close}' should stand here`, "put a comma between the entries");
  }

  function list(): SpecValue[] {
    const opened = at;
    enter();
    const items: SpecValue[] = [];
    skip();
    if (text[at] === "]") {
      at += 1;
      depth -= 1;
      return items;
    }
    do items.push(value());
    while (goesOn("]", opened));
    return items;
  }

  function mapping(): Record<string, SpecValue> {
    const opened = at;
    enter();
    const map: Record<string, SpecValue> = {};
    skip();
    if (text[at] === "}") {
      at += 1;
      depth -= 1;
      return map;
    }
    do {
      skip();
      const keyAt = at;
      const name = key(opened);
      if (Object.hasOwn(map, name))
        mistakes.push({
          message: `the key '${name}' is there twice`,
          fix: "keep one of them",
          offset: keyAt,
        });
      setOwn(map, name, value());
    } while (goesOn("}", opened));
    return map;
  }

  /** A key and its colon. */
  function key(opened: number): string {
    const code = text.charCodeAt(at);
    let name: string;
    if (code === QUOTE || (code === 39 && five)) name = string(code);
    else {
      const shown = /[^\s,:[\]{}"'/]+/y;
      shown.lastIndex = at;
      name = shown.exec(text)?.[0] ?? "";
      if (at >= text.length) stop("'{' is opened and never closed", "close it with }", opened);
      if (name === "") stop(`'${text[at]!}' stands where a key should`, 'write "key": value');
      if (!five) stop(`the key ${name} has no quotes`, `write "${name}", or name the file .json5`);
      if (!/^[\p{L}\p{Nl}$_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}$\u200c\u200d]*$/u.test(name))
        stop(`the key ${name} needs quotes`, `write "${name}"`);
      at += name.length;
    }
    skip();
    if (text[at] !== ":") stop(`a colon should follow the key '${name}'`, `write "${name}": value`);
    at += 1;
    return name;
  }

  return {
    mistakes,
    document() {
      const result = value();
      skip();
      if (at < text.length) stop("something follows the end of the document", "remove it");
      return result;
    },
    start(from) {
      at = from;
      skip();
      return at;
    },
    members(from) {
      at = from;
      depth = 0;
      skip();
      const found: Member[] = [];
      const opening = text[at];
      if (opening !== "{" && opening !== "[") return found;
      const opened = at;
      const close = opening === "{" ? "}" : "]";
      enter();
      skip();
      if (text[at] === close) return found;
      do {
        skip();
        const keyOffset = at;
        const name = opening === "{" ? key(opened) : found.length;
        skip();
        const start = at;
        value();
        found.push({ key: name, keyOffset, start, end: at });
      } while (goesOn(close, opened));
      return found;
    },
  };
}

const SIMPLE_ESCAPES: Readonly<Record<string, string | undefined>> = Object.assign(
  Object.create(null) as Record<string, string>,
  {
    '"': '"',
    "'": "'",
    "\\": "\\",
    "/": "/",
    b: "\b",
    f: "\f",
    n: "\n",
    r: "\r",
    t: "\t",
  },
);

const STRICT_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

const WORDS: ReadonlyMap<string, Literal> = new Map([
  ["true", new Literal(true, "true")],
  ["false", new Literal(false, "false")],
  ["null", new Literal(null, "null")],
]);

function numberOf(text: string): number {
  const sign = text[0] === "-" ? -1 : 1;
  return sign * Number(text.replace(/^[-+]/, ""));
}
