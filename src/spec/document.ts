/** A document as any spelling yields it: values with their written form, and where each one stands. */

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
}

/** Which part of the entry at a path is meant. `needle`: the first place of this text inside the value. */
export interface At {
  key?: boolean;
  needle?: string;
}

export interface SpecDocument {
  /** as users are told of it */
  readonly file: string;
  readonly value: SpecValue;
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

/** Line and column of an offset, both from 1; columns count UTF-16 units. */
export function positionAt(text: string, offset: number): Position {
  let line = 1;
  let start = 0;
  for (let i = text.indexOf("\n"); i >= 0 && i < offset; i = text.indexOf("\n", i + 1)) {
    line += 1;
    start = i + 1;
  }
  return { line, column: Math.max(0, offset - start) + 1 };
}
