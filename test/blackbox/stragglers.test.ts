// Fast abort and speculation with two workers, one of which is slow: its environment says so to the tasks.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  isAlive,
  linesOf,
  parseJson,
  run,
  spec,
  tasks,
  until,
  untilFile,
} from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, type Serving, serve } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** Notes who runs what; a slow host takes for ever unless it is cured. */
const work = (seconds: number): string =>
  `echo "\${HOST_IS:-fast} $HOLDALL_TASK.$HOLDALL_ATTEMPT $$" >> ran; ` +
  `if [ "$HOST_IS" = slow ]; then until [ -e cured ]; do sleep 0.02; done; fi; sleep ${seconds}; echo x > $HOLDALL_TASK.out`;

interface Ran {
  host: string;
  attempt: string;
  pid: number;
}

const ran = (): Ran[] =>
  linesOf(join(cwd, "ran")).map((line) => {
    const [host, attempt, pid] = line.split(" ");
    return { host: host!, attempt: attempt!, pid: Number(pid) };
  });

const slowWorker = (server: Serving, cpus: number): ReturnType<typeof connectedWorker> =>
  connectedWorker(server, cwd, ["--cpus", String(cpus)], { env: { HOST_IS: "slow" } });

async function submit(document: object): Promise<void> {
  const { code, stderr } = await run(cwd, ["submit", "--quiet", spec(cwd, document)]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
}

interface Detail {
  attempts_detail: { attempt: number; outcome: string; message: string | null }[];
}

async function outcomesOf(server: Serving, task: string): Promise<[string, string | null][]> {
  const response = await server.fetch(`/api/v1/workflows/1/tasks/${task}`);
  const { attempts_detail } = (await response.json()) as Detail;
  return attempts_detail
    .toSorted((a, b) => a.attempt - b.attempt)
    .map(({ outcome, message }) => [outcome, message]);
}

test("fast abort: far too slow attempts are ended and run elsewhere, and the worker is left out", async () => {
  const server = await serve(cwd);
  await slowWorker(server, 1);
  await submit({
    name: "w",
    categories: { c: { fast_abort: 3 } },
    tasks: [{ name: "t_{i:02d}", parameters: { i: "1:40" }, command: work(0.1), category: "c" }],
  });
  await untilFile(join(cwd, "ran"));
  const slow = ran()[0]!;
  expect(slow).toMatchObject({ host: "slow", attempt: "t_01.1" });
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  await until("its attempt is ended", () => !isAlive(slow.pid), 20_000);
  expect((await run(cwd, ["wait", "--timeout", "40"])).code).toBe(0);
  const [name] = slow.attempt.split(".");
  const outcomes = await outcomesOf(server, name!);
  expect(outcomes[0]![0]).toBe("preempted");
  expect(outcomes[0]![1]).toContain("far longer than others");
  expect(outcomes.at(-1)![0]).toBe("ok");
  const there = ran().filter(({ host }) => host === "slow");
  expect(there.length).toBeGreaterThanOrEqual(2);
  for (const { pid } of there) expect(isAlive(pid)).toBe(false);
  // Two tasks in a row were slow there.
  await submit({ name: "next", tasks: [{ name: "big", command: "true", cpus: 64 }] });
  const { stdout, stderr } = await run(cwd, ["explain", "2/big", "--json"]);
  const { reasons } = parseJson(stdout, stderr) as { reasons: { kind: string; text: string }[] };
  expect(reasons.map(({ kind }) => kind).toSorted()).toEqual(["excluded", "too_large"]);
});

test("speculation: a duplicate wins and the other is ended; outputs in place only where it does no harm", async () => {
  const server = await serve(cwd);
  const there = ["safe", "risky", "bag_1"];
  await slowWorker(server, there.length);
  const usual = { category: "c", command: work(0.02) };
  await submit({
    name: "w",
    categories: { c: { speculate: 2 } },
    tasks: [
      // In place, and harmless twice at a time; in place; nothing is declared to be written.
      { name: "safe", ...usual, priority: 9, outputs: ["safe.out"], idempotent: true },
      { name: "risky", ...usual, priority: 8, outputs: ["risky.out"] },
      { name: "bag_{i}", ...usual, priority: 7, parameters: { i: "1:1" } },
      { name: "t_{i}", ...usual, parameters: { i: "1:12" } },
    ],
  });
  await until("the slow worker is full", () => ran().length === there.length);
  expect(
    ran()
      .map(({ attempt }) => attempt)
      .toSorted(),
  ).toEqual(there.map((name) => `${name}.1`).toSorted());
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await until("both duplicates won", async () => {
    const rows = await tasks(cwd);
    return rows["safe"]!.state === "succeeded" && rows["bag_1"]!.state === "succeeded";
  });
  const first = (name: string): Ran => ran().find(({ attempt }) => attempt === `${name}.1`)!;
  await until("the slow ones are ended", () =>
    ["safe", "bag_1"].every((name) => !isAlive(first(name).pid)),
  );
  expect(isAlive(first("risky").pid)).toBe(true);
  writeFileSync(join(cwd, "cured"), "");
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);
  const rows = await tasks(cwd);
  expect(rows["risky"]).toMatchObject({ state: "succeeded", attempts: 1 });
  for (const name of ["safe", "bag_1"]) {
    expect(rows[name]).toMatchObject({ state: "succeeded", attempts: 2 });
    const outcomes = await until("the end of the slower one is recorded", async () => {
      const all = await outcomesOf(server, name);
      return all.length === 2 ? all : null;
    });
    expect(outcomes.map(([outcome]) => outcome)).toEqual(["superseded", "ok"]);
  }
  expect(ran().filter(({ attempt }) => attempt.startsWith("risky"))).toHaveLength(1);
});

test("neither happens where nobody asked for it", async () => {
  const server = await serve(cwd);
  await slowWorker(server, 1);
  const array = { name: "t_{i}", parameters: { i: "1:15" }, idempotent: true };
  await submit({ name: "w", tasks: [{ ...array, command: work(0.02) }] });
  await untilFile(join(cwd, "ran"));
  await connectedWorker(server, cwd, ["--cpus", "2"]);
  await until("all others have ended", async () => {
    const all = Object.values(await tasks(cwd));
    return all.filter(({ state }) => state === "succeeded").length === 14;
  });
  // Longer than it takes a duplicate, or an abort, to come where they are asked for.
  await Bun.sleep(1500);
  expect(isAlive(ran()[0]!.pid)).toBe(true);
  expect(ran()).toHaveLength(15);
  writeFileSync(join(cwd, "cured"), "");
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);
});
