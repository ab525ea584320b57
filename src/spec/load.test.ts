import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { HoldallError } from "../core/error.ts";
import { renderTemplate } from "../core/template.ts";
import type { ArrayBlock, ExplicitBlock, TaskBody } from "../core/workflow.ts";
import { checkInputs } from "./check-inputs.ts";
import { loadSpec } from "./load.ts";
import { CWD, load, tasks } from "./testing.ts";

function bodies(text: string): readonly TaskBody[] {
  return load(text).blocks.flatMap((block) =>
    block.kind === "explicit" ? (block.bodies ?? []) : [block.body],
  );
}

function array(text: string): ArrayBlock {
  const block = load(text).blocks.find((each) => each.kind === "array");
  if (block?.kind !== "array") throw new Error("no array");
  return block;
}

describe("tasks", () => {
  test("a whole workflow", () => {
    const w = load(`
name: compress
env: {LEVEL: 1.50}
resource_requirements:
  - {name: small, num_cpus: 2, memory: 1g, num_gpus: 1, disk: 10 GB, runtime: PT5M, num_nodes: 1}
tasks:
  - name: build
    command: cmake -S \${spec_dir}/k && make
    outputs: build/task
  - name: compress_{i:03d}
    parameters: {i: "0:23"}
    command: [build/task, --seed, "{i}", 2.50, 007, true]
    inputs: [build/task]
    outputs: ["out/{i:03d}.zfp"]
    resource_requirements: small
    env: {SEED: "{i}"}
  - name: check_{k}
    parameters: {k: "0:23"}
    command: test -s out/{k:03d}.zfp
    inputs: ./out//{k:03d}.zfp
  - name: summarize
    command: ./summarize
    depends_on: compress_{i:03d}
    on_upstream_failure: run
`);
    expect(w).toMatchObject({
      name: "compress",
      source: `${CWD}/w.yaml`,
      specDir: CWD,
      cwd: CWD,
      taskCount: 50,
      sortMethod: "auto",
      edges: [],
    });
    expect(w.runs).toEqual([{ upstream: 1, dependent: 25, count: 24 }]);
    expect(w.sets).toEqual([
      { members: [[0, 1]], dependents: [[1, 24]] },
      { members: [[1, 24]], dependents: [[49, 1]] },
    ]);
    const [build, compress, , summarize] = w.blocks as [
      ExplicitBlock,
      ArrayBlock,
      ArrayBlock,
      ExplicitBlock,
    ];
    expect(build.bodies?.[0]).toEqual({
      name: "build",
      command: { kind: "auto", text: `cmake -S ${CWD}/k && make` },
      outputs: ["build/task"],
      env: { LEVEL: "1.50" },
    });
    expect(compress).toMatchObject({
      first: 1,
      count: 24,
      title: "compress_{i:03d}",
      category: "compress_{i:03d}",
    });
    expect(compress.requirement).toEqual({
      cpus: 2,
      memoryBytes: 1024 ** 3,
      gpus: 1,
      diskBytes: 1e10,
      runtimeSeconds: 300,
      nodes: 1,
    });
    expect(compress.body.env).toEqual({ LEVEL: "1.50", SEED: [{ p: 0 }] });
    const { command } = compress.body;
    expect(
      command.kind === "argv" &&
        command.argv.map((word) => renderTemplate(word, compress.parameters, 7)),
    ).toEqual(["build/task", "--seed", "7", "2.50", "007", "true"]);
    expect(summarize.onUpstreamFailure).toBe("run");
  });
  test("consecutive tasks of one policy are one block", () => {
    const w = load(
      tasks(
        "  - {name: a, command: e}",
        "  - {name: b, command: e}",
        "  - {name: c, command: e, retries: 1}",
        "  - {name: d, command: e, retries: 1}",
        "  - {name: f, command: e}",
      ),
    );
    expect(w.blocks.map(({ first, count, retries }) => [first, count, retries])).toEqual([
      [0, 2, 0],
      [2, 2, 1],
      [4, 1, 0],
    ]);
  });
  test("policies and Torc's names for them", () => {
    const text = `name: w
slurm_schedulers: [{name: gpu, account: a, nodes: 2}]
jobs_sort_method: none
jobs:
  - name: a
    command: x | y
    max_retries: 3
    cancel_on_blocking_job_failure: false
    slurm_scheduler: gpu
    timeout: 1h30m
    priority: -2
    cwd: sub
    category: c
    cpus: 2
    memory: 1.5GiB
`;
    const w = load(text);
    expect(w.blocks[0]).toMatchObject({
      retries: 2,
      onUpstreamFailure: "run",
      scheduler: "gpu",
      timeoutSeconds: 5400,
      priority: -2,
      cwd: `${CWD}/sub`,
      category: "c",
    });
    expect(w.blocks[0]?.requirement).toMatchObject({ cpus: 2, memoryBytes: 1.5 * 1024 ** 3 });
    expect(w).toMatchObject({
      sortMethod: "none",
      schedulers: [{ name: "gpu", fields: { account: "a", nodes: 2 } }],
    });
    expect(bodies(text)[0]?.command).toEqual({ kind: "shell", shell: "bash", text: "x | y" });
  });
  test("shells", () => {
    expect(
      bodies(
        tasks(
          "  - {name: a, command: x, shell: none}",
          "  - {name: b, command: x, shell: sh}",
          "  - {name: c, command: true}",
        ),
      ).map(({ command }) => command),
    ).toEqual([
      { kind: "words", text: "x" },
      { kind: "shell", shell: "sh", text: "x" },
      { kind: "auto", text: "true" },
    ]);
  });
  test("parameters: shared, zipped, listed as written", () => {
    const shared = `parameters: {i: '1:3', j: [2.50, no]}\n`;
    expect(
      array(shared + tasks("  - {name: 'a_{i}_{j}', command: e, use_parameters: [i, j]}")),
    ).toMatchObject({
      count: 6,
      parameters: {
        names: ["i", "j"],
        values: [{ from: 1, step: 1, count: 3, decimals: 0 }, ["2.50", "no"]],
        mode: "product",
      },
    });
    expect(
      array(
        tasks(
          "  - {name: 'a_{i}', command: e, parameters: {i: '1:2', j: [x, y]}, parameter_mode: zip}",
        ),
      ).count,
    ).toBe(2);
  });
  test("the folder of the document is one word in a command", () => {
    const one = (command: string): unknown => {
      const text = tasks(`  - {name: a, command: '${command}', outputs: '\${spec_dir}/o'}`);
      const w = loadSpec("/a b/w.yaml", { cwd: CWD, read: () => new TextEncoder().encode(text) });
      const [block] = w.blocks;
      return block?.kind === "explicit"
        ? [block.bodies?.[0]?.command, block.bodies?.[0]?.outputs]
        : null;
    };
    expect(one('x ${spec_dir}/y "${spec_dir}"')).toEqual([
      { kind: "auto", text: String.raw`x /a\ b/y "/a b"` },
      ["/a b/o"],
    ]);
  });
  test("--name and --cwd win over the document", () => {
    const read = (): Uint8Array =>
      new TextEncoder().encode(`cwd: sub\n${tasks("  - {name: a, command: e}")}`);
    expect(loadSpec("w.yaml", { cwd: CWD, read })).toMatchObject({ name: "w", cwd: `${CWD}/sub` });
    expect(loadSpec("w.yaml", { cwd: CWD, read, name: "v", cwdOverride: "/x" })).toMatchObject({
      name: "v",
      cwd: "/x",
    });
  });
  test("anchors and merges", () => {
    const text =
      "name: w\ntasks:\n  - &a {name: a, command: e, retries: 2}\n  - {<<: *a, name: b}\n";
    expect(load(text).blocks).toMatchObject([{ count: 2, retries: 2 }]);
  });
});

describe("edges", () => {
  const arrays = (dependency: string): ReturnType<typeof load> =>
    load(
      tasks(
        "  - {name: 'a_{i}', command: e, parameters: {i: '1:10000'}}",
        `  - {name: 'b_{i}', command: e, parameters: {i: '1:10000'}, depends_on: '${dependency}'}`,
      ),
    );
  test("element-wise between equal arrays, whole arrays as sets", () => {
    expect(arrays("a_{i}").runs).toEqual([{ upstream: 0, dependent: 10_000, count: 10_000 }]);
    expect(arrays("a_{{i}}")).toMatchObject({
      edges: [],
      runs: [],
      sets: [{ members: [[0, 10_000]], dependents: [[10_000, 10_000]] }],
    });
    expect(arrays("a_7").sets).toEqual([{ members: [[6, 1]], dependents: [[10_000, 10_000]] }]);
  });
  test("between arrays of other shapes", () => {
    const w = load(
      tasks(
        "  - {name: 'a_{i}', command: e, parameters: {i: '1:3'}, outputs: 'f{i}'}",
        "  - {name: 'b_{i}_{j}', command: e, parameters: {i: '1:3', j: '1:2'}, inputs: 'f{i}'}",
      ),
    );
    expect(w.sets).toEqual(
      [0, 1, 2].map((i) => ({ members: [[i, 1]], dependents: [[3 + 2 * i, 2]] })),
    );
    const shifted = load(
      tasks(
        "  - {name: 'a_{i}', command: e, parameters: {i: '1:5'}}",
        "  - {name: 'b_{k}', command: e, parameters: {k: '3:5'}, depends_on: 'a_{k}'}",
      ),
    );
    expect(shifted.runs).toEqual([{ upstream: 2, dependent: 5, count: 3 }]);
  });
  test("single makers of some of an array's inputs, without expanding it", () => {
    const w = load(
      tasks(
        "  - {name: a, command: e, outputs: [in_7, other, in_x]}",
        "  - {name: 'b_{i}', command: e, parameters: {i: '1:50000000'}, inputs: ['in_{i}', other]}",
      ),
    );
    expect(w).toMatchObject({
      edges: [0, 7],
      runs: [],
      sets: [{ members: [[0, 1]], dependents: [[1, 50_000_000]] }],
    });
  });
  test("many tasks on one array are one set, and no edge is there twice", () => {
    const w = load(
      tasks(
        "  - {name: 'a_{i}', command: e, parameters: {i: '1:3'}}",
        "  - {name: x, command: e, depends_on: 'a_{i}', outputs: o}",
        "  - {name: y, command: e, depends_on: ['a_{i}', x, x], inputs: o}",
      ),
    );
    expect(w.sets).toEqual([{ members: [[0, 3]], dependents: [[3, 2]] }]);
    expect(w.edges).toEqual([3, 4]);
  });
  test("files meet however they are written", () => {
    const w = load(
      tasks(
        "  - {name: a, command: e, outputs: x/../out/f}",
        `  - {name: b, command: e, inputs: ${CWD}/out/f}`,
        "  - {name: c, command: e, cwd: out, inputs: ./f}",
      ),
    );
    expect(w.edges).toEqual([0, 1, 0, 2]);
  });
});

describe("files", () => {
  test("what is missing, near names, folders", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "holdall-spec-"));
    try {
      writeFileSync(
        path.join(folder, "flow.yaml"),
        tasks("  - {name: a, command: e, inputs: [flow.yaml]}"),
      );
      const fail = (file: string): HoldallError => {
        try {
          loadSpec(file, { cwd: folder });
        } catch (error) {
          if (error instanceof HoldallError) return error;
        }
        throw new Error("loaded");
      };
      checkInputs(loadSpec("flow.yaml", { cwd: folder }));
      expect(fail("flwo.yaml")).toMatchObject({
        code: "not_found",
        exitCode: 3,
        fix: "did you mean flow.yaml?",
      });
      expect(fail("other")).toMatchObject({
        code: "not_found",
        fix: "in that folder there is flow.yaml",
      });
      expect(fail(".")).toMatchObject({ code: "spec", fix: "did you mean flow.yaml?" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test("a million array tasks are accepted at once, a large document is read in pieces", () => {
    const text = tasks("  - {name: 'a_{i}', command: 'e {i}', parameters: {i: '1:1000000'}}");
    load(text);
    const started = performance.now();
    expect(load(text).taskCount).toBe(1_000_000);
    expect(performance.now() - started).toBeLessThan(100);
    const lines = Array.from(
      { length: 20_000 },
      (_, i) =>
        `  - name: t${i}\n    command: ./run --number ${i} --output out/${i}\n    env: {A: 2.50}\n    outputs: [out/${i}]\n    inputs:\n      - in/${i}`,
    );
    const small = load(tasks(...lines.slice(0, 100)));
    const large = load(tasks(...lines));
    const first = (w: typeof small): unknown =>
      w.blocks[0]?.kind === "explicit" ? w.blocks[0].bodies?.slice(0, 100) : null;
    expect(large.taskCount).toBe(20_000);
    expect(first(large)).toEqual(first(small));
  });
});
