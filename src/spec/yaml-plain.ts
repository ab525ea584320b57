/**
 * The YAML that programs write, fast: a block mapping of plain and quoted scalars on one line, short lists and `|` blocks.
 * Anything else, and anything that might be a mistake, is left to the full reader: `undefined`.
 */
import { Literal, setOwn, type SpecValue } from "./document.ts";
import { OLD_BOOLEAN } from "./yaml.ts";

const BAIL = Symbol("not plain");

/** The item that starts with `- ` at `from`, whose dash stands in `column` (from 0). */
export function parsePlainItem(
  text: string,
  from: number,
  end: number,
  column: number,
): SpecValue | undefined {
  const lines = cutLines(text, from, end, column);
  if (lines === null || lines.length === 0) return undefined;
  try {
    const first = lines[0]!;
    const dash = /^- +/.exec(first.body);
    if (!dash) return undefined;
    // the mapping inside starts behind the dash
    lines[0] = { indent: column + dash[0].length, body: first.body.slice(dash[0].length) };
    const body = lines[0].body;
    if (body[0] === "{") return lines.length === 1 ? readFlow(body) : undefined;
    const reader: PlainReader = { lines, at: 0 };
    const value = readMapping(reader, lines[0].indent);
    return reader.at === lines.length ? value : undefined;
  } catch (error) {
    if (error === BAIL) return undefined;
    throw error;
  }
}

interface Line {
  indent: number;
  /** without indentation and trailing spaces; "" for blank ones */
  body: string;
  /** spaces at its end were cut: they matter in `|` blocks */
  cut?: boolean;
}

interface PlainReader {
  readonly lines: Line[];
  at: number;
}

function cutLines(text: string, from: number, end: number, column: number): Line[] | null {
  const lines: Line[] = [];
  let indent = column;
  for (let at = from; at < end;) {
    const newline = text.indexOf("\n", at);
    const stop = newline < 0 || newline >= end ? end : newline;
    if (lines.length > 0) {
      indent = 0;
      while (text.charCodeAt(at + indent) === 32 && at + indent < stop) indent += 1;
      at += indent;
    }
    const body = text.slice(at, stop);
    if (body.includes("\t") || body.includes("\r")) return null;
    const trimmed = body.trimEnd();
    lines.push(
      trimmed.length === body.length ? { indent, body } : { indent, body: trimmed, cut: true },
    );
    at = stop + 1;
  }
  while (lines.length > 0 && lines.at(-1)!.body === "") lines.pop();
  return lines;
}

function bail(): never {
  // oxlint-disable-next-line no-throw-literal -- a signal, caught above; an Error would cost its stack
  throw BAIL;
}

/** Skips blank lines and comments; the next line, or null at the end. */
function peek(reader: PlainReader): Line | null {
  for (; reader.at < reader.lines.length; reader.at++) {
    const line = reader.lines[reader.at]!;
    if (line.body !== "" && line.body[0] !== "#") return line;
  }
  return null;
}

const KEY = /^([A-Za-z_][\w-]*): */;
const KEY_ONLY = /^([A-Za-z_][\w-]*):$/;

function readMapping(reader: PlainReader, indent: number): Record<string, SpecValue> {
  const map: Record<string, SpecValue> = {};
  for (let line = peek(reader); line !== null && line.indent >= indent; line = peek(reader)) {
    if (line.indent > indent) bail();
    const match = KEY.exec(line.body) ?? bail();
    const key = match[1]!;
    if (Object.hasOwn(map, key)) bail();
    const rest = line.body.slice(match[0].length);
    if (rest !== "" && match[0].at(-1) !== " ") bail();
    reader.at += 1;
    setOwn(
      map,
      key,
      rest === "" || rest[0] === "#"
        ? readNested(reader, indent, KEY_ONLY.test(line.body))
        : readValue(reader, rest, indent),
    );
  }
  return map;
}

/** What stands below `key:`. */
function readNested(reader: PlainReader, indent: number, bare: boolean): SpecValue {
  const line = peek(reader);
  if (line === null || line.indent < indent) return bare ? new Literal(null, "") : bail();
  const isList = line.body.startsWith("- ");
  if (line.indent === indent && !isList) return new Literal(null, "");
  return isList ? readList(reader, line.indent) : readMapping(reader, line.indent);
}

function readList(reader: PlainReader, indent: number): SpecValue[] {
  const items: SpecValue[] = [];
  for (let line = peek(reader); line !== null && line.indent >= indent; line = peek(reader)) {
    if (line.indent > indent) bail();
    // the list of a key may stand in the key's own column: the next key ends it
    if (!line.body.startsWith("- ")) {
      if (KEY.test(line.body)) return items;
      bail();
    }
    const rest = line.body.slice(2).trimStart();
    reader.at += 1;
    items.push(readValue(reader, rest, indent));
  }
  return items;
}

function readValue(reader: PlainReader, text: string, indent: number): SpecValue {
  const first = text[0]!;
  if (first === "|") return readBlock(reader, text, indent);
  const next = reader.lines[reader.at];
  // text that goes on in the next line
  if (next !== undefined && next.body !== "" && next.indent > indent) bail();
  if (next?.body === "") {
    const after = peek(reader);
    if (after !== null && after.indent > indent) bail();
  }
  if (first === '"' || first === "'") {
    const { value, end } = readQuoted(text, 0);
    if (end < text.length && !/^ +#/.test(text.slice(end))) bail();
    return value;
  }
  if (first === "[" || first === "{") return readFlow(text);
  return readPlain(text);
}

function readQuoted(text: string, at: number): { value: string; end: number } {
  if (text[at] === "'") {
    for (let end = text.indexOf("'", at + 1); end >= 0; end = text.indexOf("'", end + 2)) {
      if (text[end + 1] !== "'")
        return { value: text.slice(at + 1, end).replaceAll("''", "'"), end: end + 1 };
    }
    return bail();
  }
  const match = /"((?:[^"\\]|\\["\\nt])*)"/y;
  match.lastIndex = at;
  const found = match.exec(text) ?? bail();
  const value = found[1]!.includes("\\") ? (JSON.parse(found[0]) as string) : found[1]!;
  return { value, end: match.lastIndex };
}

const FLOW_PLAIN = /[\w./+@=~$%-][^[\]{},:#"'&*!|>%@`]*/y;

const FLOW_KEY = /([A-Za-z_][\w-]*): +/y;

/** `[a, "b", 3]` or `{name: a, cpus: 2}` on one line. */
function readFlow(text: string): SpecValue {
  let at = 0;
  const spaces = (): void => {
    while (text[at] === " ") at += 1;
  };
  const value = (): SpecValue => {
    if (text[at] === "[" || text[at] === "{") return collection();
    if (text[at] === '"' || text[at] === "'") {
      const quoted = readQuoted(text, at);
      at = quoted.end;
      return quoted.value;
    }
    FLOW_PLAIN.lastIndex = at;
    const found = FLOW_PLAIN.exec(text)?.[0] ?? bail();
    at += found.length;
    return readPlain(found.trimEnd());
  };
  const collection = (): SpecValue => {
    const close = text[at] === "[" ? "]" : "}";
    const items: SpecValue[] = [];
    const map: Record<string, SpecValue> = {};
    at += 1;
    spaces();
    while (text[at] !== close) {
      if (close === "]") items.push(value());
      else {
        FLOW_KEY.lastIndex = at;
        const key = (FLOW_KEY.exec(text) ?? bail())[1]!;
        if (Object.hasOwn(map, key)) bail();
        at = FLOW_KEY.lastIndex;
        setOwn(map, key, value());
      }
      spaces();
      if (text[at] === close) break;
      if (text[at] !== ",") bail();
      at += 1;
      spaces();
      if (text[at] === close) bail();
    }
    at += 1;
    return close === "]" ? items : map;
  };
  const result = collection();
  if (at < text.length && !/^ +#/.test(text.slice(at))) bail();
  return result;
}

const NUMBER =
  /^[-+]?(?:\d+|0o[0-7]+|0x[\da-fA-F]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$/;

function readPlain(text: string): SpecValue {
  if (/^[-?:,[\]{}#&*!|>'"%@`]/.test(text) && !/^-[^\s]/.test(text)) bail();
  const comment = text.indexOf(" #");
  const value = comment < 0 ? text : text.slice(0, comment).trimEnd();
  if (value.includes(": ") || value.endsWith(":")) bail();
  const character = value.charCodeAt(0);
  // most texts start with a letter that no literal starts with
  if (character >= 97 && !/^(?:true|false|null|yes|no|on|off|~)$/i.test(value)) return value;
  if (/^(?:null|Null|NULL|~)$/.test(value)) return new Literal(null, value);
  if (/^(?:true|True|TRUE)$/.test(value)) return new Literal(true, value);
  if (/^(?:false|False|FALSE)$/.test(value)) return new Literal(false, value);
  if (OLD_BOOLEAN.test(value)) return new Literal(value, value);
  return NUMBER.test(value) ? new Literal(Number(value), value) : value;
}

/** `|` and `|-`: the lines as they are, up to one that is indented less. */
function readBlock(reader: PlainReader, header: string, indent: number): string {
  if (header !== "|" && header !== "|-") bail();
  const start = reader.at;
  const first = reader.lines[start];
  if (first === undefined || first.body === "" || first.indent <= indent) return bail();
  const texts: string[] = [];
  let kept = 0;
  for (; reader.at < reader.lines.length; reader.at++) {
    const line = reader.lines[reader.at]!;
    if (line.body !== "" && line.indent < first.indent) {
      if (line.indent > indent) bail();
      break;
    }
    if (line.cut === true || (line.body === "" && line.indent > first.indent)) bail();
    texts.push(line.body === "" ? "" : " ".repeat(line.indent - first.indent) + line.body);
    if (line.body !== "") kept = texts.length;
  }
  return texts.slice(0, kept).join("\n") + (header === "|" ? "\n" : "");
}
