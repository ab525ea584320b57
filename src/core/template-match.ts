/** The inverse of a template: which task of an array has this name, and can two have the same. */
import { parameterCount, rangeNumber, stride, valueCount } from "./parameters.ts";
import { compileReference, compileTemplate } from "./template.ts";
import type { ParameterTable, ParameterValues, TextReference, TextTemplate } from "./workflow.ts";

/** All places in `text` from `at` where a value may end, with the ordinal it is. */
type FieldMatcher = (text: string, at: number) => Iterable<readonly [end: number, ordinal: number]>;

/** Two values never print alike (a range whose format keeps all its digits). */
function lossless(reference: TextReference, range: { decimals: number }): boolean {
  const { f } = reference;
  if (f === undefined || /[sqdxXo]$/.test(f)) return true;
  return f.endsWith("f") && Number(/\.(\d+)/.exec(f)?.[1] ?? 6) >= range.decimals;
}

function fieldMatcher(reference: TextReference, values: ParameterValues): FieldMatcher {
  const print = compileReference(reference, values);
  if ("step" in values && lossless(reference, values)) {
    const radix = /[xX]$/.test(reference.f ?? "") ? 16 : reference.f?.endsWith("o") ? 8 : 10;
    return (text, at) => {
      const field = /^ *[-+]?[0-9a-fA-F]*\.?[0-9]* */.exec(text.slice(at))![0];
      const found: [number, number][] = [];
      for (let length = field.length; length > 0; length--) {
        const shown = field.slice(0, length);
        const number = radix === 10 ? Number(shown) : Number.parseInt(shown, radix);
        const ordinal = Math.round((number - values.from) / values.step);
        if (!(ordinal >= 0 && ordinal < values.count)) continue;
        if (print(ordinal) === shown) found.push([at + length, ordinal]);
      }
      return found;
    };
  }
  const ordinals = new Map<string, number>();
  for (let ordinal = valueCount(values) - 1; ordinal >= 0; ordinal--)
    ordinals.set(print(ordinal), ordinal);
  const lengths = [...new Set([...ordinals.keys()].map((key) => key.length))].toSorted(
    (a, b) => b - a,
  );
  return (text, at) => {
    const found: [number, number][] = [];
    for (const length of lengths) {
      if (at + length > text.length) continue;
      const ordinal = ordinals.get(text.slice(at, at + length));
      if (ordinal !== undefined) found.push([at + length, ordinal]);
    }
    return found;
  };
}

/** A function from text to the first task index that prints it, or null. Costs the text's length, not the array's. */
export function compileMatcher(
  template: TextTemplate,
  table: ParameterTable,
): (text: string) => number | null {
  if (typeof template === "string") return (text) => (text === template ? 0 : null);
  if (table.mode === "zip" && table.values.some((values) => !("step" in values))) {
    return mappedMatcher(template, table);
  }
  const prefix = typeof template[0] === "string" ? template[0] : "";
  const fields = template.map((piece) =>
    typeof piece === "string"
      ? piece
      : { p: piece.p, match: fieldMatcher(piece, table.values[piece.p]!) },
  );
  const ordinals: (number | undefined)[] = [];
  const search = (text: string, at: number, piece: number): boolean => {
    const field = fields[piece];
    if (field === undefined) return at === text.length;
    if (typeof field === "string")
      return text.startsWith(field, at) && search(text, at + field.length, piece + 1);
    const slot = table.mode === "zip" ? 0 : field.p;
    const before = ordinals[slot];
    for (const [end, ordinal] of field.match(text, at)) {
      if (before !== undefined && before !== ordinal) continue;
      ordinals[slot] = ordinal;
      if (search(text, end, piece + 1)) return true;
      ordinals[slot] = before;
    }
    return false;
  };
  return (text) => {
    if (!text.startsWith(prefix)) return null;
    ordinals.length = 0;
    if (!search(text, 0, 0)) return null;
    if (table.mode === "zip") return ordinals[0] ?? 0;
    let index = 0;
    for (let p = 0; p < table.values.length; p++) index += (ordinals[p] ?? 0) * stride(table, p);
    return index;
  };
}

/** Zipped lists may repeat values, so only all of a name decides; the table is as long as its lists anyway. */
function mappedMatcher(
  template: TextTemplate,
  table: ParameterTable,
): (text: string) => number | null {
  let indices: Map<string, number> | null = null;
  return (text) => {
    if (indices === null) {
      indices = new Map();
      const print = compileTemplate(template, table);
      for (let index = parameterCount(table) - 1; index >= 0; index--)
        indices.set(print(index), index);
    }
    return indices.get(text) ?? null;
  };
}

const matchers = new WeakMap<object, WeakMap<ParameterTable, (text: string) => number | null>>();

/** Which task index has this name, or null; remembers what it compiled for a template and its table. */
export function matchName(
  template: TextTemplate,
  table: ParameterTable,
  name: string,
): number | null {
  if (typeof template === "string") return template === name ? 0 : null;
  let byTable = matchers.get(template);
  if (!byTable) matchers.set(template, (byTable = new WeakMap()));
  let match = byTable.get(table);
  if (!match) byTable.set(table, (match = compileMatcher(template, table)));
  return match(name);
}

/** What is known of the texts a reference prints, without printing all of a range. */
interface FieldShape {
  /** all equally long */
  fixed: boolean;
  distinct: boolean;
  has: (character: string) => boolean;
}

function fieldShape(reference: TextReference, values: ParameterValues): FieldShape {
  const print = compileReference(reference, values);
  if ("step" in values) {
    const ends = [print(0).length, print(values.count - 1).length];
    const hex = /[xX]$/.test(reference.f ?? "");
    // between the ends a range has all lengths in between, and fractions may be shorter ("0.5" among "0.25")
    const evenFraction = values.decimals === 0 || reference.f?.endsWith("f") === true;
    const sameSign = values.from < 0 === rangeNumber(values, values.count - 1) < 0;
    return {
      fixed: ends[0] === ends[1] && evenFraction && sameSign && !reference.f?.endsWith("e"),
      distinct: lossless(reference, values),
      has: (character) => (hex ? /[-0-9a-fA-F ]/ : /[-+0-9.e ']/).test(character),
    };
  }
  const texts = values.map((_, ordinal) => print(ordinal));
  const characters = new Set(texts.join(""));
  return {
    fixed: texts.every((text) => text.length === texts[0]!.length),
    distinct: new Set(texts).size === texts.length,
    has: (character) => characters.has(character),
  };
}

/**
 * True when it is proven, from the template alone, that no two tasks print the same text: every parameter
 * with more than one value is there and can be told from its neighbours. False proves nothing.
 */
export function uniqueByConstruction(template: TextTemplate, table: ParameterTable): boolean {
  if (parameterCount(table) <= 1) return true;
  if (typeof template === "string") return false;
  const shapes = template.map((piece) =>
    typeof piece === "string" ? piece : fieldShape(piece, table.values[piece.p]!),
  );
  const readable = new Set<number>();
  const references = shapes.flatMap((shape, i) => (typeof shape === "string" ? [] : [i]));
  // from either side a field can be read when its end can be found; one field left over is what remains
  const read = (order: readonly number[], neighbour: (i: number) => string | undefined): void => {
    for (const i of order) {
      const shape = shapes[i] as FieldShape;
      const next = neighbour(i);
      if (!shape.fixed && !(next !== undefined && !shape.has(next))) return;
      readable.add(i);
    }
  };
  const literalAt = (i: number): string | undefined => {
    const shape = shapes[i];
    return typeof shape === "string" ? shape : undefined;
  };
  read(references, (i) => literalAt(i + 1)?.[0]);
  read(references.toReversed(), (i) => literalAt(i - 1)?.at(-1));
  if (references.length - readable.size === 1) for (const i of references) readable.add(i);
  const told = new Set<number>();
  for (const i of readable) {
    if ((shapes[i] as FieldShape).distinct) told.add((template[i] as TextReference).p);
  }
  if (table.mode === "zip") return told.size > 0;
  return table.values.every((values, p) => valueCount(values) <= 1 || told.has(p));
}

/** The text every name of the template starts with. */
export function literalPrefix(template: TextTemplate): string {
  if (typeof template === "string") return template;
  return typeof template[0] === "string" ? template[0] : "";
}

/** Equal texts for equal parameter places. */
export function sameTemplate(a: TextTemplate, b: TextTemplate): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return (
    a.length === b.length &&
    a.every((piece, i) => {
      const other = b[i]!;
      if (typeof piece === "string" || typeof other === "string") return piece === other;
      return piece.p === other.p && piece.f === other.f;
    })
  );
}
