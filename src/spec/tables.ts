/** `parameters`, `use_parameters` and `parameter_mode` of a task into its parameter table. */
import { MAX_ARRAY_TASKS, parameterCount, parseValues, valueCount } from "../core/parameters.ts";
import { IDENTIFIER } from "../core/template.ts";
import type { ParameterTable, ParameterValues } from "../core/workflow.ts";
import { isList, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { nearest } from "./nearest.ts";
import { readChoice, readMap, readTexts, readWritten, type Reader } from "./values.ts";

export type NamedValues = ReadonlyMap<string, ParameterValues>;

/** A map of parameters; those with mistakes are told and kept with one empty value, so that their use is no second mistake. */
export function readParameters(reader: Reader, value: SpecValue, path: Path): NamedValues {
  const found = new Map<string, ParameterValues>();
  const map = readMap(reader, value, path);
  for (const name of Object.keys(map ?? {})) {
    const at = [...path, name];
    if (!IDENTIFIER.test(name)) {
      reader.mistakes.add(
        at,
        `'${name}' cannot be a parameter's name`,
        "use letters, digits and _, not starting with a digit",
        { key: true },
      );
      continue;
    }
    found.set(name, readValues(reader, map![name]!, at) ?? [""]);
  }
  return found;
}

function readValues(reader: Reader, value: SpecValue, path: Path): ParameterValues | undefined {
  const name = String(path.at(-1));
  if (isList(value)) {
    if (value.length === 0) {
      reader.mistakes.add(path, `the parameter '${name}' has an empty list`, "give it a value");
      return undefined;
    }
    const texts: string[] = [];
    for (let i = 0; i < value.length; i++) {
      const text = readWritten(reader, value[i]!, [...path, i]);
      if (text !== undefined) texts.push(text);
    }
    return texts.length === value.length ? texts : undefined;
  }
  const text = readWritten(reader, value, path);
  if (text === undefined) return undefined;
  const parsed = parseValues(text);
  if ("value" in parsed) return parsed.value;
  reader.mistakes.add(path, `parameter '${name}': ${parsed.error}`, parsed.fix);
  return undefined;
}

/** The table of a task, or null when it has no parameters. */
export function readTable(
  reader: Reader,
  task: SpecMap,
  path: Path,
  shared: NamedValues,
): ParameterTable | null {
  const all = new Map<string, ParameterValues>();
  if (Object.hasOwn(task, "use_parameters")) {
    const at = [...path, "use_parameters"];
    for (const name of readTexts(reader, task["use_parameters"]!, at) ?? []) {
      const values = shared.get(name);
      if (values) all.set(name, values);
      else {
        const near = nearest(name, shared.keys());
        const fix =
          near === null ? "add it to the workflow's parameters" : `did you mean '${near}'?`;
        reader.mistakes.add(at, `the workflow has no parameter '${name}'`, fix, { needle: name });
        all.set(name, [""]);
      }
    }
  }
  if (Object.hasOwn(task, "parameters")) {
    for (const [name, values] of readParameters(reader, task["parameters"]!, [
      ...path,
      "parameters",
    ])) {
      all.set(name, values);
    }
  }
  let mode: "product" | "zip" = "product";
  if (Object.hasOwn(task, "parameter_mode")) {
    mode =
      readChoice(
        reader,
        task["parameter_mode"]!,
        [...path, "parameter_mode"],
        ["product", "zip"],
      ) ?? "product";
  }
  if (all.size === 0) return null;
  const table = { names: [...all.keys()], values: [...all.values()], mode };
  return checkCounts(reader, table, path)
    ? table
    : { ...table, values: table.names.map(() => [""]) };
}

function checkCounts(reader: Reader, table: ParameterTable, path: Path): boolean {
  const counts = table.values.map(valueCount);
  if (table.mode === "zip" && counts.some((count) => count !== counts[0])) {
    const shown = table.names.map((name, p) => `${name} has ${counts[p]}`).join(", ");
    reader.mistakes.add(
      [...path, "parameter_mode"],
      `'zip' pairs values one by one, and ${shown}`,
      "give all parameters equally many values, or use product",
    );
    return false;
  }
  const total = parameterCount(table);
  if (total <= MAX_ARRAY_TASKS) return true;
  reader.mistakes.add(
    [...path, "parameters"],
    `these parameters make ${total} tasks`,
    `one array can have ${MAX_ARRAY_TASKS} at most; use several`,
    { key: true },
  );
  return false;
}
