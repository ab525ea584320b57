import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OUTCOMES } from "../core/states.ts";
import { DEFAULT_REQUIREMENT } from "../core/workflow.ts";
import type { FinishedBatch, ToServer, ToWorker, WorkerTemplate } from "../protocol/session.ts";
import type { Exit } from "./executor.ts";
import { INLINE_LIMIT_BYTES } from "./output-buffer.ts";
import { createFakeExecutor, type FakeExecutor } from "./testing/fake-executor.ts";
import { signalName, Worker } from "./worker.ts";

type Frame<T extends ToServer["type"]> = Extract<ToServer, { type: T }>;

interface Bench {
  worker: Worker;
  executor: FakeExecutor;
  sent: ToServer[];
  of<T extends ToServer["type"]>(type: T): Frame<T>[];
  template(change?: Partial<WorkerTemplate>): void;
  /** attempt 1 of these tasks; the fake executor's ids count from 1 in the order of all attempts */
  run(tasks: number[], more?: Partial<Extract<ToWorker, { type: "run" }>>): void;
  /** "task outcome exit message" of everything finished so far */
  results(): string[];
}

function bench(graceMs = 5000, ignoresResources = false): Bench {
  const sent: ToServer[] = [];
  const executor: FakeExecutor = createFakeExecutor(() => worker.events);
  const worker = new Worker({
    executor,
    send: (frames) => sent.push(...frames),
    environment: { PATH: "/bin:/usr/bin" },
    mark: "m",
    now: () => 1000,
    graceMs,
    ignoresResources,
  });
  const of = <T extends ToServer["type"]>(type: T): Frame<T>[] =>
    sent.filter((frame): frame is Frame<T> => frame.type === type);
  return {
    worker,
    executor,
    sent,
    of,
    template: (change = {}) =>
      worker.receive([
        {
          type: "template",
          template: {
            workflow: 1,
            block: 0,
            first: 10,
            cwd: "/",
            requirement: DEFAULT_REQUIREMENT,
            timeoutSeconds: null,
            captureStdout: true,
            captureStderr: false,
            parameters: {
              names: ["i"],
              values: [{ from: 0, step: 1, count: 1000, decimals: 0 }],
              mode: "product",
            },
            body: {
              name: ["t_", { p: 0 }],
              command: { kind: "argv", argv: ["c", [{ p: 0 }]] },
              env: { V: ["v", { p: 0 }] },
            },
            env: {},
            ...change,
          },
        },
      ]),
    run: (tasks, more = {}) =>
      worker.receive([
        {
          type: "run",
          workflow: 1,
          block: 0,
          tasks,
          attempts: tasks.map(() => 1),
          cls: 0,
          width: 2,
          ...more,
        },
      ]),
    results: () =>
      of("finished").flatMap(({ batches }) =>
        batches.flatMap((batch) =>
          batch.tasks.map((task, at) => {
            const message = batch.messages.find(([place]) => place === at)?.[1];
            const outcome = OUTCOMES[batch.outcomes[at]!];
            return `${task} ${outcome} ${batch.exits[at]}${message ? ` ${message}` : ""}`;
          }),
        ),
      ),
  };
}

test("tasks of an array are made of its template", () => {
  const { executor, template, run } = bench();
  template();
  run([10, 13], { attempts: [1, 4], width: 3 });
  expect(executor.calls).toEqual(["width 1 3"]);
  expect(executor.starts).toEqual([
    {
      id: 1,
      pool: 1,
      argv: ["c", "0"],
      cwd: "/",
      environment: 7,
      extraEnv: ["HOLDALL_WORKFLOW_ID=1", "HOLDALL_TASK=t_0", "HOLDALL_ATTEMPT=1", "V=v0"],
      captureStdout: true,
      captureStderr: false,
      inputs: null,
      outputs: null,
      needs: { cpus: 1, memoryBytes: 0, gpus: 0, memoryLimitBytes: null },
    },
    expect.objectContaining({ id: 2, argv: ["c", "3"], pool: 1 }),
  ]);
  expect(executor.starts[1]!.extraEnv).toContain("HOLDALL_ATTEMPT=4");
});

test("explicit tasks bring their bodies; classes have pools of their own", () => {
  const { executor, template, run } = bench();
  template({ parameters: null, body: null, block: 3 });
  const command = { kind: "argv" as const, argv: ["a"] };
  run([20, 21], {
    block: 3,
    cls: 5,
    bodies: [
      { name: "x", command },
      { name: "y", command: { kind: "auto", text: "b | c" } },
    ],
  });
  template();
  run([10]);
  expect(executor.starts.map(({ argv, pool }) => [pool, ...argv])).toEqual([
    [1, "a"],
    [1, "/bin/sh", "-c", "b | c"],
    [2, "c", "0"],
  ]);
});

test("a run frame for an unknown template is refused", () => {
  expect(() => bench().run([1])).toThrow("unknown template 1/0");
});

test("every way to end has its outcome", () => {
  const { executor, template, run, results } = bench();
  template();
  const ways: [Partial<Exit>, string][] = [
    [{}, "10 ok 0"],
    [{ exitCode: 3 }, "11 exit 3"],
    [{ exitCode: null, signal: 11 }, "12 signal -11 ended by SIGSEGV"],
    [
      { exitCode: null, launchError: { errno: "ENOENT", what: "execve c" } },
      "13 launch_error 127 execve c: ENOENT",
    ],
    [
      { exitCode: null, launchError: { errno: "EACCES", what: "execve c" } },
      "14 launch_error 126 execve c: EACCES",
    ],
  ];
  run(ways.map((_, i) => 10 + i));
  ways.forEach(([how], i) => executor.end(i + 1, how));
  expect(results()).toEqual(ways.map(([, result]) => result));
});

test("declared files are looked for before and after, and stamped", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdall-worker-"));
  try {
    const { executor, template, run, results, of } = bench();
    template({
      cwd: folder,
      body: {
        name: "t",
        command: { kind: "argv", argv: ["c"] },
        inputs: [["in", { p: 0 }]],
        outputs: [["out", { p: 0 }]],
      },
    });
    for (const name of ["in0", "in1", "out0"]) writeFileSync(join(folder, name), "x");
    run([10, 11, 12]);
    expect(results()).toEqual(["12 input_missing null input is missing: in2"]);
    executor.endAll([1, 2]);
    expect(results().slice(1)).toEqual([
      "10 ok 0",
      "11 output_missing 0 declared output is missing: out1",
    ]);
    const { files } = of("finished").at(-1)!.batches[0]!;
    expect(files.map(([at, stamps]) => [at, ...stamps.map((each) => each.path)])).toEqual([
      [0, join(folder, "in0"), join(folder, "out0")],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("large files are read before their task is reported, and not to their end when it is to stop", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdall-worker-"));
  try {
    const { worker, executor, template, run, results, of } = bench();
    const body = { name: "t", command: { kind: "argv", argv: ["c"] } } as const;
    template({ cwd: folder, body: { ...body, inputs: ["in"], outputs: [["out", { p: 0 }]] } });
    writeFileSync(join(folder, "in"), "x");
    for (const name of ["out0", "out1"]) largeFile(join(folder, name));
    run([10]);
    executor.end(1);
    expect([worker.held, results()]).toEqual([1, []]);
    while (worker.held > 0) await new Promise(setImmediate);
    run([11]);
    executor.end(2);
    worker.stop();
    while (worker.held > 0) await new Promise(setImmediate);
    expect(results()).toEqual(["10 ok 0", "11 ok 0"]);
    expect(of("drained")).toHaveLength(1);
    const hashes = of("finished").map(({ batches }) =>
      batches[0]!.files[0]![1].map(({ sha256 }) => sha256?.slice(0, 8)),
    );
    expect(hashes).toEqual([
      ["2d711642", "22427fd5"],
      ["2d711642", undefined],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function largeFile(path: string): void {
  writeFileSync(path, "");
  truncateSync(path, 17 * 1024 * 1024);
}

test("a timeout asks with SIGTERM, and ends with SIGKILL after the grace time", async () => {
  const { worker, executor, template, run, results, of } = bench(20);
  template({ timeoutSeconds: 0.02 });
  run([10, 11]);
  worker.events.started(1, 99, 1000);
  expect(of("started")).toEqual([
    { type: "started", workflow: 1, tasks: [10], attempts: [1], startedMs: [1000] },
  ]);
  await executor.called("SIGTERM 1");
  expect(executor.calls).not.toContain("SIGKILL 1");
  await executor.called("SIGKILL 1");
  executor.end(1, { exitCode: null, signal: 9 });
  expect(results()).toEqual(["10 timeout -9 ended after its timeout of 0.02 s"]);
  // The one that has not started has all its time; one that ends is not signaled later.
  worker.events.started(2, 98, 1000);
  executor.end(2);
  await Bun.sleep(60);
  expect(executor.calls.filter((call) => call.endsWith(" 2") && call.startsWith("SIG"))).toEqual(
    [],
  );
});

test("a timeout of many days is none of a millisecond", async () => {
  const { worker, executor, template, run } = bench();
  template({ timeoutSeconds: 30 * 86_400 });
  run([10]);
  worker.events.started(1, 99, 1000);
  await Bun.sleep(30);
  expect(executor.calls).toEqual(["width 1 2"]);
  executor.end(1);
});

test("what is killed says why", () => {
  const { worker, executor, template, run, results } = bench();
  template();
  run([10, 11, 12]);
  const kill = (task: number, reason: "canceled" | "superseded" | "preempted"): void =>
    worker.receive([{ type: "kill", workflow: 1, tasks: [task], attempts: [1], reason }]);
  kill(10, "canceled");
  kill(11, "superseded");
  kill(12, "preempted");
  kill(12, "canceled");
  worker.receive([
    // another attempt, another workflow, gone
    { type: "kill", workflow: 1, tasks: [10, 99], attempts: [2, 1], reason: "canceled" },
    { type: "kill", workflow: 2, tasks: [10], attempts: [1], reason: "canceled" },
  ]);
  expect(executor.calls.slice(1)).toEqual(["SIGTERM 1", "SIGTERM 2", "SIGTERM 3"]);
  executor.end(1, { exitCode: null, signal: 15 });
  executor.end(2, { exitCode: 0 });
  executor.end(3, { exitCode: null, signal: 15 });
  expect(results()).toEqual([
    "10 canceled -15",
    "11 superseded 0",
    "12 preempted -15 ended because its worker was stopped",
  ]);
});

test("what has not started is given back when asked for, and nothing is recorded", () => {
  const { worker, executor, template, run, results, of } = bench();
  template();
  run([10, 11]);
  worker.receive([{ type: "revoke", workflow: 1, tasks: [11, 77], attempts: [1, 1] }]);
  expect(executor.calls.slice(1)).toEqual(["drop 2"]);
  executor.dropped(2);
  expect(of("revoked")).toEqual([{ type: "revoked", workflow: 1, tasks: [11], attempts: [1] }]);
  expect(results()).toEqual([]);
  expect(worker.held).toBe(1);
});

test("a worker that drains takes nothing, ends what runs and says so once", () => {
  const { worker, executor, template, run, results, of, sent } = bench();
  template();
  run([10, 11]);
  worker.receive([{ type: "drain" }]);
  expect(executor.calls.slice(1)).toEqual(["drop 1", "drop 2"]);
  executor.dropped(2);
  run([12]);
  expect(of("revoked").map(({ tasks }) => tasks)).toEqual([[11], [12]]);
  expect(of("drained")).toEqual([]);
  executor.end(1);
  expect(results()).toEqual(["10 ok 0"]);
  expect(sent.at(-1)).toEqual({ type: "drained" });
  expect(of("drained").length).toBe(1);
  const empty = bench();
  empty.worker.receive([{ type: "drain" }]);
  expect(empty.sent).toEqual([{ type: "drained" }]);
});

test("a worker that is stopped kills what runs and gives back what never started", () => {
  const { worker, executor, template, run, results, of, sent } = bench();
  template();
  run([10, 11, 12]);
  worker.stop();
  expect(executor.calls.slice(1)).toEqual(["SIGKILL 1", "SIGKILL 2", "SIGKILL 3"]);
  executor.dropped(3);
  executor.end(1, { exitCode: null, signal: 9 });
  executor.end(2);
  expect(results()).toEqual([
    "10 preempted -9 ended because its worker was stopped",
    "11 preempted 0 ended because its worker was stopped",
  ]);
  expect(of("revoked").map(({ tasks }) => tasks)).toEqual([[12]]);
  expect(sent.at(-1)).toEqual({ type: "drained" });
});

test("an executor that dies loses what it had", () => {
  const { worker, template, run, results, sent } = bench();
  template();
  run([10, 11]);
  worker.events.failed(new Error("broken"));
  expect(results()).toEqual([
    "10 worker_lost null the executor failed: broken",
    "11 worker_lost null the executor failed: broken",
  ]);
  expect(worker.held).toBe(0);
  run([12]);
  worker.receive([{ type: "drain" }]);
  worker.events.failed(new Error("broken"));
  expect(sent.at(-1)).toEqual({ type: "drained" });
});

test("results wait for company while all room is taken, and not otherwise", async () => {
  const { executor, template, run, of, sent } = bench();
  template();
  run([10, 11, 12, 13], { width: 2 });
  executor.end(1);
  expect(of("finished")).toEqual([]);
  executor.end(2);
  expect(of("finished")).toEqual([]);
  // The room of one is free now: the server could use it at once.
  executor.end(3);
  expect(of("finished").map(({ batches }) => batches[0]!.tasks)).toEqual([[10, 11, 12]]);
  executor.end(4);
  expect(of("finished").length).toBe(2);
  run([20, 21, 22], { width: 2 });
  const before = sent.length;
  executor.end(5);
  expect(sent.length).toBe(before);
  while (sent.length === before) await Bun.sleep(1);
  expect(of("finished").at(-1)!.batches[0]!.tasks).toEqual([20]);
});

test("results are kept until they are acknowledged", () => {
  const { worker, executor, template, run, of, sent } = bench();
  template();
  run([10], { width: 2 });
  executor.end(1);
  run([11, 12, 13, 14], { width: 3 });
  executor.end(2);
  expect(of("finished").map(({ seq }) => seq)).toEqual([1]);
  const held = worker.heldAttempts();
  expect(held.map(({ workflow }) => workflow)).toEqual([1]);
  expect(new Set(held[0]!.tasks)).toEqual(new Set([10, 11, 12, 13, 14]));
  // Nothing says that an attempt waits when it may run: three have room, and their results count as held.
  const started = (task: number): boolean => held[0]!.started[held[0]!.tasks.indexOf(task)]!;
  expect([12, 13, 14].map(started)).toEqual([true, true, true]);
  sent.length = 0;
  worker.resend();
  expect(of("finished").map(({ seq, batches }) => [seq, batches[0]!.tasks])).toEqual([
    [1, [10]],
    [2, [11]],
  ]);
  worker.receive([{ type: "ack", seq: 1 }]);
  sent.length = 0;
  worker.resend();
  expect(of("finished").map(({ seq }) => seq)).toEqual([2]);
  worker.receive([{ type: "ack", seq: 2 }]);
  expect(worker.unacknowledged).toBe(false);
  sent.length = 0;
  worker.resend();
  expect(sent).toEqual([]);
  expect(new Set(worker.heldAttempts()[0]!.tasks)).toEqual(new Set([12, 13, 14]));
});

test("attempts beyond the width wait", () => {
  const { worker, template, run } = bench();
  template();
  run([10, 11, 12], { width: 2 });
  const [held] = worker.heldAttempts();
  expect(held).toEqual({
    workflow: 1,
    tasks: [10, 11, 12],
    attempts: [1, 1, 1],
    started: [true, true, false],
  });
});

test("little output travels with the result; much is sent ahead", () => {
  const { worker, executor, template, run, of } = bench();
  template();
  run([10, 11]);
  const text = (string: string): Uint8Array => new TextEncoder().encode(string);
  worker.events.output(1, "stdout", text("a"));
  worker.events.output(1, "stderr", text("bc"));
  const big = new Uint8Array(INLINE_LIMIT_BYTES).fill(120);
  worker.events.output(2, "stdout", text("y"));
  worker.events.output(2, "stdout", big);
  expect(of("spill").map(({ task, stream, data }) => [task, stream, data.length])).toEqual([
    [11, "stdout", 1],
    [11, "stdout", big.length],
  ]);
  executor.endAll([1, 2]);
  const batches: FinishedBatch[] = of("finished").flatMap((frame) => frame.batches);
  expect(batches.flatMap(({ outputs }) => outputs)).toEqual([
    { at: 0, stdout: text("a"), stderr: text("bc"), stdoutBytes: 1, stderrBytes: 2 },
    { at: 1, stdout: null, stderr: null, stdoutBytes: big.length + 1, stderrBytes: 0 },
  ]);
});

test("who follows gets what there is and what comes, until told otherwise", () => {
  const { worker, template, run, of } = bench();
  template();
  run([10]);
  const write = (text: string): void =>
    worker.events.output(1, "stdout", new TextEncoder().encode(text));
  const follow = (on: boolean, task = 10): void =>
    worker.receive([{ type: "follow", workflow: 1, task, attempt: 1, on }]);
  const heard = (): string[] => of("live").map(({ data }) => new TextDecoder().decode(data));
  write("a");
  write("b");
  follow(true, 99);
  expect(heard()).toEqual([]);
  follow(true);
  expect(heard()).toEqual(["ab"]);
  write("c");
  follow(false);
  write("d");
  expect(heard()).toEqual(["ab", "c"]);
});

test("a worker keeps nothing of what is over", () => {
  const { worker, executor, template, run, of } = bench();
  template();
  for (let round = 0; round < 300; round++) {
    const tasks = Array.from({ length: 10 }, (_, i) => 10 + i);
    run(tasks, { cls: round, attempts: tasks.map(() => round + 1) });
    executor.endAll(tasks.map((_, i) => round * 10 + i + 1));
  }
  expect(worker.held).toBe(0);
  expect(worker.unacknowledged).toBe(true);
  worker.receive([{ type: "ack", seq: of("finished").at(-1)!.seq }]);
  expect(worker.unacknowledged).toBe(false);
  expect(worker.heldAttempts()).toEqual([]);
});

test("signals have names", () => {
  expect(signalName(9)).toBe("SIGKILL");
  expect(signalName(64)).toBe("signal 64");
});

test("an attempt that takes more memory than it was given is ended as oom, with both amounts", async () => {
  const { executor, worker, template, run, results, of } = bench();
  const child = Bun.spawn(
    ["python3", "-c", 'import time; a = bytearray(b"x") * (64 << 20); time.sleep(60)'],
    { detached: true, stdio: ["ignore", "ignore", "inherit"] },
  );
  template();
  run([10], { grant: { cpus: 1, memoryBytes: 32 * 2 ** 20, diskBytes: 0 } });
  run([11], { cls: 4 });
  worker.events.started(1, child.pid, 1000);
  worker.events.started(2, process.pid, 1000);
  await executor.called("SIGKILL 1");
  child.kill("SIGKILL");
  await child.exited;
  executor.end(1, { exitCode: null, signal: 9, peakBytes: 2 ** 20 });
  expect(results()[0]).toMatch(
    /^10 oom -9 ended because it had [\d.]+ MiB of memory, it was given 32 MiB$/,
  );
  // Seen in passing, so larger than what the executor tells of one process.
  expect(of("finished")[0]!.batches[0]!.peakBytes[0]!).toBeGreaterThan(32 * 2 ** 20);
  expect(executor.calls).not.toContain("SIGKILL 2");
});

test("with queue depth nothing is held to what it was given; it is told again all the same", () => {
  const { executor, worker, template, run } = bench(5000, true);
  template();
  const grant = { cpus: 3, memoryBytes: 1, diskBytes: 0 };
  run([10], { grant });
  worker.events.started(1, process.pid, 1000);
  expect(executor.starts[0]!.needs?.memoryLimitBytes).toBeNull();
  expect(worker.heldAttempts()[0]!.grants).toEqual([grant]);
});

test("tasks of one block may be in several classes; what was given is told to a server that has forgotten it", () => {
  const { executor, worker, template, run } = bench();
  template();
  const grant = { cpus: 1, memoryBytes: 2 ** 30, diskBytes: 0 };
  run([10, 11], { cls: 1, width: 1 });
  run([12, 13], { cls: -7, width: 1, grant });
  expect(executor.starts.map(({ pool }) => pool)).toEqual([1, 1, 2, 2]);
  expect(worker.heldAttempts()).toEqual([
    {
      workflow: 1,
      tasks: [10, 11, 12, 13],
      attempts: [1, 1, 1, 1],
      started: [true, false, true, false],
      grants: [null, null, grant, grant],
    },
  ]);
  executor.end(3);
  run([14], { cls: -7, width: 1, grant });
  expect(executor.starts.at(-1)!.pool).toBe(2);
});
