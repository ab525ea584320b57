// `plan` and `validate`: what a document means, and what is wrong with it, without starting anything.

import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, spec } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

setDefaultTimeout(60_000);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const TASKS = [
  { name: "build", command: "make", outputs: ["app"], runtime: "1m" },
  {
    name: "run_{i:02d}",
    command: "./app --seed {i} > out{i}",
    parameters: { i: "0:2" },
    inputs: ["app"],
    outputs: ["out{i}"],
    runtime: "10m",
    cpus: 2,
    memory: "1g",
  },
  { name: "sum", command: ["cat", "a b"], depends_on: ["run_{i:02d}"], runtime: "30s" },
];

interface PlannedTask {
  name: string;
  command: string;
  depends_on: string[];
  inputs: string[];
  outputs: string[];
  resources: object;
}

interface Planned {
  tasks: PlannedTask[];
  stages: string[][];
}

const planJson = async (...args: string[]): Promise<Planned> => {
  const { code, stdout, stderr } = await run(cwd, ["plan", ...args, "--json"]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Planned;
};

test("plan --json: every task with what it waits for, and the stages", async () => {
  const plan = await planJson(spec(cwd, { name: "w", tasks: TASKS }));
  expect(Object.keys(plan)).toEqual(["tasks", "stages"]);
  expect(plan.stages).toEqual([["build"], ["run_00", "run_01", "run_02"], ["sum"]]);
  expect(plan.tasks[2]).toEqual({
    name: "run_01",
    command: "./app --seed 1 > out1",
    depends_on: ["build"],
    inputs: ["app"],
    outputs: ["out1"],
    resources: {
      cpus: 2,
      memory_bytes: 2 ** 30,
      disk_bytes: 0,
      gpus: 0,
      nodes: 1,
      runtime_seconds: 600,
    },
  });
  expect(plan.tasks[4]).toMatchObject({
    command: "cat 'a b'",
    depends_on: ["run_00", "run_01", "run_02"],
  });
  expect(existsSync(join(cwd, ".holdall"))).toBe(false);
});

test("plan for people: stages, the longest path, what it needs, how long on these workers", async () => {
  const document = spec(cwd, { name: "w", tasks: TASKS });
  const { code, stdout } = await run(cwd, ["plan", document, "--workers", "1", "--cpus", "4"]);
  expect(code).toBe(0);
  expect(stdout).toContain("w: 5 tasks in 3 stages");
  expect(stdout).toMatch(/2 +3 +run_\{i:02d\} \(3\)/);
  expect(stdout).toMatch(/longest path +3 tasks, .*: build → run_0\d → sum/);
  expect(stdout).toMatch(/time on 1 worker of 4 cpus +about 21:30|about 21m ?30s/);
  const small = await run(cwd, ["plan", document, "--cpus", "1"]);
  expect(small.stdout).toContain("never: a task asks for more");
});

test("plan: run times that nobody stated are not invented", async () => {
  const document = spec(cwd, { name: "w", tasks: [{ name: "a", command: "true" }] });
  expect((await run(cwd, ["plan", document])).stdout).toContain(
    "unknown: 1 task without a runtime",
  );
  expect((await run(cwd, ["plan", document, "--assume", "1h"])).stdout).toContain("about 1");
});

test("plan --json writes out no millions unless asked how many", async () => {
  const document = spec(cwd, {
    name: "w",
    tasks: [{ name: "t_{i}", command: "true", parameters: { i: "0:1999999" } }],
  });
  const refused = await run(cwd, ["plan", document, "--json"]);
  expect(refused.code).toBe(2);
  expect(JSON.parse(refused.stdout).error.fix).toContain("--limit");
  expect((await planJson(document, "--limit", "3")).tasks.map(({ name }) => name)).toEqual([
    "t_0",
    "t_1",
    "t_2",
  ]);
  expect((await run(cwd, ["plan", document])).stdout).toContain("2,000,000 tasks in 1 stage");
});

test("validate: all mistakes at their places, for people and for editors; input files too unless told not to", async () => {
  writeFileSync(
    join(cwd, "w.yaml"),
    "name: w\ntasks:\n  - name: a\n    command: true\n    retrys: 3\n  - name: b\n    command: x\n    depnds_on: a\n",
  );
  const wrong = await run(cwd, ["validate", "w.yaml", "--json"]);
  expect(wrong.code).toBe(2);
  const report = JSON.parse(wrong.stdout);
  expect(report.valid).toBe(false);
  expect(report.errors).toHaveLength(2);
  expect(report.errors[0]).toMatchObject({ file: "w.yaml", line: 5, column: 5 });
  const told = await run(cwd, ["validate", "w.yaml"]);
  expect(told.code).toBe(2);
  expect(told.stderr).toContain("w.yaml:5:5");
  writeFileSync(
    join(cwd, "v.yaml"),
    "name: v\ntasks:\n  - name: a\n    command: cat gone\n    inputs: [gone]\n",
  );
  expect((await run(cwd, ["validate", "v.yaml"])).code).toBe(2);
  const fine = await run(cwd, ["validate", "v.yaml", "--no-inputs", "--json"]);
  expect(fine.code).toBe(0);
  expect(JSON.parse(fine.stdout)).toMatchObject({ valid: true, tasks: 1, errors: [] });
  expect((await run(cwd, ["validate", "none.yaml"])).code).toBe(3);
});
