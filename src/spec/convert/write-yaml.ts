/** A document as YAML. */
import { isList, isMap, type Path, type SpecMap, type SpecValue } from "../document.ts";
import { isScalar, scalarOf } from "./literals.ts";
import { allWithin, keyOf, type Notes } from "./notes.ts";

const WIDTH = 90;

export function writeYaml(root: SpecMap, notes: Notes): string {
  const lines = mapLines(root, [], "");
  lines.push(...notes.end.map(comment));
  return `${lines.join("\n")}\n`;

  function mapLines(map: SpecMap, path: Path, indent: string): string[] {
    return Object.keys(map).flatMap((key) =>
      entryLines(`${indent}${plainOrQuoted(key)}:`, map[key]!, [...path, key], indent),
    );
  }

  function listLines(list: readonly SpecValue[], path: Path, indent: string): string[] {
    return list.flatMap((item, i) => entryLines(`${indent}-`, item, [...path, i], indent));
  }

  /** `head`: `key:` or `-`, with its indentation. */
  function entryLines(head: string, value: SpecValue, path: Path, indent: string): string[] {
    const note = notes.at.get(keyOf(path));
    const before = (note?.before ?? []).map((line) => indent + comment(line));
    const [first = "", ...more] = (note?.after ?? []).map(comment);
    // a line has room for one comment only
    before.push(...more.map((line) => indent + line));
    const after = first === "" ? "" : ` ${first}`;
    const inner = `${indent}  `;
    if (isScalar(value)) {
      const scalar = scalarOf(value, path);
      if ("bare" in scalar) return [...before, `${head} ${scalar.bare}${after}`];
      const block = blockText(scalar.text, inner);
      if (block) return [...before, `${head} ${block[0]}${after}`, ...block.slice(1)];
      return [...before, `${head} ${plainOrQuoted(scalar.text)}${after}`];
    }
    const inline = flow(value, path, head.length);
    if (inline !== null) return [...before, `${head} ${inline}${after}`];
    if (isList(value)) return [...before, `${head}${after}`, ...listLines(value, path, inner)];
    const rows = mapLines(value, path, inner);
    // `- name: x`: the first key stands on the line of its item, unless there is something to say before it
    if (!head.trim().startsWith("-") || rows[0]!.trimStart().startsWith("#"))
      return [...before, `${head}${after}`, ...rows];
    if (after !== "") before.push(indent + first);
    return [...before, `${head} ${rows[0]!.trimStart()}`, ...rows.slice(1)];
  }

  /** On one line, where that is readable and loses no comment. */
  function flow(value: SpecValue, path: Path, used: number): string | null {
    if (isList(value) ? value.length === 0 : Object.keys(value as SpecMap).length === 0)
      return isList(value) ? "[]" : "{}";
    const own = notes.at.get(keyOf(path));
    const within = allWithin(notes, path, value).length;
    if (within > (own ? own.before.length + own.after.length : 0)) return null;
    if (path.length < 2 && isMap(value)) return null;
    const entries: [string | number, SpecValue][] = isList(value)
      ? [...value.entries()]
      : Object.entries(value as SpecMap);
    const parts: string[] = [];
    for (const [key, item] of entries) {
      if (!isScalar(item)) return null;
      const scalar = scalarOf(item, [...path, key]);
      const text = "bare" in scalar ? scalar.bare : plainOrQuoted(scalar.text);
      parts.push(typeof key === "number" ? text : `${plainOrQuoted(key)}: ${text}`);
    }
    const text = isList(value) ? `[${parts.join(", ")}]` : `{ ${parts.join(", ")} }`;
    return used + text.length + 1 <= WIDTH ? text : null;
  }
}

function comment(line: string): string {
  return line === "" ? "#" : `# ${line}`;
}

/** Nothing that any version of YAML reads as something else than this text, in lists as well. */
const PLAIN = /^(?!\.+$|\.\d)[A-Za-z_./$](?:[\w ./+@%=~^()$;<>|&*!?'-]*[\w./+@%=~^()$*!?'-])?$/;
const WORD = /^(?:true|false|null|yes|no|on|off|y|n|\.inf|\.nan)$/i;

export function plainOrQuoted(text: string): string {
  if (PLAIN.test(text) && !WORD.test(text)) return text;
  // single quotes where they spare a backslash, and hold nothing that has to be escaped
  return /["\\]/.test(text) && /^[ -&(-~]*$/.test(text) ? `'${text}'` : JSON.stringify(text);
}

/** Several lines as they are, when YAML gives back exactly these. */
function blockText(text: string, indent: string): string[] | null {
  if (!/[^\n]\n+[^\n]/.test(text) && !/[^\n]\n$/.test(text)) return null;
  if (/^\s/.test(text)) return null;
  // eslint-disable-next-line no-control-regex -- what a block cannot hold
  if (/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff]|(?:^|\n) +(?:\n|$)/.test(text))
    return null;
  const newlines = /\n*$/.exec(text)![0].length;
  if (newlines > 1) return null;
  const lines = text.slice(0, text.length - newlines).split("\n");
  return [
    newlines === 1 ? "|" : "|-",
    ...lines.map((line) => (line === "" ? "" : `${indent}${line}`)),
  ];
}
