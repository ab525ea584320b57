/** The keys a document may have, and what is said of any other. */
import type { SpecMap, Path } from "./document.ts";
import { nearest } from "./nearest.ts";
import type { Reader } from "./values.ts";

/** Each key with the name it is known by here; aliases are Torc's. */
export type Keys = Readonly<Record<string, string>>;

type RequirementField =
  "name" | "cpus" | "memory" | "disk" | "gpus" | "nodes" | "runtime" | "custom";

export const WORKFLOW_KEYS: Keys = {
  name: "name",
  description: "about",
  user: "about",
  project: "about",
  metadata: "about",
  // for editors, which look for it in JSON
  $schema: "about",
  cwd: "cwd",
  reuse: "reuse",
  env: "env",
  tasks: "tasks",
  jobs: "tasks",
  resource_requirements: "resource_requirements",
  parameters: "parameters",
  priority: "priority",
  files: "files",
  user_data: "user_data",
  slurm_schedulers: "slurm_schedulers",
  slurm_defaults: "slurm_defaults",
  actions: "actions",
  failure_handlers: "failure_handlers",
  categories: "categories",
  algorithm: "algorithm",
  max_failures: "max_failures",
  on_failure: "on_failure",
  age: "age",
  job_sort_method: "sort_method",
  jobs_sort_method: "sort_method",
  resource_monitor: "resource_monitor",
  use_pending_failed: "use_pending_failed",
  compute_node_expiration_buffer_seconds: "compute_node_expiration_buffer_seconds",
  compute_node_wait_for_new_jobs_seconds: "compute_node_wait_for_new_jobs_seconds",
  compute_node_ignore_workflow_completion: "compute_node_ignore_workflow_completion",
  compute_node_wait_for_healthy_database_minutes: "compute_node_wait_for_healthy_database_minutes",
  compute_node_min_time_for_new_jobs_seconds: "compute_node_min_time_for_new_jobs_seconds",
};

export const TASK_KEYS: Keys = {
  name: "name",
  description: "ignored",
  command: "command",
  invocation_script: "invocation_script",
  shell: "shell",
  parameters: "parameters",
  use_parameters: "use_parameters",
  parameter_mode: "parameter_mode",
  depends_on: "depends_on",
  depends_on_job: "depends_on_job",
  depends_on_regexes: "depends_on_regexes",
  stage: "stage",
  inputs: "inputs",
  input_files: "inputs",
  input_file_regexes: "input_file_regexes",
  outputs: "outputs",
  output_files: "outputs",
  output_file_regexes: "output_file_regexes",
  input_user_data: "input_user_data",
  input_user_data_regexes: "input_user_data_regexes",
  output_user_data: "output_user_data",
  output_user_data_regexes: "output_user_data_regexes",
  env: "env",
  cwd: "cwd",
  retries: "retries",
  max_retries: "retries",
  retry_on: "retry_on",
  backoff: "backoff",
  exit_codes: "exit_codes",
  failure_handler: "failure_handler",
  crash_limit: "crash_limit",
  idempotent: "idempotent",
  supports_termination: "supports_termination",
  timeout: "timeout",
  on_upstream_failure: "on_upstream_failure",
  cancel_on_blocking_job_failure: "on_upstream_failure",
  category: "category",
  priority: "priority",
  scheduler: "scheduler",
  slurm_scheduler: "scheduler",
  algorithm: "algorithm",
  preferred_hosts: "preferred_hosts",
  required_hosts: "required_hosts",
  features: "features",
  resource_requirements: "resource_requirements",
  cpus: "cpus",
  memory: "memory",
  gpus: "gpus",
  disk: "disk",
  runtime: "runtime",
  custom: "custom",
};

export const REQUIREMENT_KEYS: Readonly<Record<string, RequirementField>> = {
  name: "name",
  num_cpus: "cpus",
  cpus: "cpus",
  memory: "memory",
  disk: "disk",
  num_gpus: "gpus",
  gpus: "gpus",
  num_nodes: "nodes",
  nodes: "nodes",
  runtime: "runtime",
  custom: "custom",
};

export const SCHEDULER_KEYS: Keys = {
  name: "name",
  account: "account",
  gres: "gres",
  mem: "mem",
  nodes: "nodes",
  ntasks_per_node: "ntasks_per_node",
  partition: "partition",
  qos: "qos",
  tmp: "tmp",
  walltime: "walltime",
  extra: "extra",
};

export const BACKOFF_KEYS: Keys = {
  initial: "initial",
  factor: "factor",
  max: "max",
  jitter: "jitter",
};

export const EXIT_RULE_KEYS: Keys = { codes: "codes", retries: "retries", recovery: "recovery" };

export const HANDLER_KEYS: Keys = { name: "name", rules: "rules" };

export const HANDLER_RULE_KEYS: Keys = {
  exit_codes: "exit_codes",
  match_all_exit_codes: "match_all_exit_codes",
  recovery_script: "recovery_script",
  max_retries: "max_retries",
};

export const CATEGORY_KEYS: Keys = {
  allocation: "allocation",
  max_concurrent: "max_concurrent",
  fast_abort: "fast_abort",
  speculate: "speculate",
  algorithm: "algorithm",
};

export const FILE_KEYS: Keys = {
  name: "name",
  path: "path",
  parameters: "parameters",
  parameter_mode: "parameter_mode",
  use_parameters: "use_parameters",
};

export const USER_DATA_KEYS: Keys = {
  name: "name",
  data: "data",
  is_ephemeral: "is_ephemeral",
  parameters: "parameters",
  parameter_mode: "parameter_mode",
  use_parameters: "use_parameters",
};

export const ACTION_KEYS: Keys = {
  trigger_type: "trigger_type",
  action_type: "action_type",
  jobs: "jobs",
  tasks: "jobs",
  job_name_regexes: "job_name_regexes",
  commands: "commands",
  scheduler: "scheduler",
  scheduler_type: "scheduler_type",
  num_allocations: "num_allocations",
  start_one_worker_per_node: "start_one_worker_per_node",
  max_parallel_jobs: "max_parallel_jobs",
  persistent: "persistent",
};

export const MONITOR_KEYS: Keys = {
  enabled: "enabled",
  granularity: "granularity",
  sample_interval_seconds: "sample_interval_seconds",
  generate_plots: "generate_plots",
  metrics: "ignored",
};

/** Tells every key of `map` that `keys` does not have, and every field that is given under two names. */
export function checkKeys(
  reader: Reader,
  map: SpecMap,
  keys: Keys,
  path: Path,
  owner: string,
): void {
  const given = new Map<string, string>();
  for (const key in map) {
    const field = Object.hasOwn(keys, key) ? keys[key]! : undefined;
    if (field === undefined) unknownKey(reader, key, keys, path, owner);
    else if (field !== "ignored" && field !== "about") {
      const other = given.get(field);
      if (other === undefined) given.set(field, key);
      else {
        const message = `'${key}' and '${other}' say the same thing`;
        reader.mistakes.add([...path, key], message, "keep one of them", { key: true });
      }
    }
  }
}

function unknownKey(reader: Reader, key: string, keys: Keys, path: Path, owner: string): void {
  const at = { key: true };
  const isKdl = reader.document.format === "kdl";
  const names = Object.keys(keys);
  // what is a list elsewhere is one node for each entry there
  const near = nearest(key, isKdl ? [...names.map(singular), ...names] : names);
  const known = Object.keys(keys).join(", ");
  const what = isKdl ? "node" : "key";
  const fix = near === null ? `the ${what}s of ${owner} are ${known}` : `did you mean '${near}'?`;
  reader.mistakes.add([...path, key], `${owner} has no ${what} '${key}'`, fix, at);
}

function singular(key: string): string {
  return key.endsWith("s") && !key.endsWith("_requirements") ? key.slice(0, -1) : key;
}

/** The key under which a field is given, or undefined. */
export function keyOf(map: SpecMap, ...keys: readonly string[]): string | undefined {
  return keys.find((key) => Object.hasOwn(map, key));
}

/** Whether an unknown key of `map`, which `checkKeys` tells, is probably `wanted`: then that is not missing as well. */
export function misspelled(map: SpecMap, keys: Keys, wanted: string): boolean {
  return Object.keys(map).some(
    (key) => !Object.hasOwn(keys, key) && nearest(key, [wanted, singular(wanted)]) !== null,
  );
}
