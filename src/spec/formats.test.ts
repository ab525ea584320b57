import { describe, expect, test } from "bun:test";
import { formatOf } from "./format.ts";
import { edgesOf, load, meaning, mistakesOf } from "./testing.ts";

const YAML = `
name: all
description: one of everything
cwd: /data
env: { LEVEL: 1.50, MODE: fast }
parameters: { k: [x, 2.50] }
priority: 3
max_failures: 10
on_failure: continue
age: 1h
job_sort_method: none
categories:
  heavy: { max_concurrent: 4, speculate: 2, fast_abort: null }
failure_handlers:
  - name: again
    rules:
      - { exit_codes: [10, 11], max_retries: 2, recovery_script: ./fix.sh }
      - { match_all_exit_codes: true, max_retries: 1 }
slurm_schedulers:
  - { name: short, account: a, nodes: 2, walltime: "01:00:00" }
slurm_defaults: { qos: high, mail-type: END }
resource_monitor: { enabled: true, sample_interval_seconds: 2 }
compute_node_wait_for_new_jobs_seconds: 30
resource_requirements:
  - { name: small, num_cpus: 2, memory: 1.5GiB, runtime: PT30M, custom: { licences: 1 } }
files:
  - { name: raw, path: raw.dat }
  - { name: "part_{i}", path: "parts/{i:02d}.dat", parameters: { i: "1:3" } }
user_data:
  - name: settings
    data: { depth: 2, names: [a, b] }
    is_ephemeral: true
actions:
  - { trigger_type: on_jobs_complete, action_type: run_commands, jobs: [first], commands: [echo done] }
  - { trigger_type: on_workflow_start, action_type: schedule_nodes, scheduler: short, num_allocations: 2 }
tasks:
  - name: first
    command: [./prepare, --level, "1"]
    inputs: raw.dat
    resource_requirements: small
    retry_on: { timeout: 2 }
    backoff: { initial: 5s, jitter: 0 }
    exit_codes:
      - { codes: [137], retries: 3 }
      - { codes: any, retries: 1, recovery: ./fix.sh }
  - name: "part_{i}_{k}"
    parameters: { i: "1:3" }
    use_parameters: [k]
    command: "work \${files.input.raw} {i} {k}"
    depends_on: [first]
    outputs: ["out/{i}_{k}"]
    category: heavy
    features: [avx]
    timeout: 1:30:00
    scheduler: short
    stage: 1
  - name: last
    command: "end '\${user_data.input.settings}'"
    depends_on_regexes: [^part_]
    failure_handler: again
    stage: 2
    cpus: 0.5
    env: { MODE: slow }
    idempotent: true
`;

const JSON5 = `// the same
{
  name: 'all', description: "one of everything", cwd: '/data',
  env: { LEVEL: 1.50, MODE: 'fast' },
  parameters: { k: ['x', 2.50] },
  priority: +3, max_failures: 10, on_failure: 'continue', age: '1h', job_sort_method: 'none',
  categories: { heavy: { max_concurrent: 4, speculate: 2, fast_abort: null } },
  failure_handlers: [{ name: 'again', rules: [
    { exit_codes: [10, 11], max_retries: 2, recovery_script: './fix.sh' },
    { match_all_exit_codes: true, max_retries: 1 },
  ] }],
  slurm_schedulers: [{ name: 'short', account: 'a', nodes: 2, walltime: '01:00:00' }],
  slurm_defaults: { qos: 'high', 'mail-type': 'END' },
  resource_monitor: { enabled: true, sample_interval_seconds: 2 },
  compute_node_wait_for_new_jobs_seconds: 30,
  resource_requirements: [{ name: 'small', num_cpus: 2, memory: '1.5GiB', runtime: 'PT30M', custom: { licences: 1 } }],
  files: [
    { name: 'raw', path: 'raw.dat' },
    { name: 'part_{i}', path: 'parts/{i:02d}.dat', parameters: { i: '1:3' } },
  ],
  user_data: [{ name: 'settings', data: { depth: 2, names: ['a', 'b'] }, is_ephemeral: true }],
  actions: [
    { trigger_type: 'on_jobs_complete', action_type: 'run_commands', jobs: ['first'], commands: ['echo done'] },
    { trigger_type: 'on_workflow_start', action_type: 'schedule_nodes', scheduler: 'short', num_allocations: 2 },
  ],
  tasks: [
    {
      name: 'first', command: ['./prepare', '--level', '1'], inputs: 'raw.dat',
      resource_requirements: 'small', retry_on: { timeout: 2 }, backoff: { initial: '5s', jitter: 0 },
      exit_codes: [{ codes: [137], retries: 3 }, { codes: 'any', retries: 1, recovery: './fix.sh' }],
    },
    {
      name: 'part_{i}_{k}', parameters: { i: '1:3' }, use_parameters: ['k'],
      command: 'work \${files.input.raw} {i} {k}', depends_on: ['first'], outputs: ['out/{i}_{k}'],
      category: 'heavy', features: ['avx'], timeout: '1:30:00', scheduler: 'short', stage: 1,
    },
    {
      name: 'last', command: "end '\${user_data.input.settings}'", depends_on_regexes: ['^part_'],
      failure_handler: 'again', stage: 2, cpus: .5, env: { MODE: 'slow' }, idempotent: true,
    },
  ],
}
`;

const KDL = String.raw`
// the same
name "all"
description "one of everything"
cwd "/data"
env LEVEL=1.50 MODE="fast"
parameters { k "x" 2.50 }
priority 3
max_failures 10
on_failure "continue"
age "1h"
job_sort_method "none"
category "heavy" max_concurrent=4 { speculate 2; fast_abort #null }
failure_handler "again" {
  rule { exit_codes 10 11; max_retries 2; recovery_script "./fix.sh" }
  rule { match_all_exit_codes #true; max_retries 1 }
}
slurm_scheduler "short" { account "a"; nodes 2; walltime "01:00:00" }
slurm_defaults { qos "high"; mail-type "END" }
resource_monitor { enabled #true; sample_interval_seconds 2 }
compute_node_wait_for_new_jobs_seconds 30
resource_requirements "small" { num_cpus 2; memory "1.5GiB"; runtime "PT30M"; custom licences=1 }
file "raw" path="raw.dat"
file "part_{i}" { path "parts/{i:02d}.dat"; parameters { i "1:3" } }
user_data "settings" { data "{\"depth\": 2, \"names\": [\"a\", \"b\"]}"; is_ephemeral #true }
action { trigger_type "on_jobs_complete"; action_type "run_commands"; job "first"; command "echo done" }
action {
  trigger_type "on_workflow_start"
  action_type "schedule_nodes"
  scheduler "short"
  num_allocations 2
}
task "first" {
  command "./prepare" "--level" "1"
  input "raw.dat"
  resource_requirements "small"
  retry_on timeout=2
  backoff initial="5s" jitter=0
  exit_codes 137 retries=3
  exit_codes "any" retries=1 recovery="./fix.sh"
}
task "part_{i}_{k}" {
  parameters { i "1:3" }
  use_parameters "k"
  command "work ${"$"}{files.input.raw} {i} {k}"
  depends_on_job "first"
  output "out/{i}_{k}"
  category "heavy"
  features "avx"
  timeout "1:30:00"
  scheduler "short"
  stage 1
}
task "last" {
  command "end '${"$"}{user_data.input.settings}'"
  depends_on_regexes "^part_"
  failure_handler "again"
  stage 2
  cpus 0.5
  env MODE="slow"
  idempotent #true
}
`;

const asVersion1 = KDL.replaceAll(/#(?=true|null)/g, "")
  // children on one line need an end of their own there
  .replaceAll(/(?<=[^;{\s])(?= \})/g, ";");

const asJson = (): string =>
  JSON.stringify(Bun.JSON5.parse(JSON5)).replaceAll(/\b(1\.5|2\.5)(?=[,\]}])/g, "$10");

describe("one workflow", () => {
  const expected = meaning(YAML, "w.yaml");
  test("says what its keys say", () => {
    expect(expected).toMatchObject({
      name: "all",
      taskCount: 8,
      about: { description: "one of everything" },
      slurmDefaults: { qos: "high", "mail-type": "END" },
      nodes: { waitForNewTasksSeconds: 30 },
      monitor: { enabled: true, granularity: "summary", sampleIntervalSeconds: 2, plots: false },
      userData: [{ name: "settings", data: { depth: 2, names: ["a", "b"] }, ephemeral: true }],
      actions: [
        {
          trigger: "on_jobs_complete",
          tasks: [[0, 1]],
          what: { kind: "run_commands", commands: ["echo done"] },
          persistent: false,
        },
        {
          trigger: "on_workflow_start",
          what: { kind: "schedule_nodes", scheduler: "short", allocations: 2 },
        },
      ],
    });
    expect(edgesOf(load(YAML))).toHaveLength(12);
  });
  test.each([
    ["w.json", asJson()],
    ["w.json5", JSON5],
    ["w.kdl", KDL],
    ["version1.kdl", asVersion1],
    ["by-content", YAML],
    ["by-content", asJson()],
    ["by-content", JSON5],
    ["by-content", KDL],
  ])("is the same in %s", (file, text) => {
    expect(meaning(text, file)).toEqual(expected);
  });
});

test("the format is told by the name, else by the content", () => {
  expect(
    ["a.yaml", "a.YML", "a.json", "a.json5", "b/a.kdl"].map((file) => formatOf(file, "")),
  ).toEqual(["yaml", "yaml", "json", "json5", "kdl"]);
  expect(
    [
      "name: x",
      "# c\nname: x",
      "---\na: 1",
      '{"a": 1}',
      "{a: 1}",
      "// c\n{a: 1}",
      'name "x"',
      "// c\nname x",
      "/- a\nb 1",
      "hello",
    ].map((text) => formatOf("a", text)),
  ).toEqual(["yaml", "yaml", "yaml", "json", "json5", "json5", "kdl", "kdl", "kdl", "yaml"]);
});

describe("mistakes of JSON", () => {
  const json = (text: string, file = "w.json"): string[] => mistakesOf(text, "none", file);
  test.each([
    [
      '{"name": "w", "tasks": [{"name": "a", "comand": "e"}]}',
      "1:39 a task has no key 'comand' [did you mean 'command'?]",
    ],
    [
      '{\n  "name": 7,\n  "tasks": [{"name": "a", "command": "e"}]}',
      `2:11 'name' must be text, not the number 7 [quote it: "name": "7"]`,
    ],
    [
      '{\n  "tasks": [{"name": "a", "command": "e"}]}',
      '1:1 the workflow has no name [add `"name"` at the top, or give --name]',
    ],
    [
      '{"name": "w", "tasks": [{"name": "a", "command": {"x": 1}}]}',
      "1:50 'command' must be text, not a mapping [write text]",
    ],
    [
      '{"name": "w",\n "name": "v", "tasks": []}',
      "2:2 the key 'name' is there twice [keep one of them]",
    ],
    ['{"name": "w", }', "1:13 a comma stands before the closing bracket"],
    ['{"name": "w" "tasks": []}', "1:14 a comma or '}' should stand here"],
    ['{"name": "w"', "1:1 '{' is opened and never closed"],
    ['{"name": "w', "1:10 a quote is opened and never closed"],
    ["{name: 1}", "1:2 the key name has no quotes"],
    ["{'name': 1}", "1:2 ''' stands where a key should"],
    ["{\"name\": 'w'}", '1:10 JSON quotes texts with "'],
    ['{"name": w}', "1:10 'w' is a text without quotes [quote it: \"w\"]"],
    ['{"name": 012}', "1:10 '012' starts with 0, which is no number"],
    ['{"name": "w"} x', "1:15 something follows the end of the document"],
    ['{"name": // x\n "w"}', "1:10 JSON has no comments"],
    ['{"name": "a\\qb"}', "1:12 '\\q' means nothing here"],
    ['{"name": "a\tb"}', "1:12 a control character stands in a text"],
    ["", "1:1 the file is empty"],
    ["[]", "1:1 a workflow is a mapping of keys, and this document is a list"],
  ])("%j", (text, message) => {
    expect(json(text)[0]).toStartWith(message);
  });
  test("of JSON5", () => {
    expect(json("{name: w}", "w.json5")[0]).toStartWith("1:8 'w' is a text without quotes");
    expect(json("{na-me: 1}", "w.json5")[0]).toStartWith("1:2 the key na-me needs quotes");
    expect(json("{/* x", "w.json5")[0]).toStartWith("1:2 a comment is opened and never closed");
    expect(json("{name: 'w', tasks: [{name: 'a', comand: 'e'}]}", "w.json5")[0]).toStartWith(
      "1:33 a task has no key 'comand'",
    );
  });
  test("nested without end", () => {
    for (const open of ["[", '{"a":', '[{"b":'].map((text) => text.repeat(200_000)))
      expect(json(open)[0]).toContain("nested too deeply");
  });
  test("all of them at once, those of keys as well", () => {
    expect(json('{"name": "w", "name": 5, "tsks": [], "tasks": [{"name": "a"}]}')).toEqual([
      "1:15 the key 'name' is there twice [keep one of them]",
      `1:23 'name' must be text, not the number 5 [quote it: "name": "5"]`,
      "1:26 a workflow has no key 'tsks' [did you mean 'tasks'?]",
      `1:48 the task 'a' has no command [add \`"command"\`, a text or a list of words]`,
    ]);
  });
});

describe("mistakes of KDL", () => {
  const kdl = (text: string): string[] => mistakesOf(text, "none", "w.kdl");
  test.each([
    [
      'name "w"\ntask "a" { comand "e" }',
      "2:12 a task has no node 'comand' [did you mean 'command'?]",
    ],
    ['name "w"\ntsk "a" { command "e" }', "2:1 a workflow has no node 'tsk'"],
    [
      'name 7\ntask "a" { command "e" }',
      "1:6 'name' must be text, not the number 7 [quote it: name \"7\"]",
    ],
    ['name "w"\nname "v"\ntask "a" { command "e" }', "2:1 'name' is there twice"],
    ['name "w"\ntask "a" "b" { command "e" }', "2:10 'task' has an argument too many"],
    [
      'name "w"\ntask "a" { command "e"; retries "x" }',
      "2:33 'retries' must be a whole number of 0 or more, not 'x'",
    ],
    ['name "w"\ntask "a" { command "e"; depends_on "b" "c" }', "2:36 no task is called 'b'"],
    ['name "w"\ntask "a" command="e" memory=#true', "2:29 'memory' must be an amount"],
    ['name "w"\ntask "a" { command "e" \n', "3:1 this is not KDL"],
    ['name "w\n', "1:6 a quote is opened and never closed"],
    [
      'name "w"\ntask "a" { command "e"; idempotent true }\ntask "b" { command #true }',
      "2:40 this is not KDL: invalid keyword",
    ],
    [
      'name "w"\nuser_data "d" { data "{x" }\ntask "a" { command "e" }',
      "2:22 the text of 'data' is not JSON",
    ],
    ["// nothing\n", "1:1 the file holds no node"],
    ["a {\n".repeat(50_000), "1:1 nodes are nested too deeply"],
  ])("%j", (text, message) => {
    expect(kdl(text)[0]).toStartWith(message);
  });
});
