/** `categories` of a workflow: settings for tasks that are expected to behave alike. */
import { ALGORITHMS, ALLOCATIONS, type CategorySettings } from "../core/workflow.ts";
import { Literal, type Path, type SpecValue } from "./document.ts";
import { CATEGORY_KEYS, checkKeys } from "./fields.ts";
import { nameFix, readChoice, readMap, readNumber, type Reader } from "./values.ts";

/** Which categories the tasks are in. */
export interface CategoryUse {
  readonly names: Set<string>;
  /** false when mistakes hide what some task is in */
  complete: boolean;
}

/** A multiple above this is the same as never. */
const MAX_MULTIPLE = 1_000_000;

export function readCategories(
  reader: Reader,
  value: SpecValue,
): Record<string, CategorySettings> | undefined {
  const path: Path = ["categories"];
  const map = readMap(reader, value, path);
  if (!map) return undefined;
  const categories: Record<string, CategorySettings> = {};
  for (const name of Object.keys(map)) {
    const at = [...path, name];
    if (name.trim() === "" || name in Object.prototype) {
      const message = `'${name}' cannot be the name of a category with settings`;
      reader.mistakes.add(at, message, "give the category another name", { key: true });
      continue;
    }
    const settings = readSettings(reader, map[name]!, at);
    if (settings) categories[name] = settings;
  }
  return categories;
}

function readSettings(reader: Reader, value: SpecValue, at: Path): CategorySettings | undefined {
  const map = readMap(reader, value, at);
  if (!map) return undefined;
  checkKeys(reader, map, CATEGORY_KEYS, at, "a category");
  const settings: CategorySettings = {};
  for (const key of Object.keys(map)) {
    const field = map[key]!;
    const where = [...at, key];
    switch (key) {
      case "allocation": {
        const allocation = readChoice(reader, field, where, ALLOCATIONS);
        if (allocation !== undefined) settings.allocation = allocation;
        break;
      }
      case "algorithm": {
        const algorithm = readChoice(reader, field, where, ALGORITHMS);
        if (algorithm !== undefined) settings.algorithm = algorithm;
        break;
      }
      case "max_concurrent": {
        const most = readNumber(reader, field, where, { min: 1, max: 1_000_000_000 });
        if (most !== undefined) settings.maxConcurrent = most;
        break;
      }
      case "fast_abort": {
        const multiple = readMultiple(reader, field, where);
        if (multiple !== undefined) settings.fastAbort = multiple;
        break;
      }
      case "speculate": {
        const multiple = readMultiple(reader, field, where);
        if (multiple !== undefined) settings.speculate = multiple;
        break;
      }
      default: // told by checkKeys
        break;
    }
  }
  return settings;
}

/** A written `null` is "never"; a key without a value is a slip, as it is elsewhere. */
function readMultiple(reader: Reader, value: SpecValue, path: Path): number | null | undefined {
  if (value instanceof Literal && value.value === null && value.text !== "") return null;
  return readNumber(reader, value, path, { min: 1, max: MAX_MULTIPLE, integer: false });
}

/** Tells every category with settings that has no task. */
export function checkUsed(
  reader: Reader,
  categories: Readonly<Record<string, CategorySettings>>,
  used: ReadonlySet<string>,
): void {
  for (const name of Object.keys(categories)) {
    if (used.has(name)) continue;
    const fix = nameFix(name, used, "remove it");
    const message = `no task is in the category '${name}'`;
    reader.mistakes.add(["categories", name], message, fix, { key: true });
  }
}
