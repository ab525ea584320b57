// schema/holdall.schema.json: what editors complete and check documents with, made of the same tables of keys as
// docs/spec.md. It is no stricter than the program, which also sees what a schema cannot say.

import { KEY_TABLES, type KeyTable } from "./spec-keys.ts";
import type { Entry } from "./spec-keys-tasks.ts";

export type Schema = Readonly<Record<string, unknown>>;

const SCALAR: Schema = { type: ["string", "number", "boolean"] };
const TEXT: Schema = { type: "string", minLength: 1 };
const TEXTS: Schema = { anyOf: [TEXT, { type: "array", items: TEXT }] };
const AMOUNT: Schema = { type: ["string", "number"], minimum: 0 };
const WHOLE = String.raw`^\s*[-+]?\d+(\.0+)?\s*$`;
const NUMBER = String.raw`^\s*[-+]?\d+(\.\d+)?\s*$`;

const ref = (name: string): Schema => ({ $ref: `#/$defs/${name}` });
const listOf = (items: Schema, minItems = 0): Schema => ({
  type: "array",
  items,
  ...(minItems > 0 ? { minItems } : {}),
});
const mapOf = (values: Schema): Schema => ({ type: "object", additionalProperties: values });
/** A number, or one in quotes. */
const numeric = (limits: object, whole = true): Schema => ({
  type: [whole ? "integer" : "number", "string"],
  ...limits,
  pattern: whole ? WHOLE : NUMBER,
});

/** Names of the tables in the schema. */
const DEFS: Readonly<Record<string, string>> = {
  "workflow keys": "workflow",
  "task keys": "task",
  "file keys": "file",
  "user data keys": "user_data",
  "action keys": "action",
  "monitor keys": "resource_monitor",
  "requirement keys": "requirement",
  "back-off keys": "backoff",
  "exit rule keys": "exit_rule",
  "handler keys": "failure_handler",
  "handler rule keys": "failure_handler_rule",
  "category keys": "category",
  "scheduler keys": "slurm_scheduler",
};

/** By what the column "takes" says. */
const TAKES: Readonly<Record<string, Schema>> = {
  text: TEXT,
  name: TEXT,
  path: TEXT,
  folder: TEXT,
  command: TEXT,
  "map of texts": mapOf(SCALAR),
  "map of options": mapOf({ type: ["string", "number", "boolean", "null"] }),
  "map of amounts": mapOf(numeric({ exclusiveMinimum: 0 }, false)),
  "map of values": mapOf({ anyOf: [SCALAR, listOf(SCALAR, 1)] }),
  "map of categories": mapOf(ref("category")),
  "map of outcomes to integers": mapOf(numeric({ minimum: 0, maximum: 60_000 })),
  "text or list": TEXTS,
  "name or list": TEXTS,
  "path or list": TEXTS,
  "expression or list": TEXTS,
  "name or map": { anyOf: [TEXT, ref("requirement")] },
  "true or false": { type: "boolean" },
  size: AMOUNT,
  duration: AMOUNT,
  number: numeric({ minimum: 0 }, false),
  "number above 0": numeric({ exclusiveMinimum: 0 }, false),
  "number from 1, or null": { anyOf: [numeric({ minimum: 1 }, false), { type: "null" }] },
  "list of tasks": listOf(ref("task"), 1),
  "list of files": listOf(ref("file")),
  "list of handlers": listOf(ref("failure_handler")),
  "list of schedulers": listOf(ref("slurm_scheduler")),
  "list of requirements": listOf({ allOf: [ref("requirement"), { required: ["name"] }] }),
  "list of rules": listOf(ref("exit_rule"), 1),
  "code, list, `any`": {
    anyOf: [
      { const: "any" },
      { type: "integer", minimum: 1, maximum: 255 },
      listOf(numeric({ minimum: 1, maximum: 255 }), 1),
    ],
  },
  "any value": {},
};

/** Where the words are too few: by table and key. */
const SPECIAL: Readonly<Record<string, Schema>> = {
  "task.command": { anyOf: [SCALAR, listOf(SCALAR, 1)] },
  "task.backoff": ref("backoff"),
  "task.cancel_on_blocking_job_failure": { type: "boolean" },
  "workflow.user_data": listOf(ref("user_data")),
  "workflow.actions": listOf(ref("action")),
  "workflow.resource_monitor": ref("resource_monitor"),
  "workflow.description": SCALAR,
  "workflow.user": SCALAR,
  "workflow.project": SCALAR,
  "workflow.metadata": SCALAR,
  "workflow.$schema": { type: "string" },
  "failure_handler.rules": listOf(ref("failure_handler_rule"), 1),
  "failure_handler_rule.exit_codes": listOf(numeric({ minimum: 1, maximum: 255 })),
  "failure_handler_rule.max_retries": numeric({ minimum: 0, maximum: 60_000 }),
  "resource_monitor.granularity": { enum: ["summary", "time_series", "Summary", "TimeSeries"] },
  "slurm_scheduler.name": TEXT,
  "slurm_scheduler.nodes": numeric({ minimum: 1 }),
  "slurm_scheduler.ntasks_per_node": numeric({ minimum: 1 }),
};

/** Whose keys may be null, which says the same as leaving them out. */
const NULLABLE: ReadonlySet<string> = new Set([
  ...["workflow", "task", "file", "user_data", "action", "resource_monitor"],
]);

/** Undefined when nothing here says what is meant: the key then takes anything, and a test fails. */
function typeOf(def: string, key: string, takes: string): Schema | undefined {
  const known = SPECIAL[`${def}.${key}`] ?? TAKES[takes];
  if (known !== undefined) return known;
  if (takes === "as the workflow's") return ref("algorithm");
  const choices = [...takes.matchAll(/`([^`]+)`/g)].map(([, choice]) => choice!);
  if (choices.length > 0 && takes.replaceAll(/`[^`]+`/g, "").replaceAll(/[, ]/g, "") === "")
    return choices[0] === "fcfs" ? ref("algorithm") : { enum: choices };
  const range = /^(integer|number),? (?:from )?([−-]?\d+)(?: to (\d+))?$/.exec(takes);
  if (range === null) return undefined;
  const [, kind, least, most] = range;
  const maximum = most === undefined ? {} : { maximum: Number(most) };
  return numeric({ minimum: Number(least!.replace("−", "-")), ...maximum }, kind === "integer");
}

/** Keys whose type nothing says; "table.key". */
export const untyped: string[] = [];

function definitionOf({ name, keys, entries }: KeyTable): Schema {
  const def = DEFS[name];
  if (def === undefined) throw new Error(`scripts/spec-schema.ts: no name for the ${name}`);
  const properties: Record<string, Schema> = {};
  const byField = new Map<string, string[]>();
  for (const [key, field] of Object.entries(keys)) {
    const entry = entries?.[field];
    const kept = field === "ignored";
    const type = kept ? {} : typeOf(def, key, entry?.[0] ?? "");
    if (type === undefined && entries !== null) untyped.push(`${def}.${key}`);
    const schema = type ?? SCALAR;
    properties[key] = {
      ...(NULLABLE.has(def) && entry?.[1] !== "needed" ? orNull(schema) : schema),
      ...(kept ? { description: "kept for people" } : {}),
      ...(entry === undefined ? {} : { description: descriptionOf(entry) }),
    };
    if (!kept && field !== "about") byField.set(field, [...(byField.get(field) ?? []), key]);
  }
  const required: string[] = [];
  const rules: Schema[] = [];
  for (const [field, names] of byField) {
    if (names.length > 1)
      for (const [i, a] of names.entries())
        for (const b of names.slice(i + 1)) rules.push({ not: { required: [a, b] } });
    if ((entries?.[field]?.[1] ?? (field === "name" ? "needed" : "")) !== "needed") continue;
    if (names.length === 1) required.push(names[0]!);
    else rules.push({ anyOf: names.map((each) => ({ required: [each] })) });
  }
  return {
    type: "object",
    properties,
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
    ...(rules.length > 0 ? { allOf: rules } : {}),
  };
}

function orNull(schema: Schema): Schema {
  if (Object.keys(schema).length === 0) return schema;
  const { type, ...rest } = schema;
  if (typeof type === "string") return { type: [type, "null"], ...rest };
  if (Array.isArray(type)) return { type: [...new Set([...type, "null"])], ...rest };
  return { anyOf: [schema, { type: "null" }] };
}

function descriptionOf([takes, otherwise, , about]: Entry): string {
  const plain = (text: string): string => text.replaceAll("`", "");
  const without =
    otherwise === "needed" || otherwise === "none" || otherwise === "see below"
      ? ""
      : ` Default: ${plain(otherwise)}.`;
  return `${plain(about)} (${plain(takes)}).${without}`;
}

export function schemaOf(): Schema {
  untyped.length = 0;
  const defs = Object.fromEntries(
    KEY_TABLES.map((table) => [DEFS[table.name] ?? table.name, definitionOf(table)]),
  );
  const workflow = defs["workflow"]!;
  delete defs["workflow"];
  const algorithm = { enum: choicesOf("algorithm") };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "A Holdall workflow",
    ...workflow,
    $defs: { ...defs, algorithm },
  };
}

function choicesOf(field: string): string[] {
  const entry = KEY_TABLES[0]!.entries![field]!;
  return [...entry[0].matchAll(/`([^`]+)`/g)].map(([, choice]) => choice!);
}

export function schemaText(): string {
  return `${JSON.stringify(schemaOf(), null, 2)}\n`;
}
