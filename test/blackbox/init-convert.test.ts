// `init`, `convert`, `schema`: documents to begin with, in any spelling, and what editors check them with.

import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runReport } from "../support/holdall.ts";
import { schemaMistakes } from "../support/json-schema.ts";
import { root, scratchDir } from "../support/scratch.ts";

setDefaultTimeout(120_000);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const read = (name: string): string => readFileSync(join(cwd, name), "utf8");
const TASKS = { bag: 2, array: 11, dag: 5, slurm: 9 };
const FORMATS = ["yaml", "json", "json5", "kdl"] as const;

test.each(["bag", "array", "dag", "slurm"] as const)(
  "init --kind %s: validates in every spelling and runs",
  async (kind) => {
    for (const format of FORMATS) {
      const made = await run(cwd, ["init", `w_${format}`, "--format", format, "--kind", kind]);
      expect({ code: made.code, stdout: made.stdout }).toEqual({ code: 0, stdout: "" });
      const checked = await run(cwd, ["validate", `w_${format}.${format}`, "--json"]);
      expect(JSON.parse(checked.stdout)).toMatchObject({
        ...{ valid: true, tasks: TASKS[kind], errors: [], warnings: [] },
      });
    }
    const report = await runReport(cwd, ["w_yaml.yaml", "--scheduler", "short", "--cpus", "2"]);
    expect(report).toMatchObject({ code: 0, tasks: TASKS[kind], succeeded: TASKS[kind] });
  },
);

test("init: workflow.yaml, with the schema beside it for editors; nothing is overwritten", async () => {
  expect((await run(cwd, ["init"])).code).toBe(0);
  expect(readdirSync(cwd).toSorted()).toEqual(["holdall.schema.json", "workflow.yaml"]);
  expect(read("workflow.yaml")).toStartWith(
    "# yaml-language-server: $schema=holdall.schema.json\n",
  );
  writeFileSync(join(cwd, "workflow.yaml"), "mine\n");
  writeFileSync(join(cwd, "holdall.schema.json"), "mine\n");
  const again = await run(cwd, ["init"]);
  expect(again.code).toBe(4);
  expect(again.stderr).toContain("workflow.yaml is there already");
  expect((await run(cwd, ["init", "other.json"])).code).toBe(0);
  expect(JSON.parse(read("other.json"))).toMatchObject({
    ...{ $schema: "holdall.schema.json", name: "other" },
  });
  expect([read("workflow.yaml"), read("holdall.schema.json")]).toEqual(["mine\n", "mine\n"]);
  const wrong = await run(cwd, ["init", "x.kdl", "--format", "json"]);
  expect(wrong.code).toBe(2);
  expect(existsSync(join(cwd, "x.kdl"))).toBe(false);
});

test("schema: what is published, and it finds the typo", async () => {
  const { code, stdout } = await run(cwd, ["schema"]);
  expect(code).toBe(0);
  const schema = JSON.parse(stdout) as Record<string, unknown>;
  expect(schema).toEqual(
    JSON.parse(readFileSync(join(root, "schema/holdall.schema.json"), "utf8")),
  );
  await run(cwd, ["init", "w.json"]);
  const document = JSON.parse(read("w.json"));
  expect(schemaMistakes(schema, document)).toEqual([]);
  document.tasks[1].retrys = 1;
  expect(schemaMistakes(schema, document)).toEqual(["/tasks/1/retrys: unknown"]);
});

test("convert: to stdout or a new file, comments kept, losses told, mistakes named", async () => {
  await run(cwd, ["init", "w", "--kind", "dag"]);
  const kdl = await run(cwd, ["convert", "w.yaml", "--to", "kdl"]);
  expect(kdl).toMatchObject({ code: 0, stderr: "" });
  expect(kdl.stdout).toContain("// Also when something before it has failed.\n");
  expect((await run(cwd, ["convert", "w.yaml", "--to", "json5", "--out", "w.json5"])).code).toBe(0);
  const plans = await Promise.all(
    ["w.yaml", "w.json5"].map(async (file) => (await run(cwd, ["plan", file, "--json"])).stdout),
  );
  expect(plans[1]).toBe(plans[0]);
  const json = await run(cwd, ["convert", "w.yaml", "--to", "json"]);
  expect(json.stderr).toMatch(/^note: \d lines of comments: JSON has none\n$/);
  expect((await run(cwd, ["convert", "w.yaml", "--to", "json5", "--out", "w.json5"])).code).toBe(4);
  writeFileSync(join(cwd, "bad.yaml"), "name: w\ntasks:\n  - name: a\n    comand: x\n");
  const bad = await run(cwd, ["convert", "bad.yaml", "--to", "json"]);
  expect(bad.code).toBe(2);
  expect(bad.stderr).toContain("bad.yaml:4:5");
  expect((await run(cwd, ["convert", "none.yaml", "--to", "json"])).code).toBe(3);
});
