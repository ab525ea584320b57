import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { HoldallError } from "../core/error.ts";
import { buildWorkflow } from "./build.ts";
import type { SpecDocument } from "./document.ts";
import { parseLargeYaml } from "./yaml-large.ts";
import { parseYaml } from "./yaml.ts";

const BASE = `name: compress
categories:
  compress_{i:03d}: {allocation: max, fast_abort: 3, speculate: null}
failure_handlers:
  - name: h
    rules: [{exit_codes: [1], recovery_script: fix}]
env: {LEVEL: 1.50}
resource_requirements:
  - {name: small, num_cpus: 1, memory: 1g, runtime: PT5M}
tasks:
  - name: build
    command: cmake -S \${spec_dir}/k -B build && cmake --build build
    outputs: [build/task]
  - name: compress_{i:03d}
    parameters: {i: "0:23"}
    command: [build/task, --seed, "{i}", --out, "out/{i:03d}.zfp"]
    inputs: [build/task]
    outputs: ["out/{i:03d}.zfp"]
    resource_requirements: small
    retry_on: {timeout: 2, worker_lost: 9}
    backoff: {initial: 1s, max: 1m}
    exit_codes:
      - codes: any
        retries: 1
  - name: check_{k}
    parameters:
      k: 0:23
    command: |
      test -s out/{k:03d}.zfp
    inputs: ["out/{k:03d}.zfp"]
  - name: summarize
    command: ./summarize
    failure_handler: h
    features: [avx]
    depends_on: compress_{i:03d}
    on_upstream_failure: run
slurm_schedulers:
  - name: s
    nodes: 2
`;

const bit = fc.constantFrom(
  ..."{,},[,],: ,- ,  ,*a,&a ,',\",#,>,!x ,null,~,-1,1:0,{i},{{i}},{j:03d},<<: ,? ,%,@,`,0x,é,\u2028,true,1e999,99999999999999999999,${spec_dir}".split(
    ",",
  ),
  ...[
    "\n",
    "\t",
    "|\n",
    ",",
    "---\n",
    "name: a\n",
    "retries: ",
    "depends_on: build\n",
    "__proto__: x\n",
    "constructor: y\n",
    "parameters: {i: '1:3'}\n",
  ],
);
const edit = fc.record({
  at: fc.nat({ max: BASE.length }),
  cut: fc.oneof(fc.constant(0), fc.nat({ max: 30 })),
  put: fc.oneof(fc.constant(""), bit),
});

/** The workflow as JSON, or its mistakes; anything else that is thrown is a failure. */
function outcome(read: (file: string, text: string) => SpecDocument, text: string): string {
  try {
    return JSON.stringify(
      buildWorkflow(read("w.yaml", text), { source: "/s/w.yaml", cwd: "/c" }).definition,
    );
  } catch (error) {
    if (!(error instanceof HoldallError) || error.code !== "spec") throw error;
    for (const { place, fix } of [error]) {
      expect(place?.line).toBeGreaterThan(0);
      expect(place?.column).toBeGreaterThan(0);
      expect(fix).toBeTruthy();
    }
    return "mistakes";
  }
}

test("changed documents are read or refused, never a crash, and both readers agree", () => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = BASE;
      for (const { at, cut, put } of edits) text = text.slice(0, at) + put + text.slice(at + cut);
      const whole = outcome(parseYaml, text);
      if (whole !== "mistakes") accepted += 1;
      // a large document may not use what crosses its pieces: anchors, `---`, a list or mapping at the top
      const pieces = outcome(parseLargeYaml, text);
      if (pieces !== "mistakes") expect(pieces).toBe(whole);
    }),
    { numRuns: 1500, seed: 3 },
  );
  expect(accepted).toBeGreaterThan(100);
}, 30_000);
