/** Readers of single values; each tells what is wrong and returns undefined when the value is not what the field takes. */
import type { Parsed } from "../core/parameters.ts";
import {
  type Format,
  isList,
  isMap,
  Literal,
  type Path,
  type SpecDocument,
  type SpecMap,
  type SpecValue,
} from "./document.ts";
import type { Mistakes } from "./mistakes.ts";
import { nearest } from "./nearest.ts";

export interface Reader {
  readonly document: SpecDocument;
  readonly mistakes: Mistakes;
}

export function kindOf(value: SpecValue): string {
  if (typeof value === "string") return "text";
  if (isList(value)) return "a list";
  if (isMap(value)) return "a mapping";
  if (value.value === null) return "empty";
  if (typeof value.value === "boolean") return `the boolean ${value.text}`;
  if (typeof value.value === "string")
    return `'${value.text}', which YAML programs read as a boolean`;
  return `the number ${value.text}`;
}

/** Says that a value is of the wrong kind; names the YAML trap when that is why. */
export function wrongKind(
  reader: Reader,
  value: SpecValue,
  path: Path,
  expected: string,
): undefined {
  const name = fieldName(path);
  const { format } = reader.document;
  const isYaml = format === "yaml";
  const source = isYaml ? reader.document.source(path).split("\n")[0]!.trim() : "";
  const before = typeof path.at(-1) === "number" ? (isYaml ? "- " : "") : keyBefore(path, format);
  const quote = (text: string): string => {
    const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
    return shown.includes('"') ? `'${shown.replaceAll("'", "''")}'` : `"${shown}"`;
  };
  const wantsText = expected.startsWith("text");
  if (wantsText && (isMap(value) || isList(value)) && /^[{[]/.test(source)) {
    const shape = isMap(value) ? "{…} as a mapping" : "[…] as a list";
    reader.mistakes.add(
      path,
      `YAML reads the unquoted ${shape}, and ${name} must be ${expected}`,
      `quote the text: ${before}${quote(source)}`,
    );
  } else if (wantsText && isMap(value) && /^\S.*:(\s|$)/.test(source) && !source.includes('"')) {
    reader.mistakes.add(
      path,
      `YAML reads the unquoted \`: \` as a mapping, and ${name} must be ${expected}`,
      `quote the text: ${before}${quote(source)}`,
      { needle: ":" },
    );
  } else if (value instanceof Literal && value.value !== null && wantsText) {
    reader.mistakes.add(
      path,
      `${name} must be ${expected}, not ${kindOf(value)}`,
      `quote it: ${before}"${value.text}"`,
    );
  } else {
    const empty = value instanceof Literal && value.value === null;
    const fix = empty ? "give it a value, or remove the key" : `write ${expected}`;
    reader.mistakes.add(path, `${name} must be ${expected}, not ${kindOf(value)}`, fix, {
      key: empty,
    });
  }
  return undefined;
}

/** What stands before a value in this format. */
function keyBefore(path: Path, format: Format): string {
  const key = String(path.at(-1));
  if (format === "kdl") return `${key} `;
  return format === "json" ? `"${key}": ` : `${key}: `;
}

/** `command`, or `inputs[2]` for an item. */
function fieldName(path: Path): string {
  const last = path.at(-1);
  if (typeof last === "number") return `item ${last + 1} of '${String(path.at(-2) ?? "the list")}'`;
  return last === undefined ? "the document" : `'${last}'`;
}

/** Text that has to be text: numbers and booleans need quotes. */
export function readText(reader: Reader, value: SpecValue, path: Path): string | undefined {
  if (typeof value !== "string") return wrongKind(reader, value, path, "text");
  if (value.trim() === "") {
    reader.mistakes.add(path, `${fieldName(path)} is empty`, "give it a value, or remove the key");
    return undefined;
  }
  return value;
}

/** Text as written: 2.50 is "2.50", true is "true". Only "nothing at all" is refused. */
export function readWritten(reader: Reader, value: SpecValue, path: Path): string | undefined {
  if (typeof value === "string") return value;
  if (value instanceof Literal && value.value !== null) return value.text;
  return wrongKind(reader, value, path, 'text (write "" for an empty one)');
}

/** One text or a list of them; the paths of mistakes name the item. */
export function readTexts(
  reader: Reader,
  value: SpecValue,
  path: Path,
): readonly string[] | undefined {
  if (typeof value === "string") {
    const text = readText(reader, value, path);
    return text === undefined ? undefined : [text];
  }
  if (!isList(value)) return wrongKind(reader, value, path, "text or a list of texts");
  const texts: string[] = [];
  for (let i = 0; i < value.length; i++) {
    const item = value[i]!;
    if (typeof item === "string" && item !== "") texts.push(item);
    else readText(reader, item, [...path, i]);
  }
  return texts.length === value.length ? texts : undefined;
}

export function readBoolean(reader: Reader, value: SpecValue, path: Path): boolean | undefined {
  if (value instanceof Literal && typeof value.value === "boolean") return value.value;
  reader.mistakes.add(
    path,
    `${fieldName(path)} must be true or false, not ${kindOf(value)}`,
    "write true or false",
  );
  return undefined;
}

/** `above`: more than `min`, not `min` itself. */
export function readNumber(
  reader: Reader,
  value: SpecValue,
  path: Path,
  limits: { min: number; max?: number; integer?: boolean; above?: boolean },
): number | undefined {
  const { min, max = Number.MAX_SAFE_INTEGER, integer = true, above = false } = limits;
  const text = typeof value === "string" ? value : value instanceof Literal ? value.text : null;
  // a number in quotes says what it means as well
  const number =
    text !== null && /^[-+]?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  const least = above ? ` above ${min}` : min >= 0 ? ` of ${min} or more` : "";
  const what = `${integer ? "a whole number" : "a number"}${least}`;
  if (text === "") return wrongKind(reader, value, path, what);
  if (Number.isNaN(number) || (integer && !Number.isInteger(number))) {
    reader.mistakes.add(
      path,
      `${fieldName(path)} must be ${what}, not ${text === null ? kindOf(value) : `'${text}'`}`,
      `write ${what}`,
    );
    return undefined;
  }
  if (number < min || (above && number === min) || number > max) {
    const wanted = number > max ? `${what}, ${max} at most` : what;
    reader.mistakes.add(
      path,
      `${fieldName(path)} must be ${wanted}, not ${text}`,
      `write ${wanted}`,
    );
    return undefined;
  }
  return number;
}

/** Amounts and durations, through `parse`. */
export function readUnit(
  reader: Reader,
  value: SpecValue,
  path: Path,
  parse: (text: string) => Parsed<number>,
): number | undefined {
  const text =
    typeof value === "string"
      ? value
      : value instanceof Literal && typeof value.value !== "boolean" && value.value !== null
        ? value.text
        : null;
  if (text === null) return wrongKind(reader, value, path, "an amount such as 4g or 30m");
  const parsed = parse(text);
  if ("value" in parsed) return parsed.value;
  reader.mistakes.add(path, `${fieldName(path)}: ${parsed.error}`, parsed.fix);
  return undefined;
}

export function readChoice<T extends string>(
  reader: Reader,
  value: SpecValue,
  path: Path,
  choices: readonly T[],
): T | undefined {
  const text = typeof value === "string" ? value : value instanceof Literal ? value.text : "";
  const found = choices.find((choice) => choice === text);
  if (found === undefined) {
    const shown = text === "" ? kindOf(value) : `'${text}'`;
    const near = text === "" ? null : nearest(text, choices);
    reader.mistakes.add(
      path,
      `${fieldName(path)} must be one of ${choices.join(", ")}, not ${shown}`,
      near === null ? `write ${choices.join(" or ")}` : `did you mean '${near}'?`,
    );
  }
  return found;
}

/** A mapping without the keys that say `null`: they are as good as left out. Nothing at all after a key is kept, as a mistake. */
export function withoutNulls(map: SpecMap): SpecMap {
  let given: Record<string, SpecValue> | null = null;
  for (const key in map) {
    const value = map[key]!;
    if (!(value instanceof Literal) || value.value !== null || value.text === "") continue;
    given ??= { ...map };
    delete given[key];
  }
  return given ?? map;
}

export function readMap(reader: Reader, value: SpecValue, path: Path): SpecMap | undefined {
  return isMap(value) ? value : wrongKind(reader, value, path, "a mapping (key: value)");
}

export function readList(
  reader: Reader,
  value: SpecValue,
  path: Path,
): readonly SpecValue[] | undefined {
  return isList(value)
    ? value
    : wrongKind(
        reader,
        value,
        path,
        reader.document.format === "yaml" ? "a list (one `- ` for each item)" : "a list",
      );
}

/** Texts without repetitions, at least one. */
export function readNames(
  reader: Reader,
  value: SpecValue,
  path: Path,
): readonly string[] | undefined {
  const texts = readTexts(reader, value, path);
  if (texts?.length !== 0) return texts && [...new Set(texts)];
  const message = `${fieldName(path)} is an empty list`;
  reader.mistakes.add(path, message, "name at least one, or remove the key");
  return undefined;
}

/** The fix for a name that nothing in the document bears; `none` when there are no names at all. */
export function nameFix(name: string, names: Iterable<string>, none: string): string {
  const known = [...names];
  const near = nearest(name, known);
  if (near !== null) return `did you mean '${near}'?`;
  return known.length > 0 ? `there is ${known.slice(0, 10).join(", ")}` : none;
}
