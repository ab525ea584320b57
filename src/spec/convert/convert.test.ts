import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../test/support/scratch.ts";
import { type Path, type SpecMap } from "../document.ts";
import { loadSpec, parseDocument } from "../load.ts";
import { CWD, meaning } from "../testing.ts";
import { convertSpec, type Spelling, SPELLINGS } from "./convert.ts";
import { findComments } from "./find-comments.ts";
import { NO_NOTES } from "./notes.ts";
import { writeJson } from "./write-json.ts";
import { writeKdl } from "./write-kdl.ts";
import { writeYaml } from "./write-yaml.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const convert = (text: string, from: string, to: Spelling): string =>
  convertSpec(`w.${from}`, bytesOf(text), to, CWD).text;
const commentsOf = (text: string, format: Spelling): string[] =>
  findComments(text, format).comments.flatMap(({ lines }) => lines);

const examples = [...new Bun.Glob("examples/*/*.{yaml,json,json5,kdl}").scanSync(root)].toSorted();

describe.each(examples)("%s", (file) => {
  const text = readFileSync(join(root, file), "utf8");
  const from = file.split(".").at(-1) as Spelling;
  test.each(SPELLINGS)("says the same as %s, and the same comments", (to) => {
    const { text: written, lost } = convertSpec(file, bytesOf(text), to, CWD);
    expect(meaning(written, join(file, "..", `x.${to}`))).toEqual(meaning(text, file));
    if (to !== "json") expect(commentsOf(written, to)).toEqual(commentsOf(text, from));
    expect(lost.length > 0).toBe(to === "json" && commentsOf(text, from).length > 0);
    // and back again
    const again = convertSpec(join(file, "..", `x.${to}`), bytesOf(written), from, CWD).text;
    expect(meaning(again, file)).toEqual(meaning(text, file));
  });
});

const makeflows = [...new Bun.Glob("examples/makeflow/*").scanSync(root)].toSorted();

test.each(makeflows)("%s becomes a document of our own", (file) => {
  const bytes = readFileSync(join(root, file));
  for (const to of SPELLINGS) {
    const { text, lost } = convertSpec(file, bytes, to, root);
    const load = (name: string, of: Uint8Array): object => {
      const read = (at: string): Uint8Array => (at === join(root, name) ? of : readFileSync(at));
      return { ...loadSpec(name, { cwd: root, read }), source: null };
    };
    const beside = join(file, "..", `x.${to}`);
    expect(load(beside, bytesOf(text))).toEqual(load(file, bytes));
    expect(lost).toEqual(["comments are left out, and variables have their values"]);
  }
});

const YAML = `# yaml-language-server: $schema=holdall.schema.json
# About all of it.
name: w # its name

env: { FLAG: True, HEX: 0x1F, HALF: 0.50, NO: "no" }
tasks:
  # before the first
  - name: a # beside the name
    # before the command
    command: | # several lines
      echo '# none'
      echo "two"
    inputs:
      - one # behind an item
      # before an item
      - two
    idempotent: True
# before the second
  - name: b
    command: [echo, 1.50, yes, "\\ttab"]
    depends_on: a
# the end
`;

const NOTED = {
  json5: '        "one", // behind an item\n        // before an item\n        "two",\n',
  kdl: '  // behind an item\n  // before an item\n  inputs "one" "two"\n',
};

test.each(["json5", "kdl"] as const)("comments stay with what they are about: %s", (to) => {
  const written = convert(YAML, "yaml", to);
  expect(written).toContain(NOTED[to]);
  expect(meaning(written, `w.${to}`)).toEqual(meaning(YAML, "w.yaml"));
  const back = convert(written, to, "yaml");
  expect(new Set(commentsOf(back, "yaml"))).toEqual(new Set(commentsOf(YAML, "yaml")));
  const order = ["About", "its name", "before the first", "before the second", "the end"];
  const places = order.map((text) => back.indexOf(text));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

/** Most keys there are, with a comment at every second line. */
const EVERYTHING = `
name: all
description: one of everything
cwd: /data # remark 4
env: { LEVEL: 1.50, MODE: fast }
parameters: { k: [x, 2.50] } # remark 6
priority: 3
max_failures: 10 # remark 8
on_failure: continue
age: 1h # remark 10
job_sort_method: none
categories: # remark 12
  heavy: { max_concurrent: 4, speculate: 2, fast_abort: null }
failure_handlers: # remark 14
  - name: again
    rules: # remark 16
      - { exit_codes: [10, 11], max_retries: 2, recovery_script: ./fix.sh }
      - { match_all_exit_codes: true, max_retries: 1 }
slurm_schedulers:
  - { name: short, account: a, nodes: 2, walltime: "01:00:00" }
slurm_defaults: { qos: high, mail-type: END }
resource_monitor: { enabled: true, sample_interval_seconds: 2 } # remark 22
compute_node_wait_for_new_jobs_seconds: 30
resource_requirements: # remark 24
  - { name: small, num_cpus: 2, memory: 1.5GiB, runtime: PT30M, custom: { licences: 1 } }
files: # remark 26
  - { name: raw, path: raw.dat }
  - { name: "part_{i}", path: "parts/{i:02d}.dat", parameters: { i: "1:3" } }
user_data:
  - name: settings # remark 30
    data: { depth: 2, names: [a, b] }
    is_ephemeral: true # remark 32
actions:
  - { trigger_type: on_jobs_complete, action_type: run_commands, jobs: [first], commands: [echo done] }
  - { trigger_type: on_workflow_start, action_type: schedule_nodes, scheduler: short, num_allocations: 2 }
tasks: # remark 36
  - name: first
    command: [./prepare, --level, "1"] # remark 38
    inputs: raw.dat
    resource_requirements: small # remark 40
    retry_on: { timeout: 2 }
    backoff: { initial: 5s, jitter: 0 } # remark 42
    exit_codes:
      - { codes: [137], retries: 3 }
      - { codes: any, retries: 1, recovery: ./fix.sh }
  - name: "part_{i}_{k}" # remark 46
    parameters: { i: "1:3" }
    use_parameters: [k] # remark 48
    command: "work \${files.input.raw} {i} {k}"
    depends_on: [first] # remark 50
    outputs: ["out/{i}_{k}"]
    category: heavy # remark 52
    features: [avx]
    timeout: 1:30:00 # remark 54
    scheduler: short
    stage: 1 # remark 56
  - name: last
    command: "end '\${user_data.input.settings}'" # remark 58
    depends_on_regexes: [^part_]
    failure_handler: again # remark 60
    stage: 2
    cpus: 0.5 # remark 62
    env: { MODE: slow }
    idempotent: true # remark 64
`;

test.each(["json", "json5", "kdl"] as const)("every kind of key there and back: %s", (to) => {
  const written = convert(EVERYTHING, "yaml", to);
  expect(meaning(written, `w.${to}`)).toEqual(meaning(EVERYTHING, "w.yaml"));
  const back = convert(written, to, "yaml");
  expect(meaning(back, "w.yaml")).toEqual(meaning(EVERYTHING, "w.yaml"));
  const remarks = commentsOf(EVERYTHING, "yaml").toSorted();
  expect(remarks.length).toBeGreaterThan(10);
  if (to !== "json") expect(commentsOf(back, "yaml").toSorted()).toEqual(remarks);
});

test("the schema is a comment in YAML and a key in JSON", () => {
  const json = convert(YAML, "yaml", "json");
  expect(JSON.parse(json)["$schema"]).toBe("holdall.schema.json");
  expect(convert(json, "json", "yaml")).toStartWith(
    "# yaml-language-server: $schema=holdall.schema.json\nname: w\n",
  );
});

test("what cannot be said is told", () => {
  const lost = (text: string, from: string, to: Spelling): string[] =>
    convertSpec(`w.${from}`, bytesOf(text), to, CWD).lost;
  expect(lost(YAML, "yaml", "json")).toEqual(["10 lines of comments: JSON has none"]);
  const anchors = "name: w\ntasks:\n  - &a { name: a, command: x }\n  - { <<: *a, name: b }\n";
  expect(lost(anchors, "yaml", "kdl")).toEqual(["anchors and aliases are written out"]);
  const dash = 'name "w"\n/- task "gone" { command "x" }\ntask "a" { command "x" }\n';
  expect(lost(dash, "kdl", "yaml")).toEqual(["what /- takes out is left out"]);
  expect(() => convert("name: w\ntasks: [{ nam: a, command: x }]\n", "yaml", "json")).toThrow(
    "no key 'nam'",
  );
});

test("no comment is looked for inside a text", () => {
  const kdl =
    'name "// no" // one\na r#"/* no"# #"// " no"# /* two /* inner */ */\nb """\n // no\n """ // three';
  expect(commentsOf(kdl, "kdl")).toEqual(["one", "two /* inner */", "three"]);
  expect(commentsOf("{a: '// no', b: \"/* no\" /* one\n * two */} // three", "json5")).toEqual([
    ...["one", "two", "three"],
  ]);
  expect(commentsOf("a: 'x # no' # one\nb: |\n  # no\nc: d#no\n", "yaml")).toEqual(["one"]);
});

const nasty = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc
    .array(
      fc.constantFrom(...Array.from("\n\n \t\"'\\#:-,{}[]&*!|>%@`~/;=\r\u0085\u2028\ufeffano0.1")),
      {
        maxLength: 14,
      },
    )
    .map((parts) => parts.join("")),
  fc.constantFrom(
    "no",
    "~",
    "null",
    "True",
    "0x1F",
    "1e3",
    ".inf",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
  ),
);

test("any text comes back from every spelling as it was", () => {
  fc.assert(
    fc.property(fc.array(nasty, { minLength: 1, maxLength: 4 }), nasty, (texts, key) => {
      // what no document can hold
      const clean = (text: string): string =>
        text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/gu, "_"); // eslint-disable-line no-control-regex
      const value = {
        name: "w",
        tasks: [{ name: "a", command: texts.map((text) => clean(text)) }],
        user_data: [{ name: "d", data: { [clean(key)]: texts.map((text) => clean(text)) } }],
      } as unknown as SpecMap;
      const written: Record<Spelling, string> = {
        yaml: writeYaml(value, NO_NOTES),
        json: writeJson(value, NO_NOTES, false),
        json5: writeJson(value, NO_NOTES, true),
        kdl: writeKdl(value, NO_NOTES),
      };
      for (const spelling of SPELLINGS) {
        const read = parseDocument(`w.${spelling}`, bytesOf(written[spelling])).value as SpecMap;
        const at = (path: Path): unknown => path.reduce((v, k) => (v as never)[k], read as unknown);
        expect(at(["tasks", 0, "command"])).toEqual((value["tasks"] as never)[0]["command"]);
        expect(at(["user_data", 0, "data"])).toEqual((value["user_data"] as never)[0]["data"]);
      }
    }),
    { numRuns: 300, examples: [[["\n \\", ".0"], "no"]] },
  );
});
