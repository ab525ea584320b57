/** KDL, version 2 or 1, into a document with positions. */
import {
  getLocation,
  InvalidKdlError,
  parse,
  type Entry,
  type Node,
  type Value,
} from "@bgotink/kdl";
import { parse as parseVersion1 } from "@bgotink/kdl/v1-compat";
import { type ErrorDetail, HoldallError, type Place } from "../core/error.ts";
import {
  type At,
  isList,
  isMap,
  linesOf,
  Literal,
  type Path,
  setOwn,
  type SpecDocument,
  type SpecValue,
} from "./document.ts";
import { jsonReader, JsonStop } from "./json-reader.ts";
import { type Shape, type Slot, WORKFLOW_SHAPE } from "./kdl-shape.ts";
import { mistakesError } from "./mistakes.ts";

type Nodes = ReturnType<typeof parseVersion1>;
type Element = Parameters<typeof getLocation>[0];

/** Where an entry stands: offsets into the text. */
interface Spot {
  key: number;
  start: number;
  end: number;
}

type Told = ErrorDetail & { place: Place };

/** Reads one document. Throws `spec` with the mistakes of syntax. */
export function parseKdl(file: string, text: string): SpecDocument {
  const lines = linesOf(text);
  const nodes = parseNodes(file, text, lines);
  if (nodes.nodes.length === 0) {
    throw new HoldallError("spec", "the file holds no node", {
      place: { file, line: 1, column: 1 },
      fix: 'write a workflow: name "…" and task "…" { command "…" }',
    });
  }
  const mistakes: Told[] = [];
  const spots = new Map<object, Map<string | number, Spot>>();
  const converter: Converter = {
    spots,
    tell(element, message, fix) {
      mistakes.push({ message, fix, place: { file, ...lines(spotOf(element).start) } });
    },
  };
  const value: Record<string, SpecValue> = {};
  fill(converter, value, nodes.nodes, WORKFLOW_SHAPE);
  const find = (path: Path): Spot & { whole: boolean } => {
    let found = { key: 0, start: 0, end: text.length, whole: true };
    let container: SpecValue | undefined = value;
    for (const step of path) {
      const spot: Spot | undefined =
        typeof container === "object" ? spots.get(container)?.get(step) : undefined;
      if (!spot) return { ...found, whole: false };
      found = { ...spot, whole: true };
      container = (container as Record<string | number, SpecValue>)[step];
    }
    return found;
  };
  return {
    file,
    format: "kdl",
    value,
    mistakes,
    locate(path: Path, at: At = {}) {
      const found = find(path);
      if (at.key === true && found.whole) return lines(found.key);
      const inside =
        at.needle === undefined ? 0 : text.slice(found.start, found.end).indexOf(at.needle);
      return lines(found.start + Math.max(0, inside));
    },
    source(path: Path) {
      const found = find(path);
      return found.whole ? text.slice(found.start, found.end) : "";
    },
  };
}

function parseNodes(file: string, text: string, lines: ReturnType<typeof linesOf>): Nodes {
  const second = attempt(() => parse(text, { storeLocations: true }));
  if ("nodes" in second) return second.nodes;
  const first = attempt(() => parseVersion1(text, { storeLocations: true }));
  if ("nodes" in first) return first.nodes;
  const { errors } = meansVersion1(text, first.errors, second.errors) ? first : second;
  throw mistakesError(
    errors.map((error): Told => {
      const message = error.message.replace(/ at (?:\d+:\d+|end of input)$/, "");
      const unclosed = /EOF inside string/.test(message);
      const deep = /call stack/.test(message);
      const offset = unclosed ? openQuote(text) : (error.start?.offset ?? 0);
      return {
        message: unclosed
          ? "a quote is opened and never closed"
          : deep
            ? "nodes are nested too deeply"
            : `this is not KDL: ${message.charAt(0).toLowerCase()}${message.slice(1)}`,
        fix: unclosed
          ? "close the quote"
          : deep
            ? "a workflow needs five levels at most"
            : 'a node is `name "value"`, with its children in { }; quote texts that are no plain words',
        place: { file, ...lines(offset) },
      };
    }),
  );
}

function attempt(read: () => Nodes): { nodes: Nodes } | { errors: readonly InvalidKdlError[] } {
  try {
    return { nodes: read() };
  } catch (error) {
    if (error instanceof InvalidKdlError) return { errors: [...error.flat()].slice(0, 100) };
    const message = error instanceof Error ? error.message : String(error);
    return { errors: [new InvalidKdlError(message)] };
  }
}

/** Which version an author who made mistakes in both probably meant. */
function meansVersion1(
  text: string,
  first: readonly InvalidKdlError[],
  second: readonly InvalidKdlError[],
): boolean {
  if (/#(?:true|false|null)\b|#"|"""/.test(text.replaceAll(/\br#*".*?"#*/g, ""))) return false;
  if (/\br#*"|[\s=](?:true|false|null)(?=[\s;}])/.test(text)) return true;
  return (first[0]?.start?.offset ?? 0) > (second[0]?.start?.offset ?? 0);
}

/** The quote of the last line that opens one and does not close it. */
function openQuote(text: string): number {
  for (let end = text.length; end > 0;) {
    const start = text.lastIndexOf("\n", end - 1) + 1;
    const quotes = [...text.slice(start, end).matchAll(/\\.|"/g)].filter(([mark]) => mark === '"');
    if (quotes.length % 2 === 1) return start + quotes.at(-1)!.index;
    end = start - 1;
  }
  return 0;
}

interface Converter {
  readonly spots: Map<object, Map<string | number, Spot>>;
  tell(element: Element, message: string, fix: string): void;
}

function spotOf(element: Element, key: Element = element): Spot {
  const at = getLocation(element);
  const start = at?.start.offset ?? 0;
  return { key: getLocation(key)?.start.offset ?? start, start, end: at?.end.offset ?? start };
}

function note(converter: Converter, container: object, key: string | number, spot: Spot): void {
  let known = converter.spots.get(container);
  if (!known) converter.spots.set(container, (known = new Map()));
  known.set(key, spot);
}

const UNLISTED = (name: string): Slot => ({ kind: "value", to: name });

/** Puts what `nodes` say into `map`. */
function fill(
  converter: Converter,
  map: Record<string, SpecValue>,
  nodes: readonly Node[],
  shape: Shape,
): void {
  for (const node of nodes) {
    const name = node.getName();
    const slot = Object.hasOwn(shape, name) ? shape[name]! : UNLISTED(name);
    const { to } = slot;
    const before = Object.hasOwn(map, to) ? map[to] : undefined;
    if (slot.kind === "list" || slot.kind === "entries" || slot.kind === "codes") {
      if (before !== undefined && !isList(before)) twice(converter, node, to);
      const list = isList(before) ? (before as SpecValue[]) : [];
      if (!isList(before)) {
        setOwn(map, to, list);
        note(converter, map, to, spotOf(node, node.name));
      }
      if (slot.kind === "list") gather(converter, list, node);
      else {
        note(converter, list, list.length, spotOf(node, node.name));
        list.push(slot.kind === "codes" ? codes(converter, node) : entry(converter, node, slot));
      }
      continue;
    }
    if (slot.kind === "named") {
      if (before !== undefined && !isMap(before)) twice(converter, node, to);
      const named = isMap(before) ? (before as Record<string, SpecValue>) : {};
      if (!isMap(before)) {
        setOwn(map, to, named);
        note(converter, map, to, spotOf(node, node.name));
      }
      const under = String(node.getArgument(0) ?? "");
      if (Object.hasOwn(named, under)) twice(converter, node, `${name} "${under}"`);
      note(converter, named, under, spotOf(node, node.name));
      setOwn(
        named,
        under,
        mapping(converter, node, node.getArgumentEntries().slice(1), slot.shape),
      );
      continue;
    }
    if (before !== undefined) twice(converter, node, name);
    const only = node.getArgumentEntries();
    const plain = only.length === 1 && node.entries.length === 1 && node.children === null;
    note(
      converter,
      map,
      to,
      plain ? { ...spotOf(only[0]!.value), key: spotOf(node.name).start } : spotOf(node, node.name),
    );
    setOwn(map, to, single(converter, node, slot));
  }
}

function twice(converter: Converter, node: Node, name: string): void {
  converter.tell(node, `'${name}' is there twice`, "keep one of them");
}

function single(converter: Converter, node: Node, slot: Slot): SpecValue {
  switch (slot.kind) {
    case "map":
      return mapping(converter, node, node.getArgumentEntries(), {});
    case "entry":
      return mapping(converter, node, node.getArgumentEntries(), slot.shape);
    case "reference":
      return node.getArgumentEntries().length > 0
        ? general(converter, node)
        : mapping(converter, node, [], slot.shape);
    case "json":
      return embedded(converter, node);
    default:
      return general(converter, node);
  }
}

/** Arguments of a node whose like make one list together. */
function gather(converter: Converter, list: SpecValue[], node: Node): void {
  const values = node.getArgumentEntries().map(({ value }) => value);
  for (const child of node.children?.nodes ?? []) {
    if (child.getName() === "-")
      values.push(...child.getArgumentEntries().map(({ value }) => value));
    else unexpected(converter, child, node);
  }
  for (const property of node.getPropertyEntries()) unexpected(converter, property, node);
  for (const value of values) {
    note(converter, list, list.length, spotOf(value));
    list.push(scalar(value));
  }
}

function unexpected(converter: Converter, element: Node | Entry, node: Node): void {
  const what = element.getName() ?? "this";
  converter.tell(
    element,
    `'${node.getName()}' takes a list of values, and '${what}' is none`,
    `write ${node.getName()} "a" "b"`,
  );
}

/** `task "name" key=value { … }` */
function entry(
  converter: Converter,
  node: Node,
  slot: Extract<Slot, { kind: "entries" }>,
): SpecValue {
  const args = node.getArgumentEntries();
  const map = mapping(converter, node, args.slice(slot.named ? 1 : 0), slot.shape);
  const name = args[0]?.value;
  if (!slot.named || !name) return map;
  if (Object.hasOwn(map, "name")) twice(converter, node, "name");
  note(converter, map, "name", spotOf(name));
  // the name first, as the other formats have it
  const whole: Record<string, SpecValue> = { name: scalar(name) };
  for (const key of Object.keys(map)) setOwn(whole, key, map[key]!);
  converter.spots.set(whole, converter.spots.get(map)!);
  return whole;
}

/** Properties and children under their names. `over`: arguments, which nobody asked for. */
function mapping(
  converter: Converter,
  node: Node,
  over: readonly Entry[],
  shape: Shape,
): Record<string, SpecValue> {
  const map: Record<string, SpecValue> = {};
  converter.spots.set(map, new Map());
  for (const extra of over) {
    converter.tell(
      extra,
      `'${node.getName()}' has an argument too many`,
      "write it as a child: key value",
    );
  }
  for (const property of node.getPropertyEntries()) {
    const name = property.getName()!;
    const slot = Object.hasOwn(shape, name) ? shape[name]! : UNLISTED(name);
    if (Object.hasOwn(map, slot.to)) twiceProperty(converter, property, name);
    const value = scalar(property.value);
    const spot = { ...spotOf(property.value), key: spotOf(property.name!).start };
    const listed = slot.kind === "list";
    setOwn(map, slot.to, listed ? [value] : value);
    note(converter, map, slot.to, spot);
    if (listed) note(converter, map[slot.to] as SpecValue[], 0, spot);
  }
  fill(converter, map, node.children?.nodes ?? [], shape);
  return map;
}

function twiceProperty(converter: Converter, property: Entry, name: string): void {
  converter.tell(property, `'${name}' is there twice`, "keep one of them");
}

/** `exit_codes 137 138 retries=3`, or with children */
function codes(converter: Converter, node: Node): SpecValue {
  const map = mapping(converter, node, [], { codes: { kind: "list", to: "codes" } });
  const values = node.getArgumentEntries().map(({ value }) => value);
  if (values.length === 0) return map;
  if (Object.hasOwn(map, "codes")) twice(converter, node, "codes");
  const items = values.map(scalar);
  values.forEach((value, i) => note(converter, items, i, spotOf(value)));
  note(converter, map, "codes", spotOf(values[0]!));
  setOwn(map, "codes", items.length === 1 && typeof items[0] === "string" ? items[0] : items);
  return map;
}

/** A node nobody says anything special about. */
function general(converter: Converter, node: Node): SpecValue {
  const args = node.getArgumentEntries();
  const children = node.children?.nodes ?? [];
  const properties = node.getPropertyEntries();
  if (args.length > 0) {
    if (children.length > 0 || properties.length > 0) {
      converter.tell(
        children[0] ?? properties[0]!,
        `'${node.getName()}' has arguments, so it cannot have more`,
        "write all of it as arguments, or all as children",
      );
    }
    if (args.length === 1) return scalar(args[0]!.value);
    const list = args.map(({ value }) => scalar(value));
    args.forEach(({ value }, i) => note(converter, list, i, spotOf(value)));
    return list;
  }
  if (children.length > 0 && children.every((child) => child.getName() === "-")) {
    const list: SpecValue[] = [];
    for (const child of children) {
      note(converter, list, list.length, spotOf(child));
      list.push(general(converter, child));
    }
    return list;
  }
  if (children.length === 0 && properties.length === 0) return new Literal(null, "");
  return mapping(converter, node, [], {});
}

/** JSON in a text; other values as they are. */
function embedded(converter: Converter, node: Node): SpecValue {
  const value = general(converter, node);
  if (typeof value !== "string") return value;
  const reader = jsonReader(value, false);
  try {
    const read = reader.document();
    const [repeated] = reader.mistakes;
    if (repeated) converter.tell(node, repeated.message, repeated.fix);
    return read;
  } catch (error) {
    if (!(error instanceof JsonStop)) throw error;
    converter.tell(
      node.getArgumentEntries()[0] ?? node,
      `the text of '${node.getName()}' is not JSON: ${error.mistake.message}`,
      'write JSON in a text: data "{\\"key\\": 1}"',
    );
    return value;
  }
}

function scalar(value: Value): SpecValue {
  const content = value.getValue();
  if (typeof content === "string") return content;
  const written = value.representation ?? String(content);
  if (typeof content !== "number") return new Literal(content, String(content));
  const digits = written.replaceAll("_", "");
  return new Literal(content, /^[-+]?0[xob]/.test(digits) ? String(content) : digits);
}
