// Workflows as Torc's users write them: every kind its documentation shows, in its three formats.
import { describe, expect, test } from "bun:test";
import { edgesOf, load, meaning, mistakesOf, namesOf, textOf } from "./testing.ts";

const kinds: Readonly<Record<string, Readonly<Record<"yaml" | "json5" | "kdl", string>>>> = {
  diamond: {
    yaml: `
name: diamond
description: four steps through files
jobs:
  - { name: split, command: "cut \${files.input.whole} -o \${files.output.left} \${files.output.right}" }
  - { name: left, command: "work \${files.input.left} > \${files.output.left_done}" }
  - { name: right, command: "work \${files.input.right} > \${files.output.right_done}" }
  - { name: join, command: "cat \${files.input.left_done} \${files.input.right_done}" }
files:
  - { name: whole, path: in/whole.txt }
  - { name: left, path: tmp/left.txt }
  - { name: right, path: tmp/right.txt }
  - { name: left_done, path: out/left.txt }
  - { name: right_done, path: out/right.txt }
`,
    json5: `{
  name: "diamond", description: "four steps through files",
  jobs: [
    { name: "split", command: "cut \${files.input.whole} -o \${files.output.left} \${files.output.right}" },
    { name: "left", command: "work \${files.input.left} > \${files.output.left_done}" },
    { name: "right", command: "work \${files.input.right} > \${files.output.right_done}" },
    { name: "join", command: "cat \${files.input.left_done} \${files.input.right_done}" },
  ],
  files: [
    { name: "whole", path: "in/whole.txt" },
    { name: "left", path: "tmp/left.txt" }, { name: "right", path: "tmp/right.txt" },
    { name: "left_done", path: "out/left.txt" }, { name: "right_done", path: "out/right.txt" },
  ],
}`,
    kdl: `
name "diamond"
description "four steps through files"
file "whole" path="in/whole.txt"
file "left" path="tmp/left.txt"
file "right" path="tmp/right.txt"
file "left_done" path="out/left.txt"
file "right_done" path="out/right.txt"
job "split" { command "cut \${files.input.whole} -o \${files.output.left} \${files.output.right}" }
job "left" { command "work \${files.input.left} > \${files.output.left_done}" }
job "right" { command "work \${files.input.right} > \${files.output.right_done}" }
job "join" { command "cat \${files.input.left_done} \${files.input.right_done}" }
`,
  },
  sweep: {
    yaml: `
name: sweep
parameters: { lr: "[0.001,0.01]", bs: "[16,32]", opt: "['adam','sgd']" }
jobs:
  - name: prepare
    command: prepare
    output_files: [data]
  - name: train_{lr:.4f}_{bs}_{opt}
    command: "train --rate={lr} --file=m_{lr:.4f}_{bs}_{opt}"
    use_parameters: [lr, bs, opt]
    depends_on: [prepare]
    input_files: [data]
    output_files: ["model_{lr:.4f}_{bs}_{opt}"]
    resource_requirements: gpu
  - name: collect
    command: collect
    use_parameters: [lr, bs, opt]
    depends_on: ["train_{lr:.4f}_{bs}_{opt}"]
    input_files: ["model_{lr:.4f}_{bs}_{opt}"]
files:
  - { name: data, path: data.pkl }
  - { name: "model_{lr:.4f}_{bs}_{opt}", path: "models/{lr:.4f}_{bs}_{opt}.pt", use_parameters: [lr, bs, opt] }
resource_requirements:
  - { name: gpu, num_cpus: 8, num_gpus: 1, num_nodes: 1, memory: 32g, runtime: PT2H }
`,
    json5: `{
  name: "sweep",
  parameters: { lr: "[0.001,0.01]", bs: "[16,32]", opt: "['adam','sgd']" },
  jobs: [
    { name: "prepare", command: "prepare", output_files: ["data"] },
    { name: "train_{lr:.4f}_{bs}_{opt}", command: "train --rate={lr} --file=m_{lr:.4f}_{bs}_{opt}",
      use_parameters: ["lr", "bs", "opt"], depends_on: ["prepare"], input_files: ["data"],
      output_files: ["model_{lr:.4f}_{bs}_{opt}"], resource_requirements: "gpu" },
    { name: "collect", command: "collect", use_parameters: ["lr", "bs", "opt"],
      depends_on: ["train_{lr:.4f}_{bs}_{opt}"], input_files: ["model_{lr:.4f}_{bs}_{opt}"] },
  ],
  files: [
    { name: "data", path: "data.pkl" },
    { name: "model_{lr:.4f}_{bs}_{opt}", path: "models/{lr:.4f}_{bs}_{opt}.pt", use_parameters: ["lr", "bs", "opt"] },
  ],
  resource_requirements: [
    { name: "gpu", num_cpus: 8, num_gpus: 1, num_nodes: 1, memory: "32g", runtime: "PT2H" },
  ],
}`,
    kdl: `
name "sweep"
parameters {
  lr "[0.001,0.01]"
  bs "[16,32]"
  opt "['adam','sgd']"
}
resource_requirements "gpu" { num_cpus 8; num_gpus 1; num_nodes 1; memory "32g"; runtime "PT2H" }
file "data" path="data.pkl"
file "model_{lr:.4f}_{bs}_{opt}" {
  path "models/{lr:.4f}_{bs}_{opt}.pt"
  use_parameters "lr" "bs" "opt"
}
job "prepare" { command "prepare"; output_file "data" }
job "train_{lr:.4f}_{bs}_{opt}" {
  command "train --rate={lr} --file=m_{lr:.4f}_{bs}_{opt}"
  use_parameters "lr" "bs" "opt"
  depends_on_job "prepare"
  input_file "data"
  output_file "model_{lr:.4f}_{bs}_{opt}"
  resource_requirements "gpu"
}
job "collect" {
  command "collect"
  use_parameters "lr" "bs" "opt"
  depends_on_job "train_{lr:.4f}_{bs}_{opt}"
  input_file "model_{lr:.4f}_{bs}_{opt}"
}
`,
  },
  barrier: {
    yaml: `
name: barrier
jobs:
  - { name: "one_{i:03d}", command: "one {i} {i:03d}", parameters: { i: "0:99" } }
  - { name: wait, command: "true", depends_on_regexes: ["^one_.*"] }
  - { name: "two_{i:03d}", command: "two {i}", depends_on: [wait], parameters: { i: "0:99" } }
`,
    json5: `{ name: "barrier", jobs: [
  { name: "one_{i:03d}", command: "one {i} {i:03d}", parameters: { i: "0:99" } },
  { name: "wait", command: "true", depends_on_regexes: ["^one_.*"] },
  { name: "two_{i:03d}", command: "two {i}", depends_on: ["wait"], parameters: { i: "0:99" } },
] }`,
    kdl: `
name "barrier"
job "one_{i:03d}" { command "one {i} {i:03d}"; parameters { i "0:99" } }
job "wait" { command "true"; depends_on_regexes "^one_.*" }
job "two_{i:03d}" { command "two {i}"; depends_on "wait"; parameters { i "0:99" } }
`,
  },
  zipped: {
    yaml: `
name: zipped
jobs:
  - name: "train_{set}_{model}"
    command: "train {set} {model}"
    output_files: ["m_{set}_{model}"]
    parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }
    parameter_mode: zip
  - name: "test_{set}_{model}"
    command: "test {set}"
    input_files: ["m_{set}_{model}"]
    parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }
    parameter_mode: zip
files:
  - name: "m_{set}_{model}"
    path: "models/{set}_{model}.pt"
    parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }
    parameter_mode: zip
`,
    json5: `{ name: "zipped",
  jobs: [
    { name: "train_{set}_{model}", command: "train {set} {model}", output_files: ["m_{set}_{model}"],
      parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }, parameter_mode: "zip" },
    { name: "test_{set}_{model}", command: "test {set}", input_files: ["m_{set}_{model}"],
      parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }, parameter_mode: "zip" },
  ],
  files: [{ name: "m_{set}_{model}", path: "models/{set}_{model}.pt",
    parameters: { set: "['a', 'b', 'c']", model: "['x', 'y', 'z']" }, parameter_mode: "zip" }],
}`,
    kdl: `
name "zipped"
job "train_{set}_{model}" {
  command "train {set} {model}"
  output_files "m_{set}_{model}"
  parameters { set "['a', 'b', 'c']"; model "['x', 'y', 'z']" }
  parameter_mode "zip"
}
job "test_{set}_{model}" {
  command "test {set}"
  input_files "m_{set}_{model}"
  parameters { set "['a', 'b', 'c']"; model "['x', 'y', 'z']" }
  parameter_mode "zip"
}
file "m_{set}_{model}" {
  path "models/{set}_{model}.pt"
  parameters { set "['a', 'b', 'c']"; model "['x', 'y', 'z']" }
  parameter_mode "zip"
}
`,
  },
  "failure handlers, user data and actions": {
    yaml: `
name: handled
user: somebody
use_pending_failed: false
compute_node_expiration_buffer_seconds: 120
jobs_sort_method: gpus_memory_runtime
failure_handlers:
  - name: recover
    rules:
      - { exit_codes: [10], recovery_script: ./mend.sh, max_retries: 3 }
      - { match_all_exit_codes: true, max_retries: 2 }
user_data:
  - { name: notes, data: { source: net, size: 3 }, is_ephemeral: true }
  - { name: results }
slurm_schedulers:
  - { name: s1, account: a, nodes: 1, walltime: "04:00:00", extra: "--reservation=x" }
slurm_defaults: { qos: high }
resource_monitor: { enabled: true, granularity: summary, sample_interval_seconds: 5, generate_plots: false }
jobs:
  - name: fetch
    command: fetch
    invocation_script: null
    supports_termination: true
    depends_on: null
    input_user_data: [notes]
    output_user_data: [results]
    scheduler: s1
    failure_handler: recover
  - name: "use_{i}"
    command: "use {i}"
    invocation_script: "#!/bin/bash\\nexport RUN={i}\\n"
    cancel_on_blocking_job_failure: false
    input_user_data: [results]
    parameters: { i: "1:3" }
actions:
  - { trigger_type: on_workflow_start, action_type: run_commands, commands: ["mkdir -p out"] }
  - { trigger_type: on_jobs_ready, action_type: schedule_nodes, job_name_regexes: ["^use_"], scheduler: s1, scheduler_type: slurm, num_allocations: 2, start_one_worker_per_node: true, max_parallel_jobs: 4 }
  - { trigger_type: on_worker_complete, action_type: run_commands, commands: [date], persistent: true }
`,
    json5: `{
  name: "handled", user: "somebody", use_pending_failed: false,
  compute_node_expiration_buffer_seconds: 120, jobs_sort_method: "gpus_memory_runtime",
  failure_handlers: [{ name: "recover", rules: [
    { exit_codes: [10], recovery_script: "./mend.sh", max_retries: 3 },
    { match_all_exit_codes: true, max_retries: 2 } ] }],
  user_data: [{ name: "notes", data: { source: "net", size: 3 }, is_ephemeral: true }, { name: "results" }],
  slurm_schedulers: [{ name: "s1", account: "a", nodes: 1, walltime: "04:00:00", extra: "--reservation=x" }],
  slurm_defaults: { qos: "high" },
  resource_monitor: { enabled: true, granularity: "summary", sample_interval_seconds: 5, generate_plots: false },
  jobs: [
    { name: "fetch", command: "fetch", invocation_script: null, supports_termination: true, depends_on: null,
      input_user_data: ["notes"], output_user_data: ["results"], scheduler: "s1", failure_handler: "recover" },
    { name: "use_{i}", command: "use {i}", invocation_script: "#!/bin/bash\\nexport RUN={i}\\n",
      cancel_on_blocking_job_failure: false, input_user_data: ["results"], parameters: { i: "1:3" } },
  ],
  actions: [
    { trigger_type: "on_workflow_start", action_type: "run_commands", commands: ["mkdir -p out"] },
    { trigger_type: "on_jobs_ready", action_type: "schedule_nodes", job_name_regexes: ["^use_"], scheduler: "s1",
      scheduler_type: "slurm", num_allocations: 2, start_one_worker_per_node: true, max_parallel_jobs: 4 },
    { trigger_type: "on_worker_complete", action_type: "run_commands", commands: ["date"], persistent: true },
  ],
}`,
    kdl: String.raw`
name "handled"
user "somebody"
use_pending_failed #false
compute_node_expiration_buffer_seconds 120
jobs_sort_method "gpus_memory_runtime"
failure_handler "recover" {
  rule { exit_codes 10; recovery_script "./mend.sh"; max_retries 3 }
  rule { match_all_exit_codes #true; max_retries 2 }
}
user_data "notes" { data "{\"source\": \"net\", \"size\": 3}"; is_ephemeral #true }
user_data "results"
slurm_scheduler "s1" { account "a"; nodes 1; walltime "04:00:00"; extra "--reservation=x" }
slurm_defaults { qos "high" }
resource_monitor { enabled #true; granularity "summary"; sample_interval_seconds 5; generate_plots #false }
job "fetch" {
  command "fetch"
  supports_termination #true
  input_user_data "notes"
  output_user_data "results"
  scheduler "s1"
  failure_handler "recover"
}
job "use_{i}" {
  command "use {i}"
  invocation_script "#!/bin/bash\nexport RUN={i}\n"
  cancel_on_blocking_job_failure #false
  input_user_data "results"
  parameters { i "1:3" }
}
action { trigger_type "on_workflow_start"; action_type "run_commands"; command "mkdir -p out" }
action {
  trigger_type "on_jobs_ready"
  action_type "schedule_nodes"
  job_name_regexes "^use_"
  scheduler "s1"
  scheduler_type "slurm"
  num_allocations 2
  start_one_worker_per_node #true
  max_parallel_jobs 4
}
action { trigger_type "on_worker_complete"; action_type "run_commands"; command "date"; persistent #true }
`,
  },
};

describe.each(Object.entries(kinds))("%s", (_, { yaml, json5, kdl }) => {
  test("is the same in JSON5, JSON and KDL", () => {
    const expected = meaning(yaml, "w.yaml");
    expect(meaning(json5, "w.json5")).toEqual(expected);
    expect(meaning(JSON.stringify(Bun.JSON5.parse(json5)), "w.json")).toEqual(expected);
    expect(meaning(kdl, "w.kdl")).toEqual(expected);
  });
});

test("references declare what is read and made, beside the lists", () => {
  const diamond = load(kinds["diamond"]!.yaml);
  expect(edgesOf(diamond)).toEqual([
    "left → join",
    "right → join",
    "split → left",
    "split → right",
  ]);
  expect(textOf(diamond, 0, ({ command }) => (command.kind === "shell" ? command.text : ""))).toBe(
    "cut in/whole.txt -o tmp/left.txt tmp/right.txt",
  );
});

test("a sweep with a task that collects: instances of one name are one task", () => {
  const sweep = load(kinds["sweep"]!.yaml);
  expect(sweep.taskCount).toBe(10);
  expect(namesOf(sweep)[1]).toBe("train_0.0010_16_adam");
  // both ways of writing a parameter in one command
  expect(textOf(sweep, 1, ({ command }) => (command.kind === "shell" ? command.text : ""))).toBe(
    "train --rate=0.001 --file=m_0.0010_16_adam",
  );
  expect(edgesOf(sweep).filter((edge) => edge.endsWith("→ collect"))).toHaveLength(8);
  const collect = sweep.blocks.at(-1)!;
  expect(collect.kind === "explicit" ? collect.bodies![0]!.inputs : []).toContain(
    "models/0.0100_32_sgd.pt",
  );
});

test("failure handlers count attempts, user data orders, null is as good as absent", () => {
  const w = load(kinds["failure handlers, user data and actions"]!.yaml);
  expect(edgesOf(w)).toEqual(["fetch → use_1", "fetch → use_2", "fetch → use_3"]);
  expect(w.blocks[0]!.faults?.exitRules).toEqual([
    { exitCodes: [10], retries: 2, recovery: "./mend.sh" },
    { exitCodes: null, retries: 1, recovery: null },
  ]);
  expect(w.blocks[1]).toMatchObject({ onUpstreamFailure: "run" });
  expect(textOf(w, 2, ({ command }) => (command.kind === "shell" ? command.text : ""))).toBe(
    "#!/bin/bash\nexport RUN=2\nuse 2",
  );
  expect(w.actions?.[1]).toEqual({
    trigger: "on_jobs_ready",
    tasks: [[1, 3]],
    what: {
      kind: "schedule_nodes",
      scheduler: "s1",
      allocations: 2,
      oneWorkerPerNode: true,
      maxParallel: 4,
    },
    persistent: false,
  });
});

describe("what its validator misses", () => {
  const jobs = (...lines: string[]): string =>
    `name: w\nfiles: [{name: f, path: f.dat}]\njobs:\n${lines.map((line) => `  - ${line}\n`).join("")}`;
  test.each([
    [
      ["{name: a, command: e, input_files: [ff]}"],
      "4:41 no file is called 'ff' [did you mean 'f'?]",
    ],
    [["{name: a, command: 'e ${files.input.g}'}"], "4:27 no file is called 'g'"],
    [
      ["{name: a, command: e, depends_on_regexes: ['^x']}"],
      "4:48 '^x' matches the name of no task",
    ],
    [["{name: a, command: e, depends_on_regexes: ['(']}"], "4:49 '(' is no regular expression"],
    [["{name: a, command: e, depends_on_regexes: ['(a+)+']}"], "4:49 '(a+)+' repeats a group"],
    [["{name: a, command: e, depends_on_regexes: ['a']}"], "4:27 a task waits for itself: a → a"],
    [["{name: a, command: e, input_file_regexes: ['^q']}"], "4:48 '^q' matches no name of 'files'"],
    [["{name: a, command: e, input_user_data: [u]}"], "4:45 no user data is called 'u'"],
    [["{name: a, command: e, failure_handler: h}"], "4:44 no failure handler is called 'h'"],
    [
      ["{name: a, command: e, parameter_mode: both}"],
      "4:43 'parameter_mode' must be one of product, zip",
    ],
    [["{name: a, command: e, use_parameters: [p]}"], "4:44 the workflow has no parameter 'p'"],
    [
      ["{name: a, command: e, output_files: [f]}", "{name: b, command: e, output_files: [f]}"],
      "5:41 two tasks list the output 'f.dat'",
    ],
    [
      ["{name: a, command: e, resource_requirements: {memory: 3x}}"],
      "4:59 'memory': '3x' is not an amount",
    ],
    [["{name: a, command: 'e ${user_data.output.u}'}"], "4:27 no user data is called 'u'"],
  ])("%j", (lines, message) => {
    expect(mistakesOf(jobs(...lines))[0]).toStartWith(message);
  });
  test("actions", () => {
    const action = (text: string): string =>
      mistakesOf(`name: w\ntasks: [{name: a, command: e}]\nactions:\n  - ${text}\n`)[0]!;
    expect(
      action("{trigger_type: on_start, action_type: run_commands, commands: [e]}"),
    ).toStartWith("4:20 'trigger_type' must be one of on_workflow_start, ");
    expect(action("{trigger_type: on_workflow_start, action_type: run_commands}")).toStartWith(
      "4:5 an action has no commands to run",
    );
    expect(
      action("{trigger_type: on_jobs_ready, action_type: run_commands, commands: [e]}"),
    ).toStartWith("4:5 an action on_jobs_ready names no tasks");
    expect(
      action("{trigger_type: on_jobs_ready, action_type: run_commands, commands: [e], jobs: [b]}"),
    ).toStartWith("4:84 no task is called 'b'");
    expect(
      action("{trigger_type: on_workflow_start, action_type: schedule_nodes, scheduler: s}"),
    ).toStartWith("4:79 no scheduler is called 's'");
    expect(
      action(
        "{trigger_type: on_workflow_start, action_type: schedule_nodes, scheduler: s, commands: [e]}",
      ),
    ).toStartWith("4:79 no scheduler is called 's'");
    expect(
      action(
        "{trigger_type: on_workflow_start, action_type: run_commands, commands: [e], scheduler: s}",
      ),
    ).toStartWith("4:81 'scheduler' is for actions of the type schedule_nodes");
  });
  test("options of sbatch that each scheduler says for itself", () => {
    const text = "name: w\ntasks: [{name: a, command: e}]\nslurm_defaults: {time: 1, qos: q}\n";
    expect(mistakesOf(text)).toEqual([
      "3:18 'time' is said by each scheduler for itself [move it into slurm_schedulers]",
    ]);
  });
});
