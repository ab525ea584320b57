/** What each node of a KDL document stands for. What is not listed is one value under its own name. */

/** `to`: the key of the document it becomes. */
export type Slot =
  /** one argument is a value, several are a list, children are a mapping (or, called `-`, a list) */
  | { kind: "value"; to: string }
  /** arguments of all such nodes make one list */
  | { kind: "list"; to: string }
  /** properties and children are the keys */
  | { kind: "map"; to: string }
  /** one mapping of a known shape */
  | { kind: "entry"; to: string; shape: Shape }
  /** each node is one entry of a list; `named`: its argument is the name */
  | { kind: "entries"; to: string; shape: Shape; named: boolean }
  /** each node is one entry of a mapping, under its argument */
  | { kind: "named"; to: string; shape: Shape }
  /** the name of an entry, or the entry itself */
  | { kind: "reference"; to: string; shape: Shape }
  /** each node is one rule, its arguments are exit codes */
  | { kind: "codes"; to: string }
  /** JSON in a text */
  | { kind: "json"; to: string };

export type Shape = Readonly<Record<string, Slot>>;

const lists = (names: Readonly<Record<string, string>>): Shape =>
  Object.fromEntries(Object.entries(names).map(([name, to]) => [name, { kind: "list", to }]));

const NOTHING_SPECIAL: Shape = {};

const REQUIREMENT: Shape = { custom: { kind: "map", to: "custom" } };

/** What tasks and files say of their parameters. */
const PARAMETERS: Shape = {
  parameters: { kind: "map", to: "parameters" },
  use_parameters: { kind: "list", to: "use_parameters" },
};

const TASK: Shape = {
  ...PARAMETERS,
  ...lists({
    depends_on: "depends_on",
    depends_on_job: "depends_on_job",
    depends_on_regexes: "depends_on_regexes",
    input: "inputs",
    inputs: "inputs",
    input_file: "input_files",
    input_files: "input_files",
    input_file_regexes: "input_file_regexes",
    output: "outputs",
    outputs: "outputs",
    output_file: "output_files",
    output_files: "output_files",
    output_file_regexes: "output_file_regexes",
    input_user_data: "input_user_data",
    input_user_data_regexes: "input_user_data_regexes",
    output_user_data: "output_user_data",
    output_user_data_regexes: "output_user_data_regexes",
    preferred_hosts: "preferred_hosts",
    required_hosts: "required_hosts",
    features: "features",
  }),
  env: { kind: "map", to: "env" },
  retry_on: { kind: "map", to: "retry_on" },
  backoff: { kind: "map", to: "backoff" },
  custom: { kind: "map", to: "custom" },
  exit_codes: { kind: "codes", to: "exit_codes" },
  resource_requirements: { kind: "reference", to: "resource_requirements", shape: REQUIREMENT },
};

const ACTION: Shape = lists({
  job: "jobs",
  jobs: "jobs",
  task: "tasks",
  tasks: "tasks",
  job_name_regexes: "job_name_regexes",
  command: "commands",
  commands: "commands",
});

const RULE: Shape = lists({ exit_codes: "exit_codes" });

export const WORKFLOW_SHAPE: Shape = {
  task: { kind: "entries", to: "tasks", shape: TASK, named: true },
  job: { kind: "entries", to: "jobs", shape: TASK, named: true },
  file: { kind: "entries", to: "files", shape: PARAMETERS, named: true },
  user_data: {
    kind: "entries",
    to: "user_data",
    shape: { data: { kind: "json", to: "data" } },
    named: true,
  },
  resource_requirements: {
    kind: "entries",
    to: "resource_requirements",
    shape: REQUIREMENT,
    named: true,
  },
  failure_handler: {
    kind: "entries",
    to: "failure_handlers",
    shape: { rule: { kind: "entries", to: "rules", shape: RULE, named: false } },
    named: true,
  },
  slurm_scheduler: {
    kind: "entries",
    to: "slurm_schedulers",
    shape: NOTHING_SPECIAL,
    named: true,
  },
  action: { kind: "entries", to: "actions", shape: ACTION, named: false },
  category: { kind: "named", to: "categories", shape: NOTHING_SPECIAL },
  parameters: { kind: "map", to: "parameters" },
  env: { kind: "map", to: "env" },
  slurm_defaults: { kind: "map", to: "slurm_defaults" },
  resource_monitor: { kind: "entry", to: "resource_monitor", shape: NOTHING_SPECIAL },
};
