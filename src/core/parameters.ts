/** Parameter tables: the values that tell the tasks of an array apart. Nothing here is ever expanded. */
import type { ParameterTable, ParameterValues } from "./workflow.ts";

/** A value read from text, or what is wrong with the text and what to write instead. */
export type Parsed<T> = { value: T } | { error: string; fix: string };

/** One array can hold this many tasks at most; task numbers stay well inside 32 bits. */
export const MAX_ARRAY_TASKS = 100_000_000;

/** Decimals a range may have: beyond these a double has nothing left to say. */
const MAX_DECIMALS = 15;

/** How many values one parameter has. */
export function valueCount(values: ParameterValues): number {
  return "step" in values ? values.count : values.length;
}

/** How many tasks a table describes: the product of all counts, or their common length. A table without parameters is one task. */
export function parameterCount(table: ParameterTable): number {
  let total = 1;
  for (const values of table.values) {
    if (table.mode === "zip") return valueCount(values);
    total *= valueCount(values);
  }
  return total;
}

/** How far apart in task index two neighbouring values of a parameter are. */
export function stride(table: ParameterTable, parameter: number): number {
  let step = 1;
  if (table.mode === "product") {
    for (let p = table.values.length - 1; p > parameter; p--) step *= valueCount(table.values[p]!);
  }
  return step;
}

/** Which value of `parameter` task `index` has. */
export function ordinalAt(table: ParameterTable, parameter: number, index: number): number {
  if (table.mode === "zip") return index;
  return Math.floor(index / stride(table, parameter)) % valueCount(table.values[parameter]!);
}

/** The value of `parameter` in task `index`: numbers of ranges in shortest form, listed values as written. */
export function valueAt(table: ParameterTable, parameter: number, index: number): string {
  return ordinalText(table.values[parameter]!, ordinalAt(table, parameter, index));
}

/** The `ordinal`-th value as text. */
export function ordinalText(values: ParameterValues, ordinal: number): string {
  return "step" in values ? numberText(rangeNumber(values, ordinal)) : (values[ordinal] ?? "");
}

/** The `ordinal`-th number of a range, free of the error that adding 0.1 ten times would gather. */
export function rangeNumber(
  range: { from: number; step: number; decimals: number },
  ordinal: number,
): number {
  const value = range.from + ordinal * range.step;
  return range.decimals === 0 ? value : Number(value.toFixed(range.decimals));
}

function numberText(value: number): string {
  const text = String(value);
  // 1e-7 is the shortest form to JavaScript, not to the programs that read it
  return text.includes("e") ? value.toFixed(MAX_DECIMALS).replace(/\.?0+$/, "") : text;
}

/** Two tables that give every task index the same values (the parameters may be called differently). */
export function sameTable(a: ParameterTable, b: ParameterTable): boolean {
  if (a === b) return true;
  if (a.mode !== b.mode && a.values.length > 1) return false;
  return (
    a.values.length === b.values.length && a.values.every((v, i) => sameValues(v, b.values[i]!))
  );
}

function sameValues(a: ParameterValues, b: ParameterValues): boolean {
  if (a === b) return true;
  if ("step" in a) {
    return (
      "step" in b &&
      a.from === b.from &&
      a.step === b.step &&
      a.count === b.count &&
      a.decimals === b.decimals
    );
  }
  return !("step" in b) && a.length === b.length && a.every((text, i) => text === b[i]);
}

const NUMBER = String.raw`[-+]?(?:\d+(?:\.\d*)?|\.\d+)`;
const RANGE = new RegExp(String.raw`^(${NUMBER})\s*:\s*(${NUMBER})(?:\s*:\s*(${NUMBER}))?$`);

/**
 * Values as text: `1:100` (both ends included), `0:100:10`, `10:0:-2`, `0:1:0.1`, `[1,5]`, `['a','b']`,
 * or one single value.
 */
export function parseValues(source: string): Parsed<ParameterValues> {
  let text = source.trim();
  if (/^\{[^{}]*:[^{}]*\}$/.test(text)) text = text.slice(1, -1).trim();
  const range = RANGE.exec(text);
  if (range) return rangeValues(range[1]!, range[2]!, range[3]);
  if (text.startsWith("[")) return listValues(text);
  if (/^[-+.\d][\d.]*\s*:|^:/.test(text)) {
    return {
      error: `'${text}' is not a range`,
      fix: "write FROM:TO or FROM:TO:STEP with numbers, such as 1:100 or 0:1:0.1, or a list",
    };
  }
  if (text === "") return { error: "there is no value", fix: "write a range (1:100) or a list" };
  return { value: [text] };
}

function decimalsOf(text: string): number {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.slice(point + 1).replace(/0+$/, "").length;
}

function rangeValues(fromText: string, toText: string, stepText = "1"): Parsed<ParameterValues> {
  const [from, to, step] = [Number(fromText), Number(toText), Number(stepText)];
  const shown = `${fromText}:${toText}${stepText === "1" ? "" : `:${stepText}`}`;
  if (step === 0) {
    return {
      error: `the step of the range ${shown} is 0`,
      fix: "write a step other than 0, or leave it out for 1",
    };
  }
  // 1e-9 of a step: 0:1:0.1 has eleven values although ten additions of 0.1 miss 1
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  if (count <= 0) {
    return {
      error: `the range ${shown} is empty`,
      fix:
        step > 0
          ? `the first number must not be above the last; to count down write ${fromText}:${toText}:-1`
          : `a negative step counts down: write ${toText}:${fromText}:${stepText}`,
    };
  }
  const decimals = Math.max(decimalsOf(fromText), decimalsOf(stepText));
  if (
    decimals > MAX_DECIMALS ||
    !Number.isSafeInteger(Math.trunc(Math.max(Math.abs(from), Math.abs(to))))
  ) {
    return { error: `the range ${shown} cannot be counted exactly`, fix: "use fewer digits" };
  }
  if (count > MAX_ARRAY_TASKS) {
    return {
      error: `the range ${shown} has ${count} values`,
      fix: `one array can have ${MAX_ARRAY_TASKS} tasks at most; use several`,
    };
  }
  return { value: { from, step, count, decimals } };
}

/** `[1, 'a b', "c"]` as text (lists of the document itself arrive as lists). */
function listValues(text: string): Parsed<ParameterValues> {
  const wrong = (what: string): Parsed<ParameterValues> => ({
    error: `${what} in the list ${text}`,
    fix: "write a list such as [1, 5, 'a b']",
  });
  if (!text.endsWith("]")) return wrong("there is no closing ]");
  const body = text.slice(1, -1);
  const item = /\s*(?:'((?:[^']|'')*)'|"((?:[^"\\]|\\.)*)"|([^,'"][^,]*|))\s*(,|$)/y;
  const values: string[] = [];
  if (body.trim() === "") return { error: `the list ${text} is empty`, fix: "give it a value" };
  while (item.lastIndex <= body.length) {
    const at = item.lastIndex;
    const match = item.exec(body);
    if (!match) return wrong(`a quote is not closed at '${body.slice(at).trim()}'`);
    const [, single, double, plain, end] = match;
    if (plain !== undefined && plain.trim() === "") return wrong("a value is missing");
    values.push(
      single?.replaceAll("''", "'") ?? double?.replaceAll(/\\(.)/g, "$1") ?? plain!.trim(),
    );
    if (end === "") break;
  }
  return { value: values };
}

/** Indices for `--array`: `0-23`, `0-100:10`, `5`, `1,3,7`, `0-9,20-29`. */
export function parseIndices(source: string): Parsed<ParameterValues> {
  const fix = "write indices such as 0-23, 0-100:10 or 1,3,7";
  const parts = source.split(",").map((part) => part.trim());
  const ranges: { from: number; step: number; count: number; decimals: number }[] = [];
  for (const part of parts) {
    const match = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(part);
    if (!match) return { error: `'${part}' is neither an index nor a range of them`, fix };
    const parsed = rangeValues(match[1]!, match[2] ?? match[1]!, match[3]);
    if ("error" in parsed) {
      const problem = Number(match[3] ?? 1) === 0 ? "has step 0" : "is empty";
      return { error: `the range ${part} ${problem}`, fix };
    }
    if ("step" in parsed.value) ranges.push(parsed.value);
  }
  if (ranges.length === 1) return { value: ranges[0]! };
  const total = ranges.reduce((sum, range) => sum + range.count, 0);
  if (total > 10_000_000) {
    return { error: `${total} listed indices are too many`, fix: "give one range: 0-9999999" };
  }
  const seen = new Set<string>();
  for (const range of ranges) {
    for (let k = 0; k < range.count; k++) {
      const text = ordinalText(range, k);
      if (seen.has(text)) return { error: `the index ${text} is given twice`, fix: "name it once" };
      seen.add(text);
    }
  }
  return { value: [...seen] };
}
