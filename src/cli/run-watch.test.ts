import { expect, test } from "bun:test";
import { HoldallError } from "../core/error.ts";
import type { StopSignal } from "./io.ts";
import type { RunOutcome } from "./embedded-types.ts";
import { runExitCode, watchRun } from "./run-watch.ts";
import { failureOf, testIo } from "./testing.ts";
import { fakeRun, outcomeOf, progressOf } from "./testing-run.ts";

const options = {
  json: false,
  quiet: false,
  stateFlag: "",
  outputDir: null,
  outputKept: true,
};
const running = progressOf({ running: 3, ready: 23 });

test("exit codes", () => {
  const code = (
    report: Parameters<typeof outcomeOf>[0],
    end: RunOutcome["end"],
    signal: StopSignal | null = null,
  ): number => runExitCode(outcomeOf(report, { end }), signal);
  expect(code({}, "finished")).toBe(0);
  expect(code({ succeeded: 25, failed: 1 }, "finished")).toBe(1);
  expect(code({ succeeded: 25, skipped: 1 }, "finished")).toBe(1);
  expect(code({ succeeded: 25, canceled: 1 }, "finished")).toBe(1);
  expect(code({ succeeded: 25 }, "timeout")).toBe(7);
  expect(code({ succeeded: 25, canceled: 1 }, "timeout")).toBe(7);
  expect(code({ succeeded: 25 }, "interrupted", "SIGINT")).toBe(130);
  expect(code({ succeeded: 25 }, "stopped", "SIGTERM")).toBe(143);
  expect(code({ succeeded: 25 }, "stopped", "SIGHUP")).toBe(143);
  // The signal came, and all work was done nevertheless.
  expect(code({}, "interrupted", "SIGINT")).toBe(0);
  expect(code({ succeeded: 25, failed: 1 }, "interrupted", "SIGINT")).toBe(1);
  expect(code({ succeeded: 25 }, "stopped")).toBe(1);
});

test("the first signal drains, the second stops, a third does nothing more", async () => {
  const io = testIo();
  const run = fakeRun(running);
  const code = watchRun(run, io, options);
  expect(io.listeners()).toBe(3);
  io.signal("SIGINT");
  expect(run.calls).toEqual(["drain"]);
  expect(io.err()).toBe("draining: 3 running; press Ctrl-C again to stop now\n");
  io.signal("SIGINT");
  io.signal("SIGTERM");
  expect(run.calls).toEqual(["drain", "stop"]);
  run.finish(outcomeOf({ succeeded: 3, attempts: 3 }, { end: "stopped" }));
  expect(await code).toBe(130);
  expect(io.listeners()).toBe(0);
  expect(io.timers()).toBe(0);
  expect(io.out()).toBe("");
});

test("--json: one value on stdout, no progress, no summary", async () => {
  const io = testIo({ tty: true });
  const run = fakeRun(running, { kept: 1, changed: 0, added: 0, again: 0, removed: 0 });
  const code = watchRun(run, io, { ...options, json: true });
  io.advance(60_000);
  run.finish(outcomeOf({ succeeded: 25, failed: 1 }));
  expect(await code).toBe(1);
  expect(io.out()).toBe(
    '{"workflow_id":3,"name":"compress","tasks":26,"succeeded":25,"failed":1,"canceled":0,"skipped":0,"cached":0,"attempts":26,"wall_seconds":1.25,"tasks_per_second":20.8}\n',
  );
  expect(io.err()).toBe("");
});

test("--quiet says nothing when all is well, and what failed when it is not", async () => {
  for (const failed of [0, 1]) {
    const io = testIo();
    const run = fakeRun(running);
    const code = watchRun(run, io, { ...options, quiet: true });
    io.signal("SIGINT");
    run.finish(outcomeOf({ succeeded: 26 - failed, failed }));
    expect(await code).toBe(failed);
    expect(io.err().startsWith("compress: 26 tasks: 25 succeeded, 1 failed")).toBe(failed === 1);
    if (failed === 0) expect(io.err()).toBe("");
  }
});

test("a second run says first what it found", async () => {
  const io = testIo();
  const run = fakeRun(running, { kept: 20, changed: 0, added: 0, again: 6, removed: 0 });
  const code = watchRun(run, io, options);
  run.finish(outcomeOf({ cached: 20, attempts: 6 }));
  expect(await code).toBe(0);
  expect(io.err()).toStartWith(
    "compress: known here; tasks: 20 kept, 6 again\ncompress: 26 tasks:",
  );
});

test("a run that breaks gives its own error and lets go of signals", async () => {
  const io = testIo({ tty: true });
  const run = fakeRun(running);
  const code = watchRun(run, io, options);
  io.advance(100);
  run.fail(new HoldallError("storage", "the disk is full"));
  expect(await failureOf(code)).toMatchObject({ message: "the disk is full" });
  expect(io.listeners()).toBe(0);
  expect(io.err()).toEndWith("\r\x1b[K");
});
