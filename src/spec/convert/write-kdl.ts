/** A document as KDL, version 2: what `kdl-shape.ts` reads, the other way round. */
import { isList, isMap, Literal, type Path, type SpecMap, type SpecValue } from "../document.ts";
import { type Shape, type Slot, WORKFLOW_SHAPE } from "../kdl-shape.ts";
import { compactJson, isScalar, scalarOf } from "./literals.ts";
import { allWithin, keyOf, type Notes } from "./notes.ts";

const WIDTH = 90;

export function writeKdl(root: SpecMap, notes: Notes): string {
  const lines = nodesOf(root, [], "", WORKFLOW_SHAPE);
  lines.push(...notes.end.map(comment));
  return `${lines.join("\n")}\n`;

  function nodesOf(map: SpecMap, path: Path, indent: string, shape: Shape): string[] {
    return Object.keys(map).flatMap((key) =>
      nodeLines(key, map[key]!, [...path, key], indent, shape),
    );
  }

  function nodeLines(
    key: string,
    value: SpecValue,
    path: Path,
    indent: string,
    shape: Shape,
  ): string[] {
    const [name, slot] = slotOf(shape, key);
    const own = ownNotes(path, indent);
    if (slot.kind === "entries" && isList(value))
      return [
        ...own,
        ...value.flatMap((item, i) => entryLines(name, item, [...path, i], indent, slot)),
      ];
    if (slot.kind === "named" && isMap(value))
      return [
        ...own,
        ...Object.keys(value).flatMap((each) => {
          const to = [...path, each];
          const head = `${indent}${word(name)} ${quoted(each, indent)}`;
          return [...ownNotes(to, indent), ...withChildren(head, value[each]!, to, indent, slot)];
        }),
      ];
    if (slot.kind === "codes" && isList(value))
      return [...own, ...value.flatMap((rule, i) => codesLines(name, rule, [...path, i], indent))];
    const head = `${indent}${word(name)}`;
    if (slot.kind === "json") {
      const said = isMap(value) || isList(value) ? within(path, value, indent) : own;
      return [...said, `${head} ${quoted(compactJson(value, path), indent)}`];
    }
    if (isScalar(value)) return [...own, `${head} ${argument(value, path, indent)}`];
    if (isList(value)) return listNode(head, value, path, indent, slot);
    const inner = slot.kind === "entry" || slot.kind === "reference" ? slot.shape : {};
    return [
      ...own,
      ...withChildren(head, value, path, indent, { kind: "entry", to: key, shape: inner }),
    ];
  }

  /** One value would be no list, and lists in lists have no other way. */
  function listNode(
    head: string,
    list: readonly SpecValue[],
    path: Path,
    indent: string,
    slot: Slot,
  ): string[] {
    const said = within(path, list, indent);
    const flat = list.every(isScalar) && (slot.kind === "list" || list.length !== 1);
    if (flat) {
      const values = list.map((item, i) => argument(item, [...path, i], indent));
      return [...said, [head, ...values].join(" ")];
    }
    const inner = `${indent}  `;
    const items = list.flatMap((item, i) =>
      nodeLines("-", item, [...path, i], inner, {}).filter((line) => !said.includes(line)),
    );
    return [...said, `${head} {`, ...items, `${indent}}`];
  }

  /** `task "name" { … }` */
  function entryLines(
    name: string,
    value: SpecValue,
    path: Path,
    indent: string,
    slot: Extract<Slot, { kind: "entries" }>,
  ): string[] {
    const own = ownNotes(path, indent);
    const title = slot.named && isMap(value) ? value["name"] : undefined;
    if (!isMap(value) || title === undefined || !isScalar(title))
      return [...own, ...withChildren(`${indent}${name}`, value, path, indent, slot)];
    const { name: _name, ...rest } = value;
    own.push(...ownNotes([...path, "name"], indent));
    const head = `${indent}${name} ${argument(title, [...path, "name"], indent)}`;
    return [...own, ...withChildren(head, rest, path, indent, slot)];
  }

  function withChildren(
    head: string,
    value: SpecValue,
    path: Path,
    indent: string,
    slot: Slot,
  ): string[] {
    if (!isMap(value)) return [`${head} ${argument(value as Literal, path, indent)}`];
    const shape = "shape" in slot ? slot.shape : {};
    if (Object.keys(value).length === 0) return [`${head} {}`];
    const inner = nodesOf(value, path, `${indent}  `, shape);
    const short = `${head} { ${inner.map((line) => line.trim()).join("; ")} }`;
    const plain = inner.every((line) => !line.includes("\n") && !/^\s*\/\/|[{}]$/.test(line));
    const task = path.length === 2 && (path[0] === "tasks" || path[0] === "jobs");
    if (plain && short.length <= WIDTH && !task) return [short];
    return [`${head} {`, ...inner, `${indent}}`];
  }

  /** `exit_codes 137 138 { retries 3 }` */
  function codesLines(name: string, rule: SpecValue, path: Path, indent: string): string[] {
    const codes = isMap(rule) ? rule["codes"] : undefined;
    if (!isMap(rule) || codes === undefined)
      return [
        ...ownNotes(path, indent),
        ...withChildren(`${indent}${name}`, rule, path, indent, { kind: "map", to: name }),
      ];
    const { codes: _codes, ...rest } = rule;
    const list = isList(codes) ? codes : [codes];
    const at = [...path, "codes"];
    const values = list.map((code, i) => argument(code as Literal, [...at, i], indent));
    return [
      ...ownNotes(path, indent),
      ...within(at, codes, indent),
      ...withChildren(`${indent}${name} ${values.join(" ")}`, rest, path, indent, {
        ...{ kind: "map", to: name },
      }),
    ];
  }

  function ownNotes(path: Path, indent: string): string[] {
    const note = notes.at.get(keyOf(path));
    return note ? [...note.before, ...note.after].map((line) => indent + comment(line)) : [];
  }

  function within(path: Path, value: SpecValue, indent: string): string[] {
    return allWithin(notes, path, value).map((line) => indent + comment(line));
  }
}

/** The node that becomes this key. */
function slotOf(shape: Shape, key: string): readonly [name: string, slot: Slot] {
  const all = Object.entries(shape).filter(([, { to }]) => to === key);
  return all.find(([name]) => name === key) ?? all[0] ?? [key, { kind: "value", to: key }];
}

function comment(line: string): string {
  return line === "" ? "//" : `// ${line}`;
}

function word(name: string): string {
  return /^(?:[A-Za-z_$][\w$.-]*|-)$/.test(name) && !/^(?:true|false|null|inf|nan)$/.test(name)
    ? name
    : quoted(name, "");
}

function argument(value: string | Literal, path: Path, indent: string): string {
  const scalar = scalarOf(value, path);
  if ("text" in scalar) return quoted(scalar.text, indent);
  return /^(?:true|false|null)$/.test(scalar.bare) ? `#${scalar.bare}` : scalar.bare;
}

/** Several lines as they are, where KDL gives back exactly these. */
function quoted(text: string, indent: string): string {
  const lines = text.split("\n");
  // a backslash at the end of a line, though escaped, is taken for one that joins two lines
  const plain = lines.every((line) => line === "" || (line.trim() !== "" && !line.endsWith("\\")));
  if (lines.length > 1 && plain && !/\r/.test(text)) {
    const inner = `${indent}  `;
    const body = lines.map((line) => (line === "" ? "" : inner + escaped(line)));
    return ['"""', ...body, `${inner}"""`].join("\n");
  }
  return `"${escaped(text)}"`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  '"': '\\"',
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** What has no name is written by its number, and so is all that KDL forbids or reads as the end of a line. */
function escaped(text: string): string {
  return text.replaceAll(
    // eslint-disable-next-line no-control-regex -- these are what is looked for
    /[\\"\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (char) => ESCAPES[char] ?? `\\u{${char.codePointAt(0)!.toString(16)}}`,
  );
}
