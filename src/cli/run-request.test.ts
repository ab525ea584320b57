import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine } from "./offer.ts";
import { type RunFlags, runRequest } from "./run-request.ts";
import { failureOf } from "./testing.ts";

const GIB = 1024 ** 3;
const machine: Machine = {
  read: () => null,
  list: () => [],
  freeBytes: () => 10 * GIB,
  parallelism: () => 4,
  totalMemoryBytes: () => 8 * GIB,
  env: {},
};

let here = "";
beforeAll(() => {
  here = realpathSync(mkdtempSync(join(tmpdir(), "holdall-request-")));
  mkdirSync(join(here, "sub"));
  writeFileSync(join(here, "w.yaml"), 'name: w\ntasks:\n  - name: a\n    command: "true"\n');
  writeFileSync(join(here, "7"), 'name: seven\ntasks:\n  - name: a\n    command: "true"\n');
  writeFileSync(join(here, "lines"), "x\ny\n");
});
afterAll(() => rmSync(here, { recursive: true, force: true }));

const ask = (flags: RunFlags, target?: string, verbatim: string[] | null = null) =>
  runRequest({ flags, target, verbatim, stateDir: "/st", io: { cwd: here } }, machine);

test("what the flags do not say, the machine does", async () => {
  expect(await ask({}, "3")).toEqual({
    stateDir: "/st",
    what: { kind: "workflow", id: 3 },
    fresh: false,
    reuse: null,
    offer: {
      cpus: 4,
      memoryBytes: 8 * GIB,
      diskBytes: 10 * GIB,
      gpus: 0,
      maxParallel: null,
      timeLimitSeconds: null,
      scheduler: null,
    },
    outputDir: null,
    stdout: "capture",
    stderr: "capture",
    timeoutSeconds: null,
  });
});

test("flags and their other names; more than there is may be offered", async () => {
  const offer = {
    cpus: 64,
    memoryBytes: 512 * GIB,
    gpus: 2,
    diskBytes: 10 * GIB,
    maxParallel: 9,
    timeLimitSeconds: 60,
    scheduler: "night",
  };
  const flags = {
    cpus: 64,
    memory: 512 * GIB,
    gpus: 2,
    maxParallel: 9,
    timeLimit: 60,
    scheduler: "night",
  };
  const aliases = {
    numCpus: 64,
    memoryGb: 512,
    numGpus: 2,
    maxParallelJobs: 9,
    timeLimit: 60,
    schedulerConfigId: "night",
  };
  expect((await ask(flags, "3")).offer).toEqual(offer);
  expect((await ask(aliases, "3")).offer).toEqual(offer);
  expect(await failureOf(ask({ memory: GIB, memoryGb: 1 }, "3"))).toMatchObject({ code: "usage" });
});

test("a document: found from here, its paths resolve against --cwd", async () => {
  const { what } = await ask({ cwd: "sub", name: "other" }, "w.yaml");
  if (what.kind !== "definition") throw new Error("no definition");
  expect(what.adHoc).toBe(false);
  expect(what.definition).toMatchObject({
    name: "other",
    source: join(here, "w.yaml"),
    specDir: here,
    cwd: join(here, "sub"),
    taskCount: 1,
  });
  expect(await failureOf(ask({ cwd: "gone" }, "w.yaml"))).toMatchObject({ code: "not_found" });
});

test("digits are a workflow ID unless a file has this name", async () => {
  expect((await ask({}, "8")).what).toEqual({ kind: "workflow", id: 8 });
  const { what } = await ask({}, "7");
  expect(what.kind === "definition" && what.definition.name).toBe("seven");
});

test("a command after --: its lists are found from here", async () => {
  const { what } = await ask(
    { cwd: "sub", eachLine: "lines", need: ["cpus=2", "memory=1g"] },
    undefined,
    ["echo", "{line}", "--json"],
  );
  if (what.kind !== "definition") throw new Error("no definition");
  expect(what.adHoc).toBe(true);
  expect(what.definition).toMatchObject({ cwd: join(here, "sub"), taskCount: 2 });
  expect(what.definition.blocks[0]?.requirement).toMatchObject({ cpus: 2, memoryBytes: GIB });
});

test("--output-dir is found from here", async () => {
  expect((await ask({ outputDir: "out", cwd: "sub" }, "w.yaml")).outputDir).toBe(join(here, "out"));
});

test("resources and features of one's own are offered by name", async () => {
  const { offer } = await ask({ custom: ["licences=2", "w.x=0.5"], feature: ["a", "b", "a"] }, "3");
  expect(offer).toMatchObject({ custom: { licences: 2, "w.x": 0.5 }, features: ["a", "b"] });
  for (const wrong of ["licences", "x=-1", "=1", "constructor=1", "1x=1"])
    expect(await failureOf(ask({ custom: [wrong] }, "3"))).toMatchObject({
      message: `--custom: '${wrong}' is not NAME=AMOUNT`,
    });
  expect(await failureOf(ask({ custom: ["a=1", "a=2"] }, "3"))).toMatchObject({
    message: "--custom: a is given twice",
  });
});
