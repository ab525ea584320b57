import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { createNullExecutor } from "../bench/null-executor.ts";
import { type HoldallError, toHoldallError } from "../core/error.ts";
import { DEFAULT_REQUIREMENT, type WorkflowDefinition } from "../core/workflow.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { arrayBlock, arrayWorkflow, body, explicitWorkflow } from "../ledger/testing/samples.ts";
import type { ExecutorEvents } from "../worker/executor.ts";
import { createFakeExecutor, type FakeExecutor } from "../worker/testing/fake-executor.ts";
import { openDescriptors, until } from "../worker/testing/processes.ts";
import { createRecorder } from "../worker/testing/recorder.ts";
import { type RunParts, startRun } from "./embedded.ts";
import type { RunHandle } from "./embedded-types.ts";
import { failureOf } from "./testing.ts";
import { OFFER, requestOf, temporaryFolder } from "./testing-embedded.ts";

let stateDir: string;

beforeEach(() => {
  stateDir = temporaryFolder();
});

afterEach(() => rmSync(stateDir, { recursive: true }));

const NOTHING: RunParts = { openExecutor: async (events) => createNullExecutor(events) };

async function rejection(promise: Promise<unknown>): Promise<HoldallError> {
  return toHoldallError(await failureOf(promise));
}

interface ByHand extends RunParts {
  executor: FakeExecutor;
  events: ExecutorEvents;
}

/** Attempts end when the test says so. */
function byHand(): ByHand {
  const parts: ByHand = {
    events: createRecorder().events,
    executor: createFakeExecutor(() => parts.events),
    openExecutor(events) {
      parts.events = events;
      return Promise.resolve(parts.executor);
    },
  };
  return parts;
}

/** Ids of the attempts the executor was given, once there are `count`. */
async function given(executor: FakeExecutor, count: number): Promise<number[]> {
  await until(() => executor.starts.length >= count, `${count} starts`);
  return executor.starts.map(({ id }) => id);
}

test("a run reports what became of its tasks, and a second one has nothing to do", async () => {
  const first = await startRun(requestOf(stateDir, arrayWorkflow(100)), NOTHING);
  expect(first.plan).toBeNull();
  const { report, end, summary } = await first.done;
  expect(end).toBe("finished");
  expect(report).toMatchObject({
    workflow_id: 1,
    name: "w",
    tasks: 100,
    succeeded: 100,
    failed: 0,
    canceled: 0,
    skipped: 0,
    cached: 0,
    attempts: 100,
  });
  expect(report.wall_seconds).toBeGreaterThan(0);
  expect(summary.status.state).toBe("succeeded");
  const second = await startRun(requestOf(stateDir, arrayWorkflow(100)), NOTHING);
  expect(second.plan).toEqual({ kept: 100, changed: 0, added: 0, again: 0, removed: 0 });
  expect((await second.done).report).toMatchObject({ cached: 100, attempts: 0, succeeded: 100 });
});

test("failures skip what depends on them, and are tried again the next time", async () => {
  const chain: WorkflowDefinition = {
    ...explicitWorkflow([body("a"), body("b")]),
    edges: [0, 1],
  };
  const parts = byHand();
  const run = await startRun(requestOf(stateDir, chain), parts);
  parts.executor.end((await given(parts.executor, 1))[0]!, { exitCode: 3 });
  const { report, end } = await run.done;
  expect(end).toBe("finished");
  expect(report).toMatchObject({ failed: 1, skipped: 1, succeeded: 0, attempts: 1 });
  const again = await startRun(requestOf(stateDir, chain), NOTHING);
  expect(again.plan).toMatchObject({ kept: 0, again: 2 });
  expect((await again.done).report).toMatchObject({ succeeded: 2, cached: 0, attempts: 2 });
});

/** A run whose worker executes two tasks, holds others that wait, and has ended two. */
async function halfWay(): Promise<{
  run: RunHandle;
  parts: ByHand;
  running: number[];
  waiting: number[];
}> {
  const parts = byHand();
  const run = await startRun(requestOf(stateDir, arrayWorkflow(50)), parts);
  const first = await given(parts.executor, 2);
  // Tasks that end at once are given out ahead.
  parts.executor.endAll(first);
  const ids = (await given(parts.executor, 6)).slice(2);
  return { run, parts, running: ids.slice(0, 2), waiting: ids.slice(2) };
}

test("draining lets what runs end and starts nothing more", async () => {
  const { run, parts, running, waiting } = await halfWay();
  run.drain();
  for (const id of waiting) {
    await parts.executor.called(`drop ${id}`);
    parts.executor.dropped(id);
  }
  parts.executor.endAll(running);
  const { report, end } = await run.done;
  expect(end).toBe("interrupted");
  expect(report).toMatchObject({ succeeded: 4, attempts: 4, failed: 0 });
  const next = await startRun(requestOf(stateDir, arrayWorkflow(50)), NOTHING);
  expect((await next.done).report).toMatchObject({ succeeded: 50, cached: 4, attempts: 46 });
});

test("stopping kills what runs; what never started is no attempt", async () => {
  const { run, parts, running, waiting } = await halfWay();
  run.stop();
  for (const id of [...running, ...waiting])
    expect(parts.executor.calls).toContain(`SIGKILL ${id}`);
  parts.executor.endAll(running, { exitCode: null, signal: 9 });
  for (const id of waiting) parts.executor.dropped(id);
  const { report, end } = await run.done;
  expect(end).toBe("stopped");
  expect(report).toMatchObject({ succeeded: 2, failed: 0, attempts: 4 });
  const ledger = openLedger(stateDir);
  expect(ledger.attemptsOf(1, 2).map(({ attempt }) => attempt)).toEqual([1]);
  expect(ledger.attemptsOf(1, 4)).toEqual([]);
  ledger.close();
});

test("a timeout ends the run, a long one does not", async () => {
  const parts = byHand();
  const run = await startRun(
    requestOf(stateDir, arrayWorkflow(1), { timeoutSeconds: 0.05 }),
    parts,
  );
  await parts.executor.called("SIGKILL 1");
  parts.executor.end(1, { exitCode: null, signal: 9 });
  expect((await run.done).end).toBe("timeout");
  const month = requestOf(stateDir, arrayWorkflow(1), { timeoutSeconds: 31 * 86_400 });
  const other = byHand();
  const longRun = await startRun(month, other);
  await given(other.executor, 1);
  await Bun.sleep(20);
  other.executor.end(1);
  expect((await longRun.done).end).toBe("finished");
});

test("an executor that dies ends the run with an error; the next run goes on", async () => {
  for (const drained of [false, true]) {
    const parts = byHand();
    const run = await startRun(requestOf(stateDir, arrayWorkflow(10)), parts);
    const ids = await given(parts.executor, 2);
    if (drained) {
      run.drain();
      await parts.executor.called(`drop ${ids[0]}`);
    }
    parts.events.failed(new Error("broken"));
    expect((await rejection(run.done)).message).toBe("tasks can no longer be executed: broken");
  }
  const next = await startRun(requestOf(stateDir, arrayWorkflow(10)), NOTHING);
  expect((await next.done).report).toMatchObject({ succeeded: 10 });
});

test("an error leaves the state directory free for the next run", async () => {
  const before = openDescriptors("self");
  const broken: RunParts = { openExecutor: () => Promise.reject(new Error("no executor")) };
  const failed = startRun(requestOf(stateDir, arrayWorkflow(2)), broken);
  expect((await rejection(failed)).message).toBe("no executor");
  const missing = requestOf(stateDir, arrayWorkflow(2), { what: { kind: "workflow", id: 99 } });
  expect((await rejection(startRun(missing, NOTHING))).message).toContain("no workflow 99");
  // Anything that was still to happen in the engine would throw here.
  await Bun.sleep(10);
  expect(openDescriptors("self")).toBeLessThanOrEqual(before);
  const next = await startRun(requestOf(stateDir, arrayWorkflow(2)), NOTHING);
  expect((await next.done).report).toMatchObject({ succeeded: 2 });
});

test("a second run of a state directory in use is refused, and does no harm", async () => {
  const parts = byHand();
  const run = await startRun(requestOf(stateDir, arrayWorkflow(1)), parts);
  const second = await rejection(startRun(requestOf(stateDir, arrayWorkflow(1)), NOTHING));
  expect(second.code).toBe("conflict");
  const [id] = await given(parts.executor, 1);
  parts.executor.end(id!);
  expect((await run.done).report.succeeded).toBe(1);
});

test("what is too large or bound elsewhere is refused before anything is stored", async () => {
  const needs = (cpus: number, scheduler: string | null = null): WorkflowDefinition => ({
    ...arrayWorkflow(1),
    blocks: [{ ...arrayBlock(0, 1), requirement: { ...DEFAULT_REQUIREMENT, cpus }, scheduler }],
  });
  const refused = async (definition: WorkflowDefinition, message: string): Promise<void> => {
    const error = await rejection(startRun(requestOf(stateDir, definition), NOTHING));
    expect(error.message).toContain(message);
  };
  await refused(needs(3), "task 't_{i}' needs 3 cpus, and this run offers 2");
  await refused(needs(1, "slurm"), "bound to scheduler 'slurm', and this run offers none");
  expect(readdirSync(stateDir)).toEqual([]);
  const offer = { ...OFFER, maxParallel: 1, scheduler: "slurm" };
  const run = await startRun(requestOf(stateDir, needs(3, "slurm"), { offer }), NOTHING);
  expect((await run.done).report.succeeded).toBe(1);
});

test("a hundred thousand tasks leave nothing behind in memory", async () => {
  const count = 100_000;
  const run = await startRun(requestOf(stateDir, arrayWorkflow(count)), {
    ...NOTHING,
    fsync: false,
  });
  expect((await run.done).report).toMatchObject({ succeeded: count, attempts: count });
  Bun.gc(true);
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 2; i++) {
    const definition = { ...arrayWorkflow(count), name: `again-${i}` };
    const again = await startRun(requestOf(stateDir, definition), { ...NOTHING, fsync: false });
    await again.done;
  }
  Bun.gc(true);
  expect((process.memoryUsage().heapUsed - before) / 2 ** 20).toBeLessThan(8);
}, 30_000);
