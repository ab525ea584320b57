/** YAML 1.2 into a document with positions. */
import {
  type Alias,
  isAlias,
  isMap as isYamlMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Document,
  type Node,
  type ParsedNode,
  parseAllDocuments,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { HoldallError } from "../core/error.ts";
import {
  type At,
  Literal,
  type Path,
  type Position,
  setOwn,
  type SpecDocument,
  type SpecValue,
} from "./document.ts";
import { mistakesError } from "./mistakes.ts";
import { explainYaml } from "./yaml-traps.ts";

/** Nodes that aliases may multiply a document to, beyond ten times its own size. */
const ALIAS_ALLOWANCE = 100_000;

/** Mistakes of syntax that are looked into; far more than are shown. */
const EXPLAINED = 100;

/** Reads one YAML document. Throws `spec` with every mistake of syntax. `text` should be a few megabytes at most. */
export function parseYaml(file: string, text: string): SpecDocument {
  const { root, document, lines } = parseNodes(file, text);
  const converter = converterOf(file, document, lines);
  const value = converter.convert(root);
  converter.throwMistakes();
  return {
    file,
    format: "yaml",
    value,
    locate: (path, at) => locate(document, root, lines, text, path, at),
    source: (path) => {
      const node = nodeAt(document, root, path).value;
      return node?.range ? text.slice(node.range[0], node.range[1]) : "";
    },
  };
}

function parseNodes(
  file: string,
  text: string,
): { root: Node; document: Document.Parsed; lines: LineCounter } {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: "silent",
    uniqueKeys: true,
    stringKeys: false,
  });
  const place = (offset: number): { file: string; line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  const all = [...documents];
  const first = all[0];
  const broken = all.flatMap((document) => [...document.errors, ...document.warnings]);
  if (broken.length > 0) {
    throw mistakesError(
      broken.slice(0, EXPLAINED).map((error) => {
        const told = explainYaml(error, text);
        return { message: told.message, fix: told.fix, place: place(told.offset) };
      }),
      broken.length,
    );
  }
  if (all.length > 1) {
    throw new HoldallError("spec", `the file holds ${all.length} YAML documents`, {
      place: place(all[1]!.range[0]),
      fix: "keep one; `---` starts another document",
    });
  }
  if (!first?.contents || (isScalar(first.contents) && first.contents.value === null)) {
    throw emptyDocument(file, text);
  }
  return { root: first.contents, document: first, lines };
}

export function emptyDocument(file: string, text: string): HoldallError {
  const what = text.trim() === "" ? "the file is empty" : "the file holds only comments";
  return new HoldallError("spec", what, {
    place: { file, line: 1, column: 1 },
    fix: "write a workflow: `name:` and `tasks:`, a list of tasks with `name:` and `command:`",
  });
}

interface Converter {
  convert(node: Node | null): SpecValue;
  throwMistakes(): void;
}

function converterOf(file: string, document: Document.Parsed, lines: LineCounter): Converter {
  const anchored = new Map<Node, { value: SpecValue; weight: number }>();
  const mistakes: { message: string; fix: string; offset: number }[] = [];
  let written = 0;
  let weight = 0;

  const alias = (node: Alias): SpecValue => {
    const target = node.resolve(document) as Node | undefined;
    const known = target && anchored.get(target);
    if (!known) {
      const fix = `quote a text that starts with '*': "*${node.source}"`;
      mistakes.push({
        message: `'*${node.source}' refers to an anchor that is not finished or not there`,
        fix,
        offset: node.range![0],
      });
      return "";
    }
    weight += known.weight;
    if (weight > written * 10 + ALIAS_ALLOWANCE) {
      throw new HoldallError("spec", "anchors and aliases multiply this document beyond reason", {
        place: placeOf(node.range![0]),
        fix: "write the values out, or use parameters",
      });
    }
    return known.value;
  };

  const convert = (node: Node | null): SpecValue => {
    if (!node) return new Literal(null, "");
    if (isAlias(node)) return alias(node);
    const before = weight;
    written += 1;
    weight += 1;
    const value = isScalar(node) ? scalarValue(node) : collection(node);
    if (isScalar(node) || isYamlMap(node) || isSeq(node)) {
      if (node.anchor) anchored.set(node, { value, weight: weight - before });
    }
    return value;
  };

  const collection = (node: YAMLMap | YAMLSeq): SpecValue => {
    if (isSeq(node)) return node.items.map((item) => convert(item as Node | null));
    const result: Record<string, SpecValue> = {};
    const merged: Record<string, SpecValue>[] = [];
    for (const pair of node.items) {
      const key = pair.key as Node | null;
      const name = keyText(key);
      const value = convert(pair.value as Node | null);
      if (name === null) {
        const fix = "a key is one word; quote the text if YAML should not read a mapping here";
        const offset = key?.range?.[0] ?? node.range![0];
        mistakes.push({ message: "a key of a mapping is no plain text", fix, offset });
      } else if (name === "<<" && (key as Scalar).type === "PLAIN") {
        for (const part of Array.isArray(value) ? (value as SpecValue[]) : [value]) {
          if (typeof part === "object" && !(part instanceof Literal) && !Array.isArray(part))
            merged.push(part as Record<string, SpecValue>);
        }
      } else setOwn(result, name, value);
    }
    for (const part of merged) {
      for (const [key, value] of Object.entries(part)) {
        if (!Object.hasOwn(result, key)) setOwn(result, key, value);
      }
    }
    return result;
  };

  const placeOf = (offset: number): { file: string; line: number; column: number } => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  return {
    convert,
    throwMistakes() {
      if (mistakes.length === 0) return;
      throw mistakesError(
        mistakes.map(({ message, fix, offset }) => ({ message, fix, place: placeOf(offset) })),
      );
    },
  };
}

function keyText(key: Node | null): string | null {
  if (!isScalar(key)) return null;
  if (typeof key.value === "string") return key.value;
  return key.source ?? String(key.value);
}

/** Plain words that YAML 1.1 programs read as booleans: never taken for text without quotes. */
export const OLD_BOOLEAN: RegExp = /^(?:yes|no|on|off)$/i;

function scalarValue(node: Scalar): SpecValue {
  const { value } = node;
  if (typeof value === "string") {
    return node.type === "PLAIN" && OLD_BOOLEAN.test(value) ? new Literal(value, value) : value;
  }
  const text = node.source ?? String(value);
  return new Literal(value as number | bigint | boolean | null, text);
}

/** The node at a path, and the key that leads to it; both follow aliases and merges. */
function nodeAt(
  document: Document.Parsed,
  root: Node,
  path: Path,
): { key: Node | null; value: Node | null; found: number } {
  let key: Node | null = null;
  let value: Node | null = root;
  for (const [found, step] of path.entries()) {
    const container: Node | undefined = isAlias(value)
      ? value.resolve(document)
      : (value ?? undefined);
    const pair: unknown =
      isSeq(container) && typeof step === "number"
        ? container.items[step]
        : findPair(document, container, String(step));
    if (pair === undefined || pair === null) return { key, value, found };
    key = isPair(pair) ? (pair.key as Node) : null;
    value = (isPair(pair) ? (pair.value as Node | null) : (pair as Node)) ?? null;
  }
  return { key, value, found: path.length };
}

function findPair(document: Document.Parsed, container: Node | undefined, name: string): unknown {
  if (!isYamlMap(container)) return undefined;
  const own = container.items.find((pair) => keyText(pair.key as Node) === name);
  if (own) return own;
  for (const pair of container.items) {
    if (keyText(pair.key as Node) !== "<<") continue;
    const merged = isSeq(pair.value) ? pair.value.items : [pair.value];
    for (const part of merged) {
      const target = isAlias(part) ? part.resolve(document) : (part as Node);
      const found = findPair(document, target, name);
      if (found) return found;
    }
  }
  return undefined;
}

function locate(
  document: Document.Parsed,
  root: Node,
  lines: LineCounter,
  text: string,
  path: Path,
  at: At = {},
): Position {
  const { key, value, found } = nodeAt(document, root, path);
  const wantsKey = (at.key === true || value === null) && key !== null && found === path.length;
  const node = (wantsKey ? key : (value ?? key ?? root)) as ParsedNode;
  let offset = node.range?.[0] ?? 0;
  if (at.needle !== undefined && !wantsKey && node.range) {
    const inside = text.slice(node.range[0], node.range[1]).indexOf(at.needle);
    if (inside > 0) offset += inside;
  }
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}
