/** Resource requirements: named ones of the workflow, inline ones and the shorthand of a task, and `--need`. */
import { HoldallError } from "../core/error.ts";
import { parseBytes, parseDuration } from "../core/units.ts";
import { DEFAULT_REQUIREMENT, type Requirement } from "../core/workflow.ts";
import { isMap, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, REQUIREMENT_KEYS } from "./fields.ts";
import { nearest } from "./nearest.ts";
import { readList, readMap, readNumber, readText, readUnit, type Reader } from "./values.ts";

const SHORTHAND = ["cpus", "memory", "gpus", "disk", "runtime"] as const;

/** Reads the fields of one requirement; `undefined` fields keep their default. */
function readFields(reader: Reader, map: SpecMap, path: Path, keys: Iterable<string>): Requirement {
  const requirement: Requirement = { ...DEFAULT_REQUIREMENT };
  for (const key of keys) {
    if (!Object.hasOwn(map, key) || !Object.hasOwn(REQUIREMENT_KEYS, key)) continue;
    const value = map[key]!;
    const at = [...path, key];
    switch (REQUIREMENT_KEYS[key]!) {
      case "cpus":
        requirement.cpus =
          readNumber(reader, value, at, { min: 0, max: 1_000_000, integer: false }) ?? 1;
        break;
      case "gpus":
        requirement.gpus = readNumber(reader, value, at, { min: 0, max: 1_000_000 }) ?? 0;
        break;
      case "nodes":
        requirement.nodes = readNumber(reader, value, at, { min: 1, max: 1_000_000 }) ?? 1;
        break;
      case "memory":
        requirement.memoryBytes = readUnit(reader, value, at, parseBytes) ?? 0;
        break;
      case "disk":
        requirement.diskBytes = readUnit(reader, value, at, parseBytes) ?? 0;
        break;
      case "runtime":
        requirement.runtimeSeconds = readUnit(reader, value, at, parseDuration) ?? null;
        break;
      case "custom": {
        const custom = readCustom(reader, value, at);
        if (custom) requirement.custom = custom;
        break;
      }
      case "name":
        break;
    }
  }
  return requirement;
}

function readCustom(reader: Reader, value: SpecValue, path: Path): Record<string, number> | null {
  const map = readMap(reader, value, path);
  if (!map) return null;
  const custom: Record<string, number> = {};
  for (const key of Object.keys(map)) {
    const amount = readNumber(reader, map[key]!, [...path, key], { min: 0, integer: false });
    if (amount !== undefined) custom[key] = amount;
  }
  return Object.keys(custom).length > 0 ? custom : null;
}

/** The workflow's named requirements. */
export function readNamedRequirements(
  reader: Reader,
  value: SpecValue | undefined,
): ReadonlyMap<string, Requirement> {
  const named = new Map<string, Requirement>();
  const path: Path = ["resource_requirements"];
  if (value === undefined) return named;
  const list = readList(reader, value, path);
  for (const [i, item] of (list ?? []).entries()) {
    const at = [...path, i];
    const map = readMap(reader, item, at);
    if (!map) continue;
    checkKeys(reader, map, REQUIREMENT_KEYS, at, "a resource requirement");
    if (!Object.hasOwn(map, "name")) {
      reader.mistakes.add(at, "a resource requirement has no name", "add `name:`");
      continue;
    }
    const name = readText(reader, map["name"]!, [...at, "name"]);
    if (name === undefined) continue;
    if (named.has(name)) {
      reader.mistakes.add(
        [...at, "name"],
        `two resource requirements are called '${name}'`,
        "rename one of them",
      );
    }
    named.set(name, readFields(reader, map, at, Object.keys(map)));
  }
  return named;
}

/** What one task needs: by name, inline, or by shorthand on the task itself. */
export function readTaskRequirement(
  reader: Reader,
  task: SpecMap,
  path: Path,
  named: ReadonlyMap<string, Requirement>,
): Requirement {
  const short = SHORTHAND.find((key) => Object.hasOwn(task, key));
  if (!Object.hasOwn(task, "resource_requirements")) {
    return short === undefined ? DEFAULT_REQUIREMENT : readFields(reader, task, path, SHORTHAND);
  }
  const at = [...path, "resource_requirements"];
  if (short !== undefined) {
    reader.mistakes.add(
      [...path, short],
      `'${short}' and 'resource_requirements' are both given`,
      `move '${short}' into the resource requirements, or keep only the shorthand`,
      { key: true },
    );
  }
  const value = task["resource_requirements"]!;
  if (isMap(value)) {
    checkKeys(reader, value, REQUIREMENT_KEYS, at, "a resource requirement");
    return readFields(reader, value, at, Object.keys(value));
  }
  const name = value instanceof Literal ? undefined : readText(reader, value, at);
  if (value instanceof Literal) {
    reader.mistakes.add(
      at,
      "'resource_requirements' must be a name or a mapping",
      "name one, or write cpus: and memory: below it",
    );
  }
  if (name === undefined) return DEFAULT_REQUIREMENT;
  const found = named.get(name);
  if (!found) {
    const near = nearest(name, named.keys());
    const fix =
      near !== null
        ? `did you mean '${near}'?`
        : named.size > 0
          ? `there is ${[...named.keys()].slice(0, 10).join(", ")}`
          : "add it to the workflow's resource_requirements";
    reader.mistakes.add(at, `no resource requirement is called '${name}'`, fix);
  }
  return found ?? DEFAULT_REQUIREMENT;
}

const NEED_FIX = "write --need cpus=2,memory=1g,gpus=1,disk=10g,runtime=30m";

/** What a task of `holdall run -- CMD` needs: `cpus=2,memory=1g`. Throws `usage`. */
export function parseNeed(text: string): Requirement {
  const requirement: Requirement = { ...DEFAULT_REQUIREMENT };
  const wrong = (message: string, fix = NEED_FIX): never => {
    throw new HoldallError("usage", `--need: ${message}`, { fix });
  };
  for (const part of text.split(",")) {
    const [key = "", value = ""] = part.split("=", 2).map((side) => side.trim());
    if (key === "" || value === "") wrong(`'${part}' is not KEY=AMOUNT`);
    const field = Object.hasOwn(REQUIREMENT_KEYS, key) ? REQUIREMENT_KEYS[key]! : "";
    if (field === "cpus" || field === "gpus" || field === "nodes") {
      const pattern = field === "cpus" ? /^\d+(\.\d+)?$/ : /^\d+$/;
      if (!pattern.test(value)) wrong(`'${value}' is not a number of ${field}`);
      requirement[field] = Number(value);
    } else if (field === "memory" || field === "disk" || field === "runtime") {
      const parsed = field === "runtime" ? parseDuration(value) : parseBytes(value);
      if ("error" in parsed) wrong(parsed.error, parsed.fix);
      else if (field === "runtime") requirement.runtimeSeconds = parsed.value;
      else requirement[field === "memory" ? "memoryBytes" : "diskBytes"] = parsed.value;
    } else {
      const near = nearest(key, SHORTHAND);
      wrong(`there is no resource '${key}'`, near === null ? NEED_FIX : `did you mean '${near}'?`);
    }
  }
  return requirement;
}
