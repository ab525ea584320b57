import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { requires } from "../../../test/support/requires.ts";
import type { CatalogEntry } from "./catalog.ts";
import { whyVoid } from "./fairness.ts";
import { type EnginesPlan, runEngines } from "./run-engines.ts";
import type { EngineId, Sample, SpotFigures } from "./samples.ts";
import { WORKLOAD } from "./testing/samples.ts";

const root = resolve(import.meta.dir, "../../..");
const kernels = join(root, "build/kernels");
const missing = requires(
  "build/kernels",
  "sh scripts/setup",
  existsSync(join(kernels, "sleep_task")),
);
const scratch = mkdtempSync(join(tmpdir(), "holdall-engines-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** An engine that runs one command after the other, under another's name. */
function engine(id: EngineId, fault = "none"): CatalogEntry {
  return {
    id,
    title: id,
    short: id,
    argv: () => [process.execPath, join(import.meta.dir, "testing/plain-driver.ts"), fault],
    needs: [],
    install: "",
    killable: true,
  };
}

function planOf(engines: CatalogEntry[], more: Partial<EnginesPlan> = {}) {
  const kept: Sample[] = [];
  const notes: string[] = [];
  const plan: EnginesPlan = {
    scenario: "engines",
    engines,
    workloads: [WORKLOAD],
    rounds: 2,
    warm: true,
    seed: 1,
    programs: {
      compressTask: join(kernels, "compress_task"),
      sleepTask: join(kernels, "sleep_task"),
      empty: "/bin/true",
    },
    root,
    workFolder: mkdtempSync(join(scratch, "work-")),
    env: process.env,
    onSample: (sample) => kept.push(sample),
    note: (line) => notes.push(line),
    ...more,
  };
  return { plan, kept, notes };
}

describe.skipIf(missing)("runEngines", () => {
  test("every engine once a round, in changing order, with equal outputs of one program", async () => {
    const { plan, kept } = planOf([engine("holdall"), engine("ray"), engine("dask")]);
    const { samples, broken, interrupted } = await runEngines({ ...plan, rounds: 3 });
    expect(kept).toEqual(samples);
    expect({ broken, interrupted }).toEqual({ broken: [], interrupted: false });
    expect(samples).toHaveLength(9);
    for (const id of ["holdall", "ray", "dask"]) {
      const own = samples.filter((sample) => sample.engine === id);
      expect(own.map(({ round }) => round)).toEqual([0, 1, 2]);
      expect(new Set(own.map(({ place }) => place)).size).toBe(3);
    }
    expect(samples[0]).toMatchObject({
      version: "plain",
      done: 4,
      failed: 0,
      warm: true,
      spot: null,
    });
    expect(samples[0]!.task_ms).toHaveLength(4);
    expect(samples[0]!.binary).toMatch(/^[0-9a-f]{40}$/);
    expect(samples[0]!.manager_peak_bytes).toBeGreaterThan(1e6);
    expect(whyVoid(samples)).toBeNull();
    expect(readdirSync(plan.workFolder)).toEqual([]);
  });

  test("an engine that computes something else voids the run", async () => {
    const { plan } = planOf([engine("holdall"), engine("ray", "other-data"), engine("dask")]);
    const { samples } = await runEngines({ ...plan, rounds: 1 });
    expect(whyVoid(samples)).toMatch(/^the outputs differ: \w+ of ray; \w+ of \w+, \w+$/);
  });

  test("a task that is called done and left nothing counts as failed", async () => {
    const { plan } = planOf([engine("ray", "skip")], { rounds: 1, warm: false });
    const { samples } = await runEngines(plan);
    expect(samples[0]).toMatchObject({ done: 3, failed: 1, checksum: null, warm: false });
  });

  test("an engine that breaks is left out, named with the reason; the others go on", async () => {
    const { plan, notes } = planOf([engine("ray", "die"), engine("dask")]);
    const { samples, broken } = await runEngines(plan);
    expect(samples.map((sample) => sample.engine)).toEqual(["dask", "dask"]);
    expect(broken.map((each) => [each.engine, each.error.message])).toEqual([
      ["ray", "ray: its driver ended (exit code 7)"],
    ]);
    expect(notes).toContain("ray is left out from here on: ray: its driver ended (exit code 7)");
    expect(readdirSync(plan.workFolder)).toEqual([]);
  });

  test("what is measured when it is stopped stays, and nothing else does", async () => {
    const stop = new AbortController();
    const { plan, kept } = planOf([engine("dask"), engine("ray", "hang")], {
      warm: false,
      signal: stop.signal,
      // Cold, so each engine's first bag is measured; a hanging one begins to hang in its second.
      beside: async (run) => {
        if (run.round === 1) stop.abort();
        return null;
      },
    });
    const { samples, interrupted, broken } = await runEngines(plan);
    expect(interrupted).toBe(true);
    expect(broken).toEqual([]);
    expect(samples.length).toBeGreaterThanOrEqual(2);
    expect(kept).toEqual(samples);
    expect(readdirSync(plan.workFolder)).toEqual([]);
  });

  test("a bag that takes too long breaks its engine", async () => {
    const { plan } = planOf([engine("ray", "hang")], { runLimitMs: 2000, rounds: 1 });
    const { broken } = await runEngines(plan);
    expect(broken[0]?.error.message).toBe("ray: did not finish 4 tasks within 2 s");
  });

  test("what happens beside a bag sees it run, is told of its end, and answers for the sample", async () => {
    const spot: SpotFigures = {
      warning_s: 0,
      by: "processes",
      kills: 0,
      lost: 0,
      reexecuted_s: 0,
      reexecutions: 0,
    };
    let marks: string[] = [];
    const { plan } = planOf([engine("ray")], {
      workloads: [{ ...WORKLOAD, kind: "sleep", n: null, tolerance: null, sleep_ms: 20 }],
      marks: true,
      rounds: 1,
      async beside({ bag }, over) {
        await new Promise((told) => over.addEventListener("abort", told));
        marks = readdirSync(join(bag.folder, "marks")).map((name) =>
          readFileSync(join(bag.folder, "marks", name), "utf8").replaceAll(/\d+\.\d+|\d+/g, "N"),
        );
        return spot;
      },
    });
    const { samples } = await runEngines(plan);
    expect(samples[0]).toMatchObject({ spot, checksum: null, task_ms: null });
    expect(samples[0]!.wall_s).toBeGreaterThanOrEqual(0.08);
    expect(marks).toEqual(Array(4).fill("s N N\ne N N\n"));
  });
});
