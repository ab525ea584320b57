/** A document as any spelling yields it: values with their written form, and where each one stands. */
import type { ErrorDetail, Place } from "../core/error.ts";

/**
 * A scalar that its notation does not read as text: numbers, true, null (and YAML's `no` and `off`, which half of
 * all programs read as false). `text` is what the author wrote, so 2.50 stays 2.50 where text is wanted.
 */
export class Literal {
  readonly value: number | bigint | boolean | null | string;
  readonly text: string;

  constructor(value: number | bigint | boolean | null | string, text: string) {
    this.value = value;
    this.text = text;
  }
}

export type SpecValue = string | Literal | readonly SpecValue[] | SpecMap;
export interface SpecMap {
  readonly [key: string]: SpecValue;
}

export type Path = readonly (string | number)[];

export interface Position {
  line: number;
  column: number;
  /** when it is not the document itself: one that it names */
  file?: string;
}

/** Which part of the entry at a path is meant. `needle`: the first place of this text inside the value. */
export interface At {
  key?: boolean;
  needle?: string;
}

/** How a document is spelled. */
export const FORMATS = ["yaml", "json", "json5", "kdl"] as const;
export type Format = (typeof FORMATS)[number];

export interface SpecDocument {
  /** as users are told of it */
  readonly file: string;
  readonly format: Format;
  readonly value: SpecValue;
  /** found while reading, and told together with what is wrong with the values */
  readonly mistakes?: readonly (ErrorDetail & { place: Place })[];
  /** of what means nothing here; `of` as in `SpecWarning` */
  readonly warnings?: readonly (ErrorDetail & { place: Place; of?: "run" | "server" | "both" })[];
  /** of the entry, or of the nearest one around it that stands in the document */
  locate(path: Path, at?: At): Position;
  /** the value as written, or "" when it is not in the document */
  source(path: Path): string;
}

export function isMap(value: SpecValue | undefined): value is SpecMap {
  return typeof value === "object" && !Array.isArray(value) && !(value instanceof Literal);
}

export function isList(value: SpecValue | undefined): value is readonly SpecValue[] {
  return Array.isArray(value);
}

/** Also right for `__proto__`, which assignment would swallow. */
export function setOwn(map: Record<string, SpecValue>, key: string, value: SpecValue): void {
  if (key !== "__proto__") map[key] = value;
  else
    Object.defineProperty(map, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

/** The entry at the end of a path, or undefined when it is not there. */
export function valueAtPath(root: SpecValue, path: Path): SpecValue | undefined {
  let value: SpecValue | undefined = root;
  for (const step of path) {
    if (isList(value) && typeof step === "number") value = value[step];
    else if (isMap(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}

/** Lines and columns of offsets, both from 1; columns count UTF-16 units. Lines are counted when the first one is asked for. */
export function linesOf(text: string): (offset: number) => Position {
  let starts: number[] | null = null;
  return (offset) => {
    if (starts === null) {
      starts = [0];
      for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) starts.push(i + 1);
    }
    let [low, high] = [0, starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: Math.max(0, offset - starts[low]!) + 1 };
  };
}
