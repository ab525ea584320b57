/** Resource requirements: named ones of the workflow, inline ones and the shorthand of a task, and `--need`. */
import { HoldallError } from "../core/error.ts";
import { parseBytes, parseDuration } from "../core/units.ts";
import { DEFAULT_REQUIREMENT, type Requirement } from "../core/workflow.ts";
import { isMap, Literal, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, REQUIREMENT_KEYS } from "./fields.ts";
import { nearest } from "./nearest.ts";
import {
  nameFix,
  readList,
  readMap,
  readNumber,
  readText,
  readUnit,
  type Reader,
} from "./values.ts";

const SHORTHAND = ["cpus", "memory", "gpus", "disk", "runtime", "custom"] as const;

const RESOURCE_NAME = /^[A-Za-z][\w.-]*$/;
const RESOURCE_NAME_FIX = "use letters, digits, _, - and ., starting with a letter";

/** Names that every object of JavaScript has are refused: looking one up finds something that is no amount. */
function isResourceName(name: string): boolean {
  return RESOURCE_NAME.test(name) && !(name in Object.prototype);
}

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
        requirement.gpus =
          readNumber(reader, value, at, { min: 0, max: 1_000_000, integer: false }) ?? 0;
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

/** Sorted by name, so that equal requirements are equal however they are written. */
function readCustom(reader: Reader, value: SpecValue, path: Path): Record<string, number> | null {
  const map = readMap(reader, value, path);
  if (!map) return null;
  const custom: Record<string, number> = {};
  for (const key of Object.keys(map).toSorted()) {
    const at = [...path, key];
    if (!isResourceName(key)) {
      const message = `'${key}' cannot be the name of a resource`;
      reader.mistakes.add(at, message, RESOURCE_NAME_FIX, { key: true });
      continue;
    }
    const amount = readNumber(reader, map[key]!, at, {
      min: 0,
      above: true,
      max: 1e15,
      integer: false,
    });
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
    const none = "add it to the workflow's resource_requirements";
    const fix = nameFix(name, named.keys(), none);
    reader.mistakes.add(at, `no resource requirement is called '${name}'`, fix);
  }
  return found ?? DEFAULT_REQUIREMENT;
}

const NEED_FIX = "write --need cpus=2,memory=1g,gpus=0.5,disk=10g,runtime=30m,custom.NAME=1";

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
    if (key.startsWith("custom.")) {
      const name = key.slice("custom.".length);
      if (!isResourceName(name)) wrong(`'${name}' cannot be the name of a resource`);
      if (!/^\d+(\.\d+)?$/.test(value) || Number(value) <= 0)
        wrong(`'${value}' is not an amount above 0 of ${name}`);
      requirement.custom = { ...requirement.custom, [name]: Number(value) };
    } else if (field === "cpus" || field === "gpus" || field === "nodes") {
      const pattern = field === "nodes" ? /^\d+$/ : /^\d+(\.\d+)?$/;
      if (!pattern.test(value)) wrong(`'${value}' is not a number of ${field}`);
      requirement[field] = Number(value);
    } else if (field === "memory" || field === "disk" || field === "runtime") {
      const parsed = field === "runtime" ? parseDuration(value) : parseBytes(value);
      if ("error" in parsed) wrong(parsed.error, parsed.fix);
      else if (field === "runtime") requirement.runtimeSeconds = parsed.value;
      else requirement[field === "memory" ? "memoryBytes" : "diskBytes"] = parsed.value;
    } else {
      const near = nearest(key, SHORTHAND);
      const custom = `for a resource of your own, write custom.${key}=${value}`;
      const other = isResourceName(key) && key !== "custom" ? custom : NEED_FIX;
      const fix = near === null || near === "custom" ? other : `did you mean '${near}'?`;
      wrong(`there is no resource '${key}'`, fix);
    }
  }
  return requirement;
}
