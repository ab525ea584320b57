/**
 * Text with references to parameters: `out/{i:03d}.dat`.
 *
 * `{name}` and `{name:format}` refer, `{{name}}` stands for the text `{name}`, `{{{name}}}` for a value in
 * braces; `${name}` and braces around anything but an identifier stay as they are. Without parameters nothing
 * is a reference.
 */
import { ordinalText, rangeNumber, stride, valueCount } from "./parameters.ts";
import type { ParameterTable, ParameterValues, TextReference, TextTemplate } from "./workflow.ts";

export { parameterCount, valueAt } from "./parameters.ts";
export { compileMatcher, matchName, uniqueByConstruction } from "./template-match.ts";

/** `offset` counts UTF-16 units from the start of the text. */
export interface TemplateError {
  error: string;
  fix: string;
  offset: number;
}

/** A parameter's name, in references and in tables. */
export const IDENTIFIER: RegExp = /^[A-Za-z_][A-Za-z0-9_]*$/;

const REFERENCE =
  /\$\{|\{\{\{([A-Za-z_]\w*)(?::([^{}\s]*))?\}\}\}|\{\{([A-Za-z_]\w*(?::[^{}\s]*)?)\}\}|\{([A-Za-z_]\w*)(?::([^{}\s]*))?\}/g;

/** Reads the references of `text`; `names` are the parameters of the task, in the order of its table. */
export function parseTemplate(
  text: string,
  names: readonly string[],
): { value: TextTemplate } | TemplateError {
  if (names.length === 0 || !text.includes("{")) return { value: text };
  const pieces: (string | TextReference)[] = [];
  let literal = "";
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    const [whole, inBraces, inBracesFormat, escaped, plain, plainFormat] = match;
    literal += text.slice(end, match.index);
    end = match.index + whole.length;
    const name = inBraces ?? plain;
    if (name === undefined) {
      literal += escaped === undefined ? whole : `{${escaped}}`;
      continue;
    }
    const format = inBraces === undefined ? plainFormat : inBracesFormat;
    const known = names.indexOf(name);
    if (known < 0 && format !== undefined && !isFormat(format)) {
      literal += whole; // {https://x} is no reference of anybody
      continue;
    }
    const offset = match.index + (inBraces === undefined ? 0 : 2);
    if (known < 0) {
      const shown = format === undefined ? `{${name}}` : `{${name}:${format}}`;
      return {
        error: `the parameter '${name}' is used but not given (there is ${names.join(", ")})`,
        fix: `add '${name}' to the parameters, or write {${shown}} for the text ${shown}`,
        offset,
      };
    }
    if (format !== undefined && !isFormat(format)) {
      return {
        error: `'${format}' is not a format`,
        fix: "formats are d, 03d, .4f, 8.3f, .2e, x, 04x, s and q (quoted for the shell)",
        offset,
      };
    }
    if (inBraces !== undefined) literal += "{";
    if (literal !== "") pieces.push(literal);
    pieces.push(format === undefined ? { p: known } : { p: known, f: format });
    literal = inBraces === undefined ? "" : "}";
  }
  literal += text.slice(end);
  if (pieces.length === 0) return { value: literal };
  if (literal !== "") pieces.push(literal);
  return { value: pieces };
}

const FORMAT = /^(?:(0?)(\d{1,2})?([dxXo])|(0?)(\d{1,2})?(?:\.(\d{1,2}))?([fe])|(\d{1,2})?s|q)$/;

function isFormat(format: string): boolean {
  return FORMAT.test(format);
}

/** A word that stands for itself in every POSIX shell, quoted where it has to be. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function pad(text: string, zero: boolean, width: number): string {
  if (text.length >= width) return text;
  if (!zero) return text.padStart(width);
  return text.startsWith("-")
    ? `-${text.slice(1).padStart(width - 1, "0")}`
    : text.padStart(width, "0");
}

/** The function behind a format; `text` is the value as it prints without one. */
function formatter(format: string): (text: string) => string {
  const match = FORMAT.exec(format);
  if (!match || format === "q") return shellQuote;
  const [, intZero, intWidth, intKind, floatZero, floatWidth, digits, floatKind, textWidth] = match;
  if (intKind !== undefined) {
    const width = Number(intWidth ?? 0);
    const radix = intKind === "d" ? 10 : intKind === "o" ? 8 : 16;
    return (text) => {
      const number = Number(text).toString(radix);
      return pad(intKind === "X" ? number.toUpperCase() : number, intZero === "0", width);
    };
  }
  if (floatKind !== undefined) {
    const width = Number(floatWidth ?? 0);
    const places = Number(digits ?? 6);
    return (text) => {
      const number = Number(text);
      const shown = floatKind === "f" ? number.toFixed(places) : exponential(number, places);
      return pad(shown, floatZero === "0", width);
    };
  }
  return (text) => text.padEnd(Number(textWidth ?? 0));
}

/** As C prints it: at least two digits of exponent. */
function exponential(number: number, places: number): string {
  return number.toExponential(places).replace(/e([+-])(\d)$/, "e$10$2");
}

/** Why `format` cannot print one of these values, or null. */
export function formatProblem(format: string, values: ParameterValues): string | null {
  if (/[sq]$/.test(format)) return null;
  const wantsInteger = /[dxXo]$/.test(format);
  if ("step" in values) {
    if (!wantsInteger || values.decimals === 0) return null;
    return `'${format}' prints integers, and ${ordinalText(values, 1)} is none`;
  }
  for (const text of values) {
    if (text.trim() === "" || !Number.isFinite(Number(text))) {
      return `'${format}' prints numbers, and '${text}' is none`;
    }
    if (wantsInteger && !Number.isSafeInteger(Number(text))) {
      return `'${format}' prints integers, and ${text} is none`;
    }
  }
  return null;
}

/** Up to this many values are printed once and kept. */
const KEPT_VALUES = 4096;

/** The text of the `ordinal`-th value under a reference's format. */
export function compileReference(
  reference: TextReference,
  values: ParameterValues,
): (ordinal: number) => string {
  let print = (ordinal: number): string => ordinalText(values, ordinal);
  if (reference.f !== undefined) {
    const format = formatter(reference.f);
    print = (ordinal) => format(ordinalText(values, ordinal));
  } else if ("step" in values && values.decimals === 0) {
    print = (ordinal) => String(rangeNumber(values, ordinal));
  }
  if (reference.f === undefined && !("step" in values)) return print;
  if (valueCount(values) > KEPT_VALUES) return print;
  const kept: (string | undefined)[] = [];
  return (ordinal) => (kept[ordinal] ??= print(ordinal));
}

/** A function from task index to text, for use once per task. */
export function compileTemplate(
  template: TextTemplate,
  table: ParameterTable,
): (index: number) => string {
  if (typeof template === "string") return () => template;
  const parts = template.map((piece): ((index: number) => string) => {
    if (typeof piece === "string") return () => piece;
    const values = table.values[piece.p]!;
    const print = compileReference(piece, values);
    if (table.mode === "zip") return print;
    const [step, count] = [stride(table, piece.p), valueCount(values)];
    if (step === 1 && table.values.length === 1) return print;
    if (step === 1) return (index) => print(index % count);
    return (index) => print(Math.floor(index / step) % count);
  });
  if (parts.length === 1) return parts[0]!;
  if (parts.length === 2) {
    const [a, b] = parts as [(i: number) => string, (i: number) => string];
    return (index) => a(index) + b(index);
  }
  return (index) => {
    let text = "";
    for (const part of parts) text += part(index);
    return text;
  };
}

/** The text of one task. Compile the template where many are wanted. */
export function renderTemplate(
  template: TextTemplate,
  table: ParameterTable,
  index: number,
): string {
  return typeof template === "string" ? template : compileTemplate(template, table)(index);
}
