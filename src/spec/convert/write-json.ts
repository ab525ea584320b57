/** A document as JSON or JSON5. Comments only in the latter. */
import { isList, type Path, type SpecMap, type SpecValue } from "../document.ts";
import { isScalar, scalarOf } from "./literals.ts";
import { allWithin, keyOf, type Notes } from "./notes.ts";

/** What fits is written on one line. */
const WIDTH = 90;

export function writeJson(root: SpecMap, notes: Notes, five: boolean): string {
  const end = five ? notes.end.map((line) => `${comment(line)}\n`).join("") : "";
  return `${write(root, [], "")}\n${end}`;

  function write(of: SpecValue, path: Path, indent: string): string {
    if (isScalar(of)) {
      const scalar = scalarOf(of, path);
      return "bare" in scalar ? scalar.bare : JSON.stringify(scalar.text);
    }
    const entries: [key: string | number, value: SpecValue][] = isList(of)
      ? [...of.entries()]
      : Object.keys(of).map((key) => [key, of[key]!]);
    const [open, close] = isList(of) ? "[]" : "{}";
    if (entries.length === 0) return `${open}${close}`;
    const small = path.length > 1 && entries.every(([, item]) => isScalar(item));
    if (small && (!five || allWithin(notes, path, of).length === ownCount(path))) {
      const pad = isList(of) ? "" : " ";
      const inline = entries.map(([key, item]) => label(key) + write(item, [...path, key], ""));
      const text = `${open}${pad}${inline.join(", ")}${pad}${close}`;
      if (indent.length + text.length <= WIDTH) return text;
    }
    const inner = `${indent}  `;
    const rows = entries.map(([key, item], at) => {
      const to = [...path, key];
      const note = five ? notes.at.get(keyOf(to)) : undefined;
      const before = (note?.before ?? []).map((line) => `${inner}${comment(line)}\n`).join("");
      const after = (note?.after ?? []).map((line) => ` ${comment(line)}`);
      const comma = five || at < entries.length - 1 ? "," : "";
      // a line has room for one comment only
      const extra = after.slice(1).map((line) => `\n${inner}${line.trim()}`);
      const text = `${inner}${label(key)}${write(item, to, inner)}${comma}`;
      return `${before}${text}${after[0] ?? ""}${extra.join("")}`;
    });
    return `${open}\n${rows.join("\n")}\n${indent}${close}`;
  }

  function ownCount(path: Path): number {
    const own = notes.at.get(keyOf(path));
    return own ? own.before.length + own.after.length : 0;
  }

  function label(key: string | number): string {
    if (typeof key === "number") return "";
    return five && /^[A-Za-z_$][\w$]*$/.test(key) ? `${key}: ` : `${JSON.stringify(key)}: `;
  }
}

function comment(line: string): string {
  return line === "" ? "//" : `// ${line}`;
}
