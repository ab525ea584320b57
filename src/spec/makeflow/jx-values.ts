/** Values of JX. Whole numbers are numbers; what has a fraction is told apart, for 7 / 2 is 3 and 7.0 / 2 is 3.5. */

export class Real {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** `at`: offsets in the text where the list and its items were written. */
export class List {
  readonly items: readonly Value[];
  readonly at: number;
  readonly offsets: readonly number[];

  constructor(items: readonly Value[], at: number, offsets: readonly number[]) {
    this.items = items;
    this.at = at;
    this.offsets = offsets;
  }
}

export class Dict {
  readonly entries: ReadonlyMap<string, Value>;
  readonly at: number;
  readonly offsets: ReadonlyMap<string, number>;

  constructor(
    entries: ReadonlyMap<string, Value>,
    at: number,
    offsets: ReadonlyMap<string, number>,
  ) {
    this.entries = entries;
    this.at = at;
    this.offsets = offsets;
  }
}

export type Value = string | number | boolean | null | Real | List | Dict;

export function kindOf(value: Value): string {
  if (typeof value === "string") return "a text";
  if (typeof value === "number") return "a whole number";
  if (typeof value === "boolean") return "true or false";
  if (value === null) return "null";
  if (value instanceof Real) return "a number";
  return value instanceof List ? "a list" : "an object";
}

/** The name that `schema()` gives. */
export function typeName(value: Value): string {
  if (typeof value === "string") return "string";
  if (typeof value === "number") return "integer";
  if (typeof value === "boolean") return "boolean";
  if (value === null) return "null";
  if (value instanceof Real) return "float";
  return value instanceof List ? "array" : "object";
}

export function equal(a: Value, b: Value): boolean {
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return x === y;
  if (a instanceof List && b instanceof List)
    return (
      a.items.length === b.items.length && a.items.every((each, i) => equal(each, b.items[i]!))
    );
  if (a instanceof Dict && b instanceof Dict) {
    if (a.entries.size !== b.entries.size) return false;
    for (const [key, value] of a.entries) {
      const other = b.entries.get(key);
      if (other === undefined || !equal(value, other)) return false;
    }
    return true;
  }
  return a === b;
}

export function numberOf(value: Value): number | null {
  if (typeof value === "number") return value;
  return value instanceof Real ? value.value : null;
}

/** A number, true, null or text as text; null = a list or an object has none. */
export function textOf(value: Value): string | null {
  if (typeof value === "string") return value;
  if (value instanceof Real) return general(value.value, 16);
  if (value instanceof List || value instanceof Dict) return null;
  return String(value);
}

/** `%g` of C, with so many digits. */
export function general(value: number, digits: number): string {
  if (!Number.isFinite(value)) return String(value).toLowerCase().replace("infinity", "inf");
  if (value === 0) return "0";
  const [mantissa = "", exponent = "0"] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < digits) {
    const fixed = value.toFixed(Math.max(0, digits - 1 - power));
    return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
  }
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return `${short}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}
