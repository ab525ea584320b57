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

/** Per key: what it takes (with its unit), its default, an example, what it means. */
type Entry = readonly [takes: string, otherwise: string, example: string, about: string];

const workflow: Readonly<Record<string, Entry>> = {
  name: ["text", "needed", "`name: compress`", "names the workflow in its state directory"],
  cwd: [
    "folder",
    "where `run` is called",
    "`cwd: /data/run7`",
    "where tasks run and relative paths begin",
  ],
  env: [
    "map of texts",
    "none",
    "`env: {OMP_NUM_THREADS: 1}`",
    "added to the environment of every task",
  ],
  tasks: [
    "list of tasks",
    "needed",
    "see below",
    "`jobs` runs every command with `bash`, as Torc does",
  ],
  resource_requirements: [
    "list of requirements",
    "none",
    "`- {name: small, cpus: 1}`",
    "requirements that tasks refer to by name",
  ],
  parameters: [
    "map of values",
    "none",
    '`parameters: {i: "0:23"}`',
    "values that tasks take with `use_parameters`",
  ],
  priority: ["integer, −1000000 to 1000000", "0", "`priority: 10`", "higher first"],
  files: [
    "list of files",
    "none",
    "`- {name: raw, path: in/raw.dat}`",
    "names for paths, which `input_files`, `output_files` and `${files.input.raw}` use",
  ],
  user_data: [
    "list",
    "none",
    "see below",
    "JSON under a name, which orders tasks and which commands can read",
  ],
  actions: ["list", "none", "see below", "what happens beside the tasks"],
  slurm_defaults: [
    "map of options",
    "none",
    "`slurm_defaults: {qos: high}`",
    "long options of `sbatch` for all schedulers, without their dashes",
  ],
  resource_monitor: [
    "map",
    "none",
    "see below",
    "what is recorded of the resources that tasks use",
  ],
  use_pending_failed: [
    "true or false",
    "false",
    "`use_pending_failed: true`",
    "stored; told with a warning: failed tasks wait for nobody's decision",
  ],
  compute_node_expiration_buffer_seconds: [
    "integer from 0",
    "the worker's",
    "`…_buffer_seconds: 120`",
    "stored for workers that a scheduler starts: they end so long before their time does",
  ],
  compute_node_wait_for_new_jobs_seconds: [
    "integer from 0",
    "the worker's",
    "`…_new_jobs_seconds: 90`",
    "stored for them as well: how long they wait without work",
  ],
  compute_node_ignore_workflow_completion: [
    "true or false",
    "false",
    "`…_completion: true`",
    "stored for them as well: stay when the workflow has ended",
  ],
  compute_node_wait_for_healthy_database_minutes: [
    "integer from 0",
    "the worker's",
    "`…_minutes: 20`",
    "stored for them as well: how long they wait for a server that is away",
  ],
  compute_node_min_time_for_new_jobs_seconds: [
    "integer from 0",
    "the worker's",
    "`…_new_jobs_seconds: 300`",
    "stored for them as well: no new task when less time is left",
  ],
  about: ["text", "none", "`project: fusion`", "kept for people"],
  slurm_schedulers: [
    "list of schedulers",
    "none",
    "`- {name: short, account: a}`",
    "names that tasks bind themselves to",
  ],
  failure_handlers: [
    "list of handlers",
    "none",
    "see below",
    "rules for exit codes that tasks refer to by name",
  ],
  categories: [
    "map of categories",
    "none",
    "see below",
    "settings for tasks that are expected to behave alike",
  ],
  algorithm: [
    "`fcfs`, `files`, `time`, `random`, `worst`",
    "`fcfs`",
    "`algorithm: worst`",
    "which worker gets a task",
  ],
  max_failures: [
    "integer from 1",
    "no limit",
    "`max_failures: 100`",
    "nothing more is started after so many failed tasks",
  ],
  on_failure: [
    "`continue`, `stop`",
    "`continue`",
    "`on_failure: stop`",
    "`stop`: the first failed task ends the workflow",
  ],
  age: [
    "duration",
    "10 m",
    "`age: 1h`",
    "tasks that waited this long pass others of an equal or one-lower priority",
  ],
  sort_method: [
    "`auto`, `gpus_runtime_memory`, `gpus_memory_runtime`, `none`",
    "`auto`",
    "`job_sort_method: none`",
    "which ready task is next",
  ],
};

const task: Readonly<Record<string, Entry>> = {
  name: [
    "text",
    "needed",
    '`name: "c_{i:03d}"`',
    "unique; with parameters, every value has to show in it",
  ],
  command: [
    "text or list",
    "needed",
    "`command: [./sim, --seed, 1]`",
    "a list is executed as it stands; of a text, see below",
  ],
  invocation_script: [
    "text",
    "none",
    "`invocation_script: ./wrap.sh`",
    "one line is given the command as its arguments; several lines run before it in one shell",
  ],
  shell: [
    "`sh`, `bash`, `none`",
    "decided by the text",
    "`shell: bash`",
    "`none` splits words and never asks a shell",
  ],
  parameters: [
    "map of values",
    "none",
    '`parameters: {i: "0:23"}`',
    "makes an array: one task per value or combination",
  ],
  use_parameters: [
    "name or list",
    "none",
    "`use_parameters: [i]`",
    "takes values from the workflow's `parameters`",
  ],
  parameter_mode: [
    "`product`, `zip`",
    "`product`",
    "`parameter_mode: zip`",
    "every combination, the last parameter fastest; or value by value",
  ],
  depends_on: [
    "name or list",
    "none",
    '`depends_on: ["c_{i:03d}"]`',
    "tasks that have to end first; an array's name as written means all of it",
  ],
  depends_on_job: ["name or list", "none", "`depends_on_job: a`", "the same as `depends_on`"],
  depends_on_regexes: [
    "expression or list",
    "none",
    '`depends_on_regexes: ["^c_"]`',
    "all tasks whose name holds a match; one that matches nothing is a mistake",
  ],
  stage: [
    "integer from 0",
    "none",
    "`stage: 2`",
    "all tasks of a stage come after all of the next lower one",
  ],
  inputs: [
    "path or list",
    "none",
    "`inputs: [in.dat]`",
    "have to be there before; if a task lists one as output, that task comes first. `input_files` are names where the workflow has `files`, else paths",
  ],
  input_file_regexes: [
    "expression or list",
    "none",
    '`input_file_regexes: ["^raw_"]`',
    "inputs: all `files` whose name holds a match",
  ],
  outputs: [
    "path or list",
    "none",
    "`outputs: [out.dat]`",
    "have to be there afterwards; `output_files` as `input_files`",
  ],
  output_file_regexes: [
    "expression or list",
    "none",
    '`output_file_regexes: ["^o_"]`',
    "outputs: all `files` whose name holds a match",
  ],
  input_user_data: [
    "name or list",
    "none",
    "`input_user_data: [notes]`",
    "comes after every task that has it as `output_user_data`",
  ],
  input_user_data_regexes: ["expression or list", "none", '`["^n"]`', "the same, by expression"],
  output_user_data: [
    "name or list",
    "none",
    "`output_user_data: [notes]`",
    "orders tasks; a value that a task makes is handed on in a file",
  ],
  output_user_data_regexes: ["expression or list", "none", '`["^n"]`', "the same, by expression"],
  env: ["map of texts", "the workflow's", "`env: {SEED: 7}`", "added to the workflow's"],
  cwd: ["folder", "the workflow's", "`cwd: sub`", "relative to the workflow's"],
  retries: [
    "integer, 0 to 60000",
    "0",
    "`retries: 2`",
    "further attempts after the task's own failures; Torc's `max_retries` counts attempts",
  ],
  retry_on: [
    "map of outcomes to integers",
    "none",
    "`retry_on: {launch_error: 1}`",
    "further attempts for one outcome, beside `retries`",
  ],
  backoff: ["map", "see below", "`backoff: {initial: 5s}`", "how long a further attempt waits"],
  exit_codes: ["list of rules", "none", "see below", "further attempts for certain exit codes"],
  failure_handler: [
    "name",
    "none",
    "`failure_handler: oom`",
    "the rules of a named handler instead of `exit_codes`",
  ],
  crash_limit: [
    "integer, 1 to 60000",
    "5",
    "`crash_limit: 2`",
    "attempts that may be lost with their worker while they run",
  ],
  idempotent: [
    "true or false",
    "false",
    "`idempotent: true`",
    "running it twice at the same time does no harm",
  ],
  supports_termination: [
    "true or false",
    "false",
    "`supports_termination: true`",
    "changes nothing: every task that has to end gets SIGTERM first",
  ],
  timeout: ["duration", "none", "`timeout: 30m`", "ends an attempt: SIGTERM, after 5 s SIGKILL"],
  on_upstream_failure: [
    "`skip`, `run`",
    "`skip`",
    "`on_upstream_failure: run`",
    "when something it waits for did not succeed; Torc's key takes true or false",
  ],
  category: [
    "text",
    "an array's name; else `default`",
    "`category: heavy`",
    "tasks that are expected to behave alike",
  ],
  priority: ["integer, −1000000 to 1000000", "0", "`priority: 10`", "higher first"],
  scheduler: [
    "name",
    "none",
    "`scheduler: short`",
    "runs only where this scheduler is offered (`--scheduler`)",
  ],
  algorithm: ["as the workflow's", "the category's", "`algorithm: random`", "which worker gets it"],
  preferred_hosts: [
    "name or list",
    "none",
    "`preferred_hosts: [n1]`",
    "taken when one of them has room",
  ],
  required_hosts: [
    "name or list",
    "none",
    "`required_hosts: [n1]`",
    "waits until one of them has room",
  ],
  features: ["name or list", "none", "`features: [avx512]`", "the worker has to offer all of them"],
  resource_requirements: [
    "name or map",
    "1 cpu",
    "`resource_requirements: small`",
    "what it needs; not together with the shorthand below",
  ],
  cpus: ["number", "1", "`cpus: 0.5`", "shorthand"],
  memory: ["size", "none reserved", "`memory: 2g`", "shorthand"],
  gpus: ["number", "0", "`gpus: 1`", "shorthand"],
  disk: ["size", "none reserved", "`disk: 10GB`", "shorthand"],
  runtime: ["duration", "unknown", "`runtime: 5m`", "shorthand; an estimate, never kills"],
  custom: ["map of amounts", "none", "`custom: {licences: 1}`", "shorthand; resources of your own"],
};

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

export function keyTables(): { name: string; text: string }[] {
  return [
    { name: "workflow keys", text: table(WORKFLOW_KEYS, workflow) },
    { name: "task keys", text: table(TASK_KEYS, task) },
    { name: "file keys", text: table(FILE_KEYS, file) },
    { name: "user data keys", text: table(USER_DATA_KEYS, userData) },
    { name: "action keys", text: table(ACTION_KEYS, action) },
    { name: "monitor keys", text: table(MONITOR_KEYS, monitor) },
    { name: "requirement keys", text: table(REQUIREMENT_KEYS, requirement) },
    { name: "back-off keys", text: table(BACKOFF_KEYS, backoff) },
    { name: "exit rule keys", text: table(EXIT_RULE_KEYS, exitRule) },
    { name: "handler keys", text: table(HANDLER_KEYS, handler) },
    { name: "handler rule keys", text: table(HANDLER_RULE_KEYS, handlerRule) },
    { name: "category keys", text: table(CATEGORY_KEYS, category) },
    { name: "scheduler keys", text: list(SCHEDULER_KEYS) },
  ];
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
