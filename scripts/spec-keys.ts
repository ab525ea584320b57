// What docs/spec.md says of every key of a document. A key that src/spec/fields.ts has and this file has not
// (or the other way round) fails `npm run gen` and its check.

import {
  ACTION_KEYS,
  BACKOFF_KEYS,
  CATEGORY_KEYS,
  EXIT_RULE_KEYS,
  FILE_KEYS,
  HANDLER_KEYS,
  HANDLER_RULE_KEYS,
  MONITOR_KEYS,
  REQUIREMENT_KEYS,
  SCHEDULER_KEYS,
  TASK_KEYS,
  USER_DATA_KEYS,
  WORKFLOW_KEYS,
} from "../src/spec/fields.ts";
import { TRIGGERS } from "../src/core/workflow.ts";
import { type Entry, TASK_ENTRIES, WORKFLOW_ENTRIES } from "./spec-keys-tasks.ts";

const file: Readonly<Record<string, Entry>> = {
  name: [
    "text",
    "needed",
    '`name: "part_{i}"`',
    "what tasks call it; parameters of the path show in it",
  ],
  path: ["path", "needed", '`path: "parts/{i:02d}.dat"`', "as commands are to see it"],
  parameters: ["map of values", "none", '`parameters: {i: "1:5"}`', "one file per combination"],
  parameter_mode: ["`product`, `zip`", "`product`", "`parameter_mode: zip`", "as in a task"],
  use_parameters: ["name or list", "none", "`use_parameters: [i]`", "the workflow's"],
};

const userData: Readonly<Record<string, Entry>> = {
  name: ["text", "needed", "`name: settings`", "what tasks call it"],
  data: [
    "any value",
    "none",
    "`data: {depth: 2}`",
    "`${user_data.input.settings}` in a command is this, as JSON",
  ],
  is_ephemeral: ["true or false", "false", "`is_ephemeral: true`", "stored"],
  parameters: ["map of values", "none", '`parameters: {i: "1:5"}`', "one piece per combination"],
  parameter_mode: ["`product`, `zip`", "`product`", "`parameter_mode: zip`", "as in a task"],
  use_parameters: ["name or list", "none", "`use_parameters: [i]`", "the workflow's"],
};

const action: Readonly<Record<string, Entry>> = {
  trigger_type: [
    TRIGGERS.map((trigger) => `\`${trigger}\``).join(", "),
    "needed",
    "`trigger_type: on_workflow_start`",
    "when it happens",
  ],
  action_type: [
    "`run_commands`, `schedule_nodes`",
    "needed",
    "`action_type: run_commands`",
    "what happens",
  ],
  jobs: [
    "name or list",
    "none",
    "`jobs: [a]`",
    "of `on_jobs_ready` and `on_jobs_complete`: when all of these are",
  ],
  job_name_regexes: [
    "expression or list",
    "none",
    '`job_name_regexes: ["^a_"]`',
    "the same, by expression",
  ],
  commands: [
    "text or list",
    "needed to run",
    "`commands: [./notify.sh]`",
    "run one after the other with `bash`",
  ],
  scheduler: ["name", "needed for nodes", "`scheduler: short`", "one of `slurm_schedulers`"],
  scheduler_type: ["`slurm`", "`slurm`", "`scheduler_type: slurm`", "kind of scheduler"],
  num_allocations: ["integer from 1", "1", "`num_allocations: 4`", "how many are asked for"],
  start_one_worker_per_node: [
    "true or false",
    "false",
    "`start_one_worker_per_node: true`",
    "else one for each allocation",
  ],
  max_parallel_jobs: [
    "integer from 1",
    "by resources",
    "`max_parallel_jobs: 8`",
    "tasks at a time on each worker",
  ],
  persistent: [
    "true or false",
    "false",
    "`persistent: true`",
    "once by every worker instead of once",
  ],
};

const monitor: Readonly<Record<string, Entry>> = {
  enabled: [
    "true or false",
    "false",
    "`enabled: true`",
    "what each task used at most is always recorded",
  ],
  granularity: [
    "`summary`, `time_series`",
    "`summary`",
    "`granularity: summary`",
    "stored; time series are told with a warning",
  ],
  sample_interval_seconds: ["number above 0", "5", "`sample_interval_seconds: 2`", "stored"],
  generate_plots: [
    "true or false",
    "false",
    "`generate_plots: false`",
    "stored; told with a warning",
  ],
};

const requirement: Readonly<Record<string, Entry>> = {
  name: ["text", "needed in the workflow's list", "`name: small`", "what tasks call it"],
  cpus: ["number", "1", "`num_cpus: 4`", "cores"],
  memory: ["size", "none reserved", "`memory: 64m`", "main memory"],
  disk: ["size", "none reserved", "`disk: 10g`", "free disk"],
  gpus: ["number", "0", "`num_gpus: 0.5`", "GPUs, also parts of one"],
  nodes: ["integer from 1", "1", "`num_nodes: 1`", "stored; a task runs on one node"],
  runtime: ["duration", "unknown: fits any limit", "`runtime: PT30M`", "an estimate, never kills"],
  custom: ["map of amounts", "none", "`custom: {licences: 1}`", "resources of your own"],
};

const backoff: Readonly<Record<string, Entry>> = {
  initial: ["duration", "1 s", "`initial: 5s`", "before the second attempt"],
  factor: ["number, 1 to 1000", "2", "`factor: 3`", "each further one waits so many times longer"],
  max: ["duration", "60 s", "`max: 10m`", "longest delay"],
  jitter: ["number, 0 to 1", "0.5", "`jitter: 0`", "random part, up and down"],
};

const exitRule: Readonly<Record<string, Entry>> = {
  codes: ["code, list, `any`", "needed", "`codes: [137]`", "exit codes from 1 to 255 this is for"],
  retries: ["integer, 0 to 60000", "needed", "`retries: 3`", "further attempts"],
  recovery: [
    "command",
    "none",
    "`recovery: ./clean.sh`",
    "has to end with 0 before the further attempt",
  ],
};

const handler: Readonly<Record<string, Entry>> = {
  name: ["text", "needed", "`name: oom`", "what tasks call it"],
  rules: ["list", "needed", "see below", "the first that names the code counts"],
};

const handlerRule: Readonly<Record<string, Entry>> = {
  exit_codes: ["list", "needed, or the next", "`exit_codes: [137]`", "exit codes this is for"],
  match_all_exit_codes: ["true or false", "false", "`match_all_exit_codes: true`", "for all codes"],
  recovery_script: [
    "command",
    "none",
    "`recovery_script: ./clean.sh`",
    "has to end with 0 before the further attempt",
  ],
  max_retries: ["integer from 1", "3", "`max_retries: 2`", "attempts in all, as Torc counts"],
};

const category: Readonly<Record<string, Entry>> = {
  allocation: [
    "`fixed`, `max`, `min_waste`, `max_throughput`",
    "`fixed`",
    "`allocation: max`",
    "what a task is given before its use is known",
  ],
  max_concurrent: [
    "integer from 1",
    "no limit",
    "`max_concurrent: 10`",
    "tasks of it that may run at a time",
  ],
  fast_abort: [
    "number from 1, or null",
    "never",
    "`fast_abort: 3`",
    "an attempt is aborted after this multiple of the average run time",
  ],
  speculate: [
    "number from 1, or null",
    "never",
    "`speculate: 2`",
    "near the end, an attempt that takes longer than this multiple gets a duplicate",
  ],
  algorithm: [
    "as the workflow's",
    "the workflow's",
    "`algorithm: random`",
    "which worker gets a task of it",
  ],
};

export interface KeyTable {
  readonly name: string;
  readonly keys: Readonly<Record<string, string>>;
  /** null: a list of keys without more */
  readonly entries: Readonly<Record<string, Entry>> | null;
}

/** Every table of keys there is; docs/spec.md and the JSON Schema are made of them. */
export const KEY_TABLES: readonly KeyTable[] = [
  { name: "workflow keys", keys: WORKFLOW_KEYS, entries: WORKFLOW_ENTRIES },
  { name: "task keys", keys: TASK_KEYS, entries: TASK_ENTRIES },
  { name: "file keys", keys: FILE_KEYS, entries: file },
  { name: "user data keys", keys: USER_DATA_KEYS, entries: userData },
  { name: "action keys", keys: ACTION_KEYS, entries: action },
  { name: "monitor keys", keys: MONITOR_KEYS, entries: monitor },
  { name: "requirement keys", keys: REQUIREMENT_KEYS, entries: requirement },
  { name: "back-off keys", keys: BACKOFF_KEYS, entries: backoff },
  { name: "exit rule keys", keys: EXIT_RULE_KEYS, entries: exitRule },
  { name: "handler keys", keys: HANDLER_KEYS, entries: handler },
  { name: "handler rule keys", keys: HANDLER_RULE_KEYS, entries: handlerRule },
  { name: "category keys", keys: CATEGORY_KEYS, entries: category },
  { name: "scheduler keys", keys: SCHEDULER_KEYS, entries: null },
];

export function keyTables(): { name: string; text: string }[] {
  return KEY_TABLES.map(({ name, keys, entries }) => ({
    name,
    text: entries === null ? list(keys) : table(keys, entries),
  }));
}

function table(
  keys: Readonly<Record<string, string>>,
  entries: Readonly<Record<string, Entry>>,
): string {
  const rows = fieldsOf(keys, entries).map((field) => {
    const names = Object.keys(keys).filter((key) => keys[key] === field);
    const [takes, otherwise, example, about] = entries[field]!;
    return [names.map((name) => `\`${name}\``).join(", "), takes, otherwise, example, about];
  });
  const ignored = Object.keys(keys).filter((key) => keys[key] === "ignored");
  const rest = ignored.map((key) => `\`${key}\``).join(", ");
  const text = markdownTable([["key", "takes", "default", "example", "meaning"], ...rows]);
  return ignored.length === 0 ? text : `${text}\n\nKept for people, without effect: ${rest}.`;
}

function list(keys: Readonly<Record<string, string>>): string {
  return Object.keys(keys)
    .map((key) => `\`${key}\``)
    .join(", ");
}

function fieldsOf(
  keys: Readonly<Record<string, string>>,
  entries: Readonly<Record<string, Entry>>,
): string[] {
  const fields = [...new Set(Object.values(keys))].filter((field) => field !== "ignored");
  const missing = fields.filter((field) => !Object.hasOwn(entries, field));
  const over = Object.keys(entries).filter((field) => !fields.includes(field));
  if (missing.length > 0 || over.length > 0)
    throw new Error(`scripts/spec-keys.ts: missing ${missing.join(", ")}; over ${over.join(", ")}`);
  return fields;
}

/** A table as the formatter leaves it: columns of equal width. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const safe = rows.map((row) => row.map((cell) => cell.replaceAll("|", String.raw`\|`)));
  const widths = safe[0]!.map((_, i) =>
    Math.max(3, ...safe.map((row) => Bun.stringWidth(row[i]!))),
  );
  const lines = safe.map((row) => {
    const cells = row.map((cell, i) => cell + " ".repeat(widths[i]! - Bun.stringWidth(cell)));
    return `| ${cells.join(" | ")} |`;
  });
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
