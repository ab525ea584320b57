// Server and workers are killed, stopped, blocked and cut off from each other.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  isAlive,
  ledgerRows,
  linesOf,
  logs,
  run,
  tasks,
  until,
  untilFile,
} from "../support/holdall.ts";
import { openProxy } from "../support/proxy.ts";
import { scratchDir } from "../support/scratch.ts";
import {
  connectedWorker,
  endAll,
  type Serving,
  serve,
  untilConnected,
  worker,
} from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

/** Heartbeat of these tests; a worker is lost after four of them. */
const BEAT_MS = 300;
const LOSS_MS = BEAT_MS * 4;
const BEAT = ["--heartbeat", String(BEAT_MS)];

/** Notes that attempt N of task I runs (with its pid), waits for go.I.N, and ends. */
const GATED =
  'n={i}.$HOLDALL_ATTEMPT; echo "$n $$" >> started; until [ -e go.$n ]; do sleep 0.02; done; echo "$n" >> ended; echo result $n';

async function submitGated(cwd: string, range: string): Promise<void> {
  const { code } = await run(cwd, [
    "submit",
    "--name",
    "w",
    "--array",
    range,
    "--",
    "sh",
    "-c",
    GATED,
  ]);
  expect(code).toBe(0);
}

const started = (cwd: string): string[] =>
  linesOf(join(cwd, "started")).map((line) => line.split(" ")[0]!);
const pidOf = (cwd: string, attempt: string): number =>
  Number(
    linesOf(join(cwd, "started"))
      .find((line) => line.startsWith(`${attempt} `))!
      .split(" ")[1],
  );
const go = (cwd: string, ...attempts: string[]): void => {
  for (const each of attempts) writeFileSync(join(cwd, `go.${each}`), "");
};
const untilStarted = (cwd: string, ...attempts: string[]): Promise<unknown> =>
  until(`${attempts.join(", ")} started`, () =>
    attempts.every((each) => started(cwd).includes(each)),
  );
const waitAll = async (cwd: string): Promise<void> =>
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);

async function end(process: {
  kill(signal: NodeJS.Signals): void;
  result: Promise<unknown>;
}): Promise<void> {
  process.kill("SIGKILL");
  await process.result;
}

/** What the server said so far of workers that were lost; ends it. */
async function lossesOf(server: Serving): Promise<string[]> {
  server.kill("SIGTERM");
  return (await server.result).stderr.split("\n").filter((line) => line.includes("lost"));
}

test("server killed and started again: attempts go on, held results arrive, nothing runs twice", async () => {
  const cwd = scratchDir();
  const first = await serve(cwd, BEAT);
  await connectedWorker(first, cwd, ["--cpus", "2"]);
  await connectedWorker(first, cwd, ["--cpus", "2"]);
  await submitGated(cwd, "0-5");
  await untilStarted(cwd, "0.1", "1.1", "2.1", "3.1");
  await end(first);
  // These end while nobody is there to be told.
  go(cwd, "0.1", "2.1");
  await until("both ended", () => linesOf(join(cwd, "ended")).length === 2);
  await Bun.sleep(LOSS_MS * 1.5);
  const second = await serve(cwd, BEAT);
  expect(second.access).toEqual(first.access);
  go(cwd, "1.1", "3.1", "4.1", "5.1");
  await waitAll(cwd);
  const each = ["0.1", "1.1", "2.1", "3.1", "4.1", "5.1"];
  expect(started(cwd).sort()).toEqual(each);
  expect(linesOf(join(cwd, "ended")).sort()).toEqual(each);
  for (const task of Object.values(await tasks(cwd)))
    expect(task).toMatchObject({ state: "succeeded", attempts: 1 });
  expect(await lossesOf(second)).toEqual([]);
});

test("worker killed: what it ran is over, and runs again on another", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  const doomed = await connectedWorker(server, cwd, ["--cpus", "2"]);
  await submitGated(cwd, "0-1");
  await untilStarted(cwd, "0.1", "1.1");
  const pids = [pidOf(cwd, "0.1"), pidOf(cwd, "1.1")];
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await end(doomed);
  await until("its attempts are over", () => !pids.some(isAlive), 3000);
  await untilStarted(cwd, "0.2", "1.2");
  go(cwd, "0.2", "1.2");
  await waitAll(cwd);
  for (const task of Object.values(await tasks(cwd)))
    expect(task).toMatchObject({ state: "succeeded", attempts: 2 });
  expect(await lossesOf(server)).toHaveLength(1);
});

test("a worker of the server's own host that is killed is not waited for as long as one that is silent", async () => {
  const cwd = scratchDir();
  // Lost after 40 s of silence.
  const server = await serve(cwd, ["--heartbeat", "10000"]);
  const doomed = await connectedWorker(server, cwd, ["--cpus", "1"]);
  await submitGated(cwd, "0-0");
  await untilStarted(cwd, "0.1");
  const pid = pidOf(cwd, "0.1");
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  await end(doomed);
  await untilStarted(cwd, "0.2");
  expect(isAlive(pid)).toBe(false);
  go(cwd, "0.2");
  await waitAll(cwd);
});

test("a worker that is stopped for too long: its late result is refused and replaces nothing", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  const late = await connectedWorker(server, cwd, ["--cpus", "2"]);
  await submitGated(cwd, "0-1");
  await untilStarted(cwd, "0.1", "1.1");
  late.kill("SIGSTOP");
  // Attempts are processes of their own and end meanwhile.
  go(cwd, "0.1", "1.1");
  await until("both ended", () => linesOf(join(cwd, "ended")).length === 2);
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await untilStarted(cwd, "0.2", "1.2");
  go(cwd, "0.2");
  await until("one result is accepted", async () =>
    Object.values(await tasks(cwd)).some((task) => task.state === "succeeded"),
  );
  late.kill("SIGCONT");
  await untilConnected(server, late);
  // An answer to something asked after the hello: what came with it has been decided.
  await run(cwd, ["submit", "--name", "other", "--", "true"]);
  await run(cwd, ["wait"]);
  const states = Object.values(await tasks(cwd, ["1"]))
    .map((task) => task.state)
    .sort();
  expect(states).toEqual(["running", "succeeded"]);
  go(cwd, "1.2");
  expect((await run(cwd, ["wait", "1", "--timeout", "20"])).code).toBe(0);
  const rows = await tasks(cwd, ["1"]);
  expect(Object.values(rows).map((task) => task.attempts)).toEqual([2, 2]);
  for (const [i, name] of Object.keys(rows).entries())
    expect(await logs(cwd, `1/${name}`)).toBe(`result ${i}.2\n`);
  expect(await lossesOf(server)).toHaveLength(1);
  expect(
    ledgerRows(join(cwd, ".holdall"), "SELECT task FROM results WHERE workflow_id = 1"),
  ).toHaveLength(2);
});

test("a server that is stopped for longer than the loss time declares nobody lost, and nothing is ended", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await submitGated(cwd, "0-1");
  await untilStarted(cwd, "0.1", "1.1");
  server.kill("SIGSTOP");
  await Bun.sleep(LOSS_MS * 3);
  server.kill("SIGCONT");
  await Bun.sleep(LOSS_MS * 2);
  go(cwd, "0.1", "1.1");
  await waitAll(cwd);
  expect(started(cwd).sort()).toEqual(["0.1", "1.1"]);
  for (const task of Object.values(await tasks(cwd))) expect(task.attempts).toBe(1);
  expect(await lossesOf(server)).toEqual([]);
});

test("a worker whose main loop is blocked for longer than the loss time loses nothing", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  const blocked = await connectedWorker(server, cwd, ["--cpus", "2"], {
    env: { HOLDALL_TEST_BLOCK_MS: String(LOSS_MS * 3) },
  });
  await submitGated(cwd, "0-1");
  await untilStarted(cwd, "0.1", "1.1");
  await until("the server knows", async () =>
    Object.values(await tasks(cwd)).every((task) => task.state === "running"),
  );
  blocked.kill("SIGUSR2");
  go(cwd, "0.1");
  await Bun.sleep(LOSS_MS * 2);
  go(cwd, "1.1");
  // It is blocked indeed: both have ended, and neither is reported.
  await until("both ended", () => linesOf(join(cwd, "ended")).length === 2);
  expect(Object.values(await tasks(cwd)).map((task) => task.state)).toEqual(["running", "running"]);
  await waitAll(cwd);
  for (const task of Object.values(await tasks(cwd)))
    expect(task).toMatchObject({ state: "succeeded", attempts: 1 });
  expect(started(cwd).sort()).toEqual(["0.1", "1.1"]);
  expect(await lossesOf(server)).toEqual([]);
});

test("a half-open connection: the worker is lost and replaced; when it is back, its attempt is ended", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  const { url, token } = server.access;
  const proxy = await openProxy(Number(new URL(url).port));
  writeFileSync(
    join(cwd, "proxy.json"),
    JSON.stringify({ url: `http://127.0.0.1:${proxy.port}`, token }),
  );
  const cut = await connectedWorker(server, cwd, ["--access", "proxy.json", "--cpus", "1"]);
  await submitGated(cwd, "0-0");
  await untilStarted(cwd, "0.1");
  const pid = pidOf(cwd, "0.1");
  const other = worker(cwd, ["--cpus", "1"]);
  await untilConnected(server, other);
  proxy.swallow();
  await untilStarted(cwd, "0.2");
  proxy.heal();
  await untilConnected(server, cut);
  await until("the replaced attempt is ended", () => !isAlive(pid), 10_000);
  go(cwd, "0.1", "0.2");
  await waitAll(cwd);
  expect(linesOf(join(cwd, "ended"))).toEqual(["0.2"]);
  expect(Object.values(await tasks(cwd))[0]).toMatchObject({ state: "succeeded", attempts: 2 });
  proxy.close();
  expect(await lossesOf(server)).toHaveLength(1);
});

test("a connection that breaks for a moment: nothing is lost, the same attempt goes on", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, BEAT);
  const { url, token } = server.access;
  const proxy = await openProxy(Number(new URL(url).port));
  writeFileSync(
    join(cwd, "proxy.json"),
    JSON.stringify({ url: `http://127.0.0.1:${proxy.port}`, token }),
  );
  const cut = await connectedWorker(server, cwd, ["--access", "proxy.json", "--cpus", "1"]);
  await submitGated(cwd, "0-1");
  await untilStarted(cwd, "0.1");
  for (let i = 0; i < 5; i++) {
    proxy.heal();
    await Bun.sleep(50);
  }
  await untilConnected(server, cut);
  go(cwd, "0.1", "1.1");
  await waitAll(cwd);
  expect(started(cwd).sort()).toEqual(["0.1", "1.1"]);
  proxy.close();
  expect(await lossesOf(server)).toEqual([]);
});

test("long output survives the death of the server in the middle of it", async () => {
  const cwd = scratchDir();
  const first = await serve(cwd, BEAT);
  await connectedWorker(first, cwd, ["--cpus", "1"]);
  const command =
    "seq 1 30000; echo 1 > one; until [ -e two ]; do sleep 0.02; done; seq 30001 60000; echo 3 > three; until [ -e four ]; do sleep 0.02; done; echo end";
  await run(cwd, ["submit", "--name", "big", "--", "sh", "-c", command]);
  await untilFile(join(cwd, "one"));
  await end(first);
  writeFileSync(join(cwd, "two"), "");
  await untilFile(join(cwd, "three"));
  const second = await serve(cwd, BEAT);
  writeFileSync(join(cwd, "four"), "");
  await waitAll(cwd);
  const rows = await tasks(cwd);
  const [name] = Object.keys(rows);
  expect(rows[name!]!.attempts).toBe(1);
  const wanted = `${Array.from({ length: 60000 }, (_, i) => i + 1).join("\n")}\nend\n`;
  expect((await logs(cwd, name!)) === wanted).toBe(true);
  expect(await lossesOf(second)).toEqual([]);
});
