import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processStat, untilGone } from "../testing/processes.ts";
import { createBench, createRecorder, type Bench, type Recorder } from "../testing/recorder.ts";
import { openBridge, type Bridge } from "./bridge.ts";
import { parseBridgeLine } from "./bridge-lines.ts";
import { findLauncher } from "./launcher-binary.ts";

const FAKE = join(import.meta.dir, "../testing/fake-bridge.ts");
const launcher = (await findLauncher("/nonexistent"))?.path;

let opened: Bridge | null = null;
afterEach(async () => {
  await opened?.close();
  opened = null;
});

async function open(
  behaviour: string,
  more: { helloMs?: number; remote?: boolean } = {},
): Promise<{ bridge: Bridge; recorder: Recorder; bench: Bench }> {
  const recorder = createRecorder();
  const bridge = await openBridge(recorder.events, {
    name: "fake",
    argv: [process.execPath, FAKE, behaviour, launcher ?? ""],
    install: "install it",
    environment: {},
    helloMs: 10_000,
    remote: false,
    flat: false,
    ...more,
  });
  opened = bridge;
  return { bridge, recorder, bench: createBench(bridge, recorder) };
}

const rejection = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as Error,
  );

describe("a bridge that runs commands itself", () => {
  test("tells output as it is, exits and signals", async () => {
    const { recorder, bench, bridge } = await open("run");
    const binary = bench.run(["/usr/bin/printf", String.raw`\000\377{"id":1}\n`]);
    expect(await recorder.exit(binary)).toMatchObject({ exitCode: 0, launchError: null });
    expect([...recorder.output(binary, "stdout").subarray(0, 2)]).toEqual([0, 255]);
    expect(recorder.output(binary, "stdout").toString("latin1")).toContain('{"id":1}\n');
    const failing = bench.sh("exit 9");
    expect(await recorder.exit(failing)).toMatchObject({ exitCode: 9 });
    const long = bench.run(["/bin/sleep", "300"]);
    await recorder.started(long);
    bridge.kill(long, "SIGTERM");
    expect(await recorder.exit(long)).toMatchObject({ exitCode: null, signal: 15 });
  });

  test("a broken line about an attempt fails that one, with the line; others go on", async () => {
    const { recorder, bench } = await open("run");
    const other = bench.sh("sleep 0.2; echo fine");
    const spoiled = bench.run(["say", '{"type":"exited","id":ID,"exit_co']);
    const exit = await recorder.exit(spoiled);
    expect(exit).toMatchObject({ exitCode: null, signal: null, launchError: { errno: "EPROTO" } });
    expect(exit.launchError?.what).toContain('"type":"exited"');
    expect(exit.launchError?.what).toContain('"exit_co');
    expect(await recorder.exit(other)).toMatchObject({ exitCode: 0 });
    expect(recorder.text(other)).toBe("fine\n");
  });

  test("a broken line about nobody ends the bridge, with the line", async () => {
    const { recorder, bench } = await open("run");
    const pid = await recorder.started(bench.run(["/bin/sleep", "300"]));
    bench.run(["say", "Traceback (most recent call last):"]);
    expect((await recorder.failed).message).toContain("Traceback (most recent call last):");
    await untilGone([pid]);
    expect(recorder.exits).toEqual([]);
  });

  test("a bridge that dies says why, in its own words", async () => {
    const { recorder, bench } = await open("run");
    bench.run(["die"]);
    const { message } = await recorder.failed;
    expect(message).toContain("the fake bridge ended unexpectedly (exit code 3)");
    expect(message).toContain("the engine exploded");
  });

  test("an attempt that its engine gives up is lost, not failed", async () => {
    const { recorder, bench } = await open("run");
    const exit = await recorder.exit(bench.run(["lose"]));
    expect(exit).toMatchObject({ exitCode: null, signal: null, launchError: null });
    expect(exit.lost).toContain("its node went away");
  });

  test("what the engine cannot promise on other hosts is refused", async () => {
    const { recorder, bench } = await open("run", { remote: true });
    const needs = { cpus: 1, memoryBytes: 1, gpus: 0, memoryLimitBytes: null };
    const limited = bench.run(["/bin/true"], { needs: { ...needs, memoryLimitBytes: 1 } });
    const gpu = bench.run(["/bin/true"], { needs: { ...needs, gpus: 1 } });
    for (const id of [limited, gpu])
      expect((await recorder.exit(id)).launchError?.errno).toBe("ENOTSUP");
    expect(await recorder.exit(bench.run(["/bin/true"], { needs }))).toMatchObject({ exitCode: 0 });
    // An engine that is not told what an attempt needs has what its slots have.
    const unequal = await open("slots", { remote: true });
    for (const more of [{ cpus: 3 }, { memoryBytes: 2000 }]) {
      const id = unequal.bench.run(["/bin/true"], { needs: { ...needs, ...more } });
      expect((await unequal.recorder.exit(id)).launchError?.errno).toBe("ENOTSUP");
    }
    const fits = unequal.bench.run(["/bin/true"], {
      needs: { ...needs, cpus: 2, memoryBytes: 1000 },
    });
    expect(await unequal.recorder.exit(fits)).toMatchObject({ exitCode: 0 });
  });
});

test("a bridge that does not start is told apart from one that says nothing, or something else", async () => {
  const base = {
    name: "fake",
    install: "install it",
    environment: {},
    helloMs: 300,
    remote: false,
    flat: false,
  };
  const { events } = createRecorder();
  const absent = await rejection(openBridge(events, { ...base, argv: ["/no/such/bridge"] }));
  expect(absent.message).toContain("cannot be started");
  const dead = await rejection(
    openBridge(events, { ...base, argv: ["/bin/sh", "-c", "echo no such port >&2; exit 1"] }),
  );
  expect(dead.message).toContain("exit code 1): no such port");
  expect((await rejection(open("silent", { helloMs: 300 }))).message).toContain("said nothing");
  expect((await rejection(open("garbage"))).message).toContain("Segmentation fault (core dumped)");
});

describe.skipIf(launcher === undefined)("a bridge that starts launchers", () => {
  test("an engine that starts an attempt a second time is turned away", async () => {
    const { recorder, bench } = await open("twice");
    const id = bench.sh("echo once");
    expect(await recorder.exit(id)).toMatchObject({ exitCode: 0 });
    // A later one proves that the second start of the first has been answered.
    await recorder.exit(bench.sh("sleep 0.2"));
    expect(recorder.text(id)).toBe("once\n");
    expect(recorder.exits.length).toBe(2);
  });

  test("an attempt whose files are brought to it is over once its outputs are here", async () => {
    const { recorder, bridge, bench } = await open("stage");
    bridge.width(1, 1);
    const cwd = mkdtempSync(join(tmpdir(), "holdall-bridge-"));
    writeFileSync(join(cwd, "in"), "in\n");
    writeFileSync(join(cwd, "old"), "old\n");
    const more = { pool: 1, cwd, inputs: ["in"] };
    const whole = bench.sh("cat in > out", { ...more, outputs: ["out"] });
    const failing = bench.sh("pwd; exit 9", { ...more, outputs: ["out"] });
    const none = bench.sh("true", { ...more, outputs: ["old"] });
    const again = bench.sh("cp in again", { ...more, outputs: ["again"] });
    const ended = bench.sh("sleep 300", { ...more, outputs: ["never"] });
    expect(await recorder.exit(whole)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(cwd, "out"), "utf8")).toBe("in\n");
    expect(await recorder.exit(failing)).toMatchObject({ exitCode: 9 });
    expect(recorder.text(failing)).not.toContain(cwd);
    expect((await recorder.exit(none)).unreturned).toBeString();
    // Started a second time, so its worker has gone with what it wrote: it may run again.
    expect((await recorder.exit(again)).lost).toContain("before its outputs had come back");
    await recorder.started(ended);
    bridge.kill(ended, "SIGTERM");
    expect(await recorder.exit(ended)).toMatchObject({ signal: 15 });
    // Without a declared file below its directory it runs there.
    const there = bench.sh("pwd", { cwd, inputs: ["/etc/passwd"] });
    await recorder.exit(there);
    expect(recorder.text(there)).toBe(`${cwd}\n`);
    rmSync(cwd, { recursive: true });
  });

  test("an engine with room to spare starts no more than the pool is wide", async () => {
    const { recorder, bridge, bench } = await open("launch");
    bridge.width(1, 2);
    const folder = mkdtempSync(join(tmpdir(), "holdall-bridge-"));
    const script = (i: number): string => `echo + ${i} >> log; sleep 0.02; echo - ${i} >> log`;
    const ids = Array.from({ length: 12 }, (_, i) => bench.sh(script(i), { pool: 1, cwd: folder }));
    await Promise.all(ids.map((id) => recorder.exit(id)));
    expect(recorder.exits.filter((exit) => exit.exitCode !== 0)).toEqual([]);
    const lines = readFileSync(join(folder, "log"), "utf8").trim().split("\n");
    rmSync(folder, { recursive: true });
    let now = 0;
    const most = lines.map((line) => (now += line.startsWith("+") ? 1 : -1));
    expect(Math.max(...most)).toBe(2);
    expect(lines.length).toBe(24);
  });

  test("a launcher that is killed leaves a lost attempt and none of its processes", async () => {
    const { recorder, bench } = await open("launch");
    const id = bench.sh("sleep 300 & echo $!; wait");
    const pids = [await recorder.started(id), Number(await recorder.firstLine(id))];
    process.kill(processStat(pids[0] ?? 0)?.parent ?? 0, "SIGKILL");
    expect((await recorder.exit(id)).lost).toContain("ended from outside");
    await untilGone(pids);
  });

  test("the death of the bridge ends what its engine started", async () => {
    const { recorder, bench } = await open("launch");
    const id = bench.sh("setsid sleep 300 & echo $!; wait");
    const pids = [await recorder.started(id), Number(await recorder.firstLine(id))];
    const above = processStat(processStat(pids[0] ?? 0)?.parent ?? 0)?.parent ?? 0;
    process.kill(above, "SIGKILL");
    expect((await recorder.failed).message).toContain("SIGKILL");
    await untilGone(pids);
    expect(recorder.exits).toEqual([]);
  });

  test("nobody without the secret is given an attempt", async () => {
    const { recorder, bridge, bench } = await open("launch");
    bridge.width(1, 1);
    const id = bench.sh("sleep 300", { pool: 1 });
    const pid = await recorder.started(id);
    const starter = processStat(pid)?.parent ?? 0;
    const context = readFileSync(`/proc/${starter}/cmdline`, "utf8").split("\0")[2] ?? "";
    expect(statSync(context).mode & 0o777).toBe(0o600);
    const [secret = "", where = ""] = readFileSync(context, "utf8").split("\n");
    // Of one that is handed over and has not begun, there is nothing to be had with another secret.
    for (const [word, told] of [
      ["0".repeat(secret.length), 0],
      [secret, 0], // number 1 runs already
    ] as const) {
      let bytes = 0;
      const closed = Promise.withResolvers<void>();
      const socket = await Bun.connect({
        unix: where.slice("unix ".length),
        socket: {
          data: (_, chunk) => void (bytes += chunk.length),
          close: () => closed.resolve(),
        },
      });
      socket.write(`${word}${"1".padStart(10, "0")}`);
      socket.flush();
      await closed.promise;
      expect(bytes).toBe(told);
    }
    expect(processStat(pid)).not.toBeNull();
  });
});

test("lines are read strictly", () => {
  const exited = { type: "exited", id: 1, exit_code: 0, signal: 9 };
  for (const line of [
    "",
    "null",
    "[]",
    '{"type":"started"}',
    '{"type":"output","id":1,"stream":"stdout","data":"%%"}',
    '{"type":"output","id":1,"stream":"stdin","data":""}',
    '{"type":"exited","id":1}',
    JSON.stringify(exited),
    '{"type":"hello","protocol":2,"name":"x","version":"1","capabilities":{}}',
    '{"type":"surprise","id":1}',
  ])
    expect(parseBridgeLine(line).type).toBe("broken");
  expect(parseBridgeLine('{"type":"done","id":7,"message":"x"}')).toEqual({
    type: "done",
    id: 7,
    message: "x",
    outputsMissing: false,
  });
  const long = parseBridgeLine(`{"id": 12, "${"\u0007".repeat(500)}`);
  expect(long).toMatchObject({ type: "broken", id: 12 });
  if (long.type === "broken") expect(long.line).not.toContain("\u0007");
});
