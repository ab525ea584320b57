/** A workflow in JX into rules. */
import type { Place } from "../../core/error.ts";
import { linesOf } from "../document.ts";
import { nearest } from "../nearest.ts";
import { makeEvaluator } from "./jx-eval.ts";
import { type Expression, parseJx } from "./jx-parse.ts";
import { Dict, kindOf, List, numberOf, textOf, type Value } from "./jx-values.ts";
import type { NestedReader } from "./nested.ts";
import {
  type FileUse,
  type Gathered,
  MAX_RULES,
  type Resource,
  type Resources,
  type Rule,
} from "./rules.ts";
import { Stop } from "./words.ts";

export interface JxSource {
  file: string;
  text: string;
  dir: string;
  environment: Readonly<Record<string, string | undefined>>;
  nested: NestedReader;
  /** absolute folder its rules run in */
  runsIn: string;
  /** an object of values, from the workflow that names this one; null = none */
  args: unknown;
  /** `NAME=EXPRESSION` */
  define: readonly string[];
}

const TOP = ["rules", "define", "categories", "default_category", "environment"];
const RULE_KEYS = [
  "command",
  "inputs",
  "outputs",
  "local_job",
  "category",
  "resources",
  "environment",
  "allocation",
  "workflow",
  "args",
  "description",
];
const RESOURCE_KEYS: Readonly<Record<string, Resource>> = {
  cores: "CORES",
  memory: "MEMORY",
  disk: "DISK",
  gpus: "GPUS",
  "wall-time": "WALL_TIME",
  wall_time: "WALL_TIME",
  "mpi-processes": "MPI_PROCESSES",
  mpi_processes: "MPI_PROCESSES",
};

interface Settings {
  env: Record<string, string>;
  resources: Resources;
}

/** Reads a document's rules into `all`; what cannot be read is told there. */
export function readJx(source: JxSource, all: Gathered): void {
  const { file, text, dir } = source;
  const lines = linesOf(text);
  const place = (offset: number): Place => ({ file, ...lines(Math.min(offset, text.length)) });
  const tell = (message: string, fix: string, at: number): void => {
    if (all.mistakes.length < 200) all.mistakes.push({ message, fix, place: place(at) });
  };
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      tell(error.message, error.fix, error.offset);
      return undefined;
    }
  };

  const tree = attempt(() => parseJx(text));
  if (!tree) return;
  if (tree.kind !== "object") {
    tell("a workflow in JX is an object", 'write {"rules": [ … ]}', tree.at);
    return;
  }
  const top = new Map<string, Expression>();
  for (const { key, value, clauses } of tree.pairs) {
    if (key.kind !== "constant" || typeof key.value !== "string" || clauses.length > 0) {
      tell("a key of the workflow is a text", `write "rules": …`, key.at);
    } else if (top.has(key.value)) {
      tell(`the key '${key.value}' is there twice`, "keep one of them", key.at);
    } else {
      top.set(key.value, value);
      unknown(key.value, TOP, "a workflow in JX", key.at);
    }
  }

  function unknown(key: string, known: readonly string[], owner: string, at: number): void {
    if (known.includes(key)) return;
    const near = nearest(key, known);
    const fix = near === null ? `there is ${known.join(", ")}` : `did you mean "${near}"?`;
    tell(`${owner} has no key '${key}'`, fix, at);
  }

  const defined = new Map<string, Expression>();
  const define = top.get("define");
  if (define?.kind === "object") {
    for (const { key, value } of define.pairs) {
      if (key.kind === "constant" && typeof key.value === "string") defined.set(key.value, value);
      else tell("what is defined has a name", 'write "NAME": …', key.at);
    }
  } else if (define) tell('"define" is an object', 'write "define": {"NAME": …}', define.at);

  const given = new Map<string, Value>();
  for (const [name, value] of Object.entries((source.args as object | null) ?? {}))
    given.set(name, value as Value);
  for (const each of source.define) {
    const sign = each.indexOf("=");
    const value = parseDefine(each.slice(sign + 1));
    given.set(each.slice(0, sign), value);
  }
  const evaluator = makeEvaluator(defined, given, source.runsIn);
  const get = (key: string): Value | undefined => {
    const expression = top.get(key);
    return expression && attempt(() => evaluator.evaluate(expression, null));
  };

  const categories = new Map<string, Settings>();
  const listed = get("categories");
  if (listed instanceof Dict) {
    for (const [name, value] of listed.entries)
      categories.set(name, settingsOf(value, listed.offsets.get(name)!, "a category"));
  } else if (listed !== undefined && listed !== null)
    tell(`"categories" is an object, not ${kindOf(listed)}`, 'write {"NAME": {…}}', tree.at);
  const other = get("default_category");
  const fallback = typeof other === "string" && other !== "" ? other : "default";
  const shared = environmentOf(get("environment"), top.get("environment")?.at ?? tree.at);

  const rules = top.get("rules");
  if (!rules) {
    tell("the workflow has no rules", 'write "rules": [{"command": …, "outputs": […]}]', tree.at);
    return;
  }
  const found = get("rules");
  if (found === undefined) return;
  if (!(found instanceof List)) {
    tell(`"rules" is a list, not ${kindOf(found)}`, 'write "rules": [ … ]', rules.at);
    return;
  }
  if (found.items.length + all.rules.length > MAX_RULES) {
    tell(`there are more than ${MAX_RULES} rules`, "make several workflows", rules.at);
    return;
  }
  for (const [i, item] of found.items.entries()) {
    if (all.mistakes.length >= 200) break;
    readRule(item, found.offsets[i]!);
  }

  function readRule(item: Value, at: number): void {
    if (!(item instanceof Dict)) {
      tell(`a rule is an object, not ${kindOf(item)}`, 'write {"command": …, "outputs": […]}', at);
      return;
    }
    const where = (key: string): number => item.offsets.get(key) ?? at;
    const value = (key: string): Value => item.entries.get(key) ?? null;
    for (const key of item.entries.keys()) unknown(key, RULE_KEYS, "a rule", where(key));
    const command = textAt(value("command"), where("command"), "command");
    const workflow = textAt(value("workflow"), where("workflow"), "workflow");
    if (command !== null && workflow !== null)
      tell("a rule has a command and a workflow", "keep one of them", where("workflow"));
    if (command === null && workflow === null) {
      const slips = [...item.entries.keys()].some((key) => !RULE_KEYS.includes(key));
      if (value("command") === null && value("workflow") === null && !slips)
        tell("a rule has neither a command nor a workflow", 'add "command": …', at);
      return;
    }
    const category = textAt(value("category"), where("category"), "category") ?? fallback;
    const settings = categories.get(category);
    const local = value("local_job");
    if (local !== null && typeof local !== "boolean")
      tell(`"local_job" is true or false, not ${kindOf(local)}`, "write true", where("local_job"));
    const env = {
      ...shared,
      ...settings?.env,
      ...environmentOf(value("environment") ?? undefined, where("environment")),
    };
    const resources = {
      ...settings?.resources,
      ...resourcesOf(value("resources"), where("resources")),
    };
    if (resources.CORES !== undefined && env["OMP_NUM_THREADS"] === undefined)
      env["OMP_NUM_THREADS"] = String(resources.CORES);
    const rule: Rule = {
      place: place(item.at),
      dir,
      command: command ?? "",
      commandPlace: place(where(command === null ? "workflow" : "command")),
      inputs: filesOf(value("inputs"), where("inputs"), "inputs"),
      outputs: filesOf(value("outputs"), where("outputs"), "outputs"),
      category: category === "default" ? null : category,
      env,
      resources,
      local: local === true,
    };
    if (workflow === null) {
      all.rules.push(rule);
      return;
    }
    const args = value("args");
    if (args !== null && !(args instanceof Dict)) {
      tell(`"args" is an object, not ${kindOf(args)}`, 'write {"NAME": …}', where("args"));
      return;
    }
    const entries = Object.fromEntries(args?.entries ?? []);
    for (const each of source.nested(rule, workflow, "", entries)) all.rules.push(each);
  }

  function textAt(value: Value, at: number, key: string): string | null {
    if (value === null) return null;
    if (typeof value === "string" && value.trim() !== "") return value;
    const what = value === "" ? "empty" : kindOf(value);
    tell(`"${key}" is a text, not ${what}`, `write "${key}": "…"`, at);
    return null;
  }

  function filesOf(value: Value, at: number, key: string): FileUse[] {
    if (value === null) return [];
    // one name instead of a list of one
    if (typeof value === "string" && value !== "")
      return [{ path: value, as: null, place: place(at) }];
    if (!(value instanceof List)) {
      tell(`"${key}" is a list of files, not ${kindOf(value)}`, `write "${key}": ["FILE"]`, at);
      return [];
    }
    const files: FileUse[] = [];
    for (const [i, each] of value.items.entries()) {
      const there = value.offsets[i]!;
      const name = each instanceof Dict ? each.entries.get("dag_name") : each;
      const as = each instanceof Dict ? (each.entries.get("task_name") ?? null) : null;
      if (typeof name !== "string" || name === "" || (as !== null && typeof as !== "string")) {
        const what = each instanceof Dict ? "has no dag_name" : `is no name: ${kindOf(each)}`;
        const fix = 'write "FILE" or {"dag_name": "FILE", "task_name": "NAME"}';
        tell(`a file of "${key}" ${what}`, fix, there);
      } else files.push({ path: name, as: as === name ? null : as, place: place(there) });
    }
    return files;
  }

  function settingsOf(value: Value, at: number, owner: string): Settings {
    if (!(value instanceof Dict)) {
      tell(`${owner} is an object, not ${kindOf(value)}`, 'write {"resources": {"cores": 1}}', at);
      return { env: {}, resources: {} };
    }
    for (const key of value.entries.keys())
      unknown(key, ["resources", "environment", "allocation"], owner, value.offsets.get(key)!);
    return {
      env: environmentOf(value.entries.get("environment"), value.offsets.get("environment") ?? at),
      resources: resourcesOf(
        value.entries.get("resources") ?? null,
        value.offsets.get("resources") ?? at,
      ),
    };
  }

  function environmentOf(value: Value | undefined, at: number): Record<string, string> {
    const env: Record<string, string> = {};
    if (value === undefined || value === null) return env;
    if (!(value instanceof Dict)) {
      tell(`"environment" is an object, not ${kindOf(value)}`, 'write {"NAME": "VALUE"}', at);
      return env;
    }
    for (const [name, each] of value.entries) {
      const there = value.offsets.get(name)!;
      const shown = textOf(each);
      if (!/^[A-Za-z_]\w*$/.test(name))
        tell(
          `'${name}' cannot be the name of an environment variable`,
          "use letters, digits and _",
          there,
        );
      else if (shown === null || shown.includes("\0"))
        tell(`the environment variable ${name} is ${kindOf(each)}`, "give it a text", there);
      else env[name] = shown;
    }
    return env;
  }

  function resourcesOf(value: Value, at: number): Resources {
    const resources: Resources = {};
    if (value === null) return resources;
    if (!(value instanceof Dict)) {
      tell(`"resources" is an object, not ${kindOf(value)}`, 'write {"cores": 1}', at);
      return resources;
    }
    for (const [key, each] of value.entries) {
      const there = value.offsets.get(key)!;
      const name = Object.hasOwn(RESOURCE_KEYS, key) ? RESOURCE_KEYS[key] : undefined;
      if (name === undefined) unknown(key, Object.keys(RESOURCE_KEYS), '"resources"', there);
      else {
        const amount = numberOf(each);
        if (amount === null || amount < 0 || !Number.isFinite(amount))
          tell(`"${key}" is a number, not ${kindOf(each)}`, `write "${key}": 1`, there);
        else resources[name] = amount;
      }
    }
    return resources;
  }
}

/** An expression as `--define NAME=EXPRESSION` gives it; what is none is a text. */
function parseDefine(text: string): Value {
  try {
    return makeEvaluator(new Map(), new Map(), ".").evaluate(parseJx(text), null);
  } catch (error) {
    if (error instanceof Stop) return text;
    throw error;
  }
}
