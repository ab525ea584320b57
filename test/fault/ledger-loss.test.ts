// The end of the log is torn or cut while nobody owns the ledger.

import { expect, test } from "bun:test";
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ledgerRows, linesOf, run, start, tasks, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, serve, worker } from "../support/server.ts";

const BEAT = ["--heartbeat", "300"];
const COMMAND =
  "echo {i}.$HOLDALL_ATTEMPT >>ran; until [ -e go.{i} ]; do sleep 0.02; done; echo {i}";

/** A server killed after two of four results were acknowledged; its worker goes on alone. */
async function killed(): Promise<{ cwd: string; log: string; between: number }> {
  const cwd = scratchDir();
  const log = join(cwd, ".holdall/ledger.db-wal");
  const server = await serve(cwd, BEAT);
  await connectedWorker(server, cwd, ["--cpus", "4"]);
  await run(cwd, ["submit", "--name", "w", "--array", "0-3", "--", "sh", "-c", COMMAND]);
  await until("all run", () => linesOf(join(cwd, "ran")).length === 4);
  await finish(cwd, 0, 1);
  const between = statSync(log).size;
  await finish(cwd, 1, 2);
  server.kill("SIGKILL");
  await server.result;
  expect(statSync(log).size).toBeGreaterThan(between);
  return { cwd, log, between };
}

async function finish(cwd: string, task: number, done: number): Promise<void> {
  writeFileSync(join(cwd, `go.${task}`), "");
  await until(`${done} are acknowledged`, async () => {
    const states = Object.values(await tasks(cwd)).map(({ state }) => state);
    return states.filter((state) => state === "succeeded").length === done;
  });
}

async function goOn(cwd: string): Promise<void> {
  for (const task of [2, 3]) writeFileSync(join(cwd, `go.${task}`), "");
  expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
}

test("a tail that was never committed is ignored: nothing is lost, nothing runs twice", async () => {
  const { cwd, log } = await killed();
  // The first pages of a transaction that the death of the machine cut short.
  appendFileSync(log, readFileSync(log).subarray(32, 32 + 24 + 8192 + 1000));
  const server = await serve(cwd, BEAT);
  await goOn(cwd);
  expect(linesOf(join(cwd, "ran"))).toHaveLength(4);
  server.kill("SIGTERM");
  expect((await server.result).stderr).not.toContain("warning");
}, 60_000);

test.each(["cut", "gone"])(
  "a log that is %s below what was acknowledged is refused until the loss is accepted",
  async (how) => {
    const { cwd, log, between } = await killed();
    if (how === "cut") truncateSync(log, between);
    else rmSync(log);
    const left = readdirSync(join(cwd, ".holdall")).includes("ledger.db-wal")
      ? readFileSync(log)
      : null;
    const refused = await run(cwd, ["serve", ...BEAT]);
    expect(refused.code).toBe(4);
    expect(refused.stdout).toBe("");
    expect(refused.stderr).toMatch(
      how === "cut"
        ? /has lost what was acknowledged: its last (\d+ )?acknowledged commits? (is|are) missing/
        : /has lost what was acknowledged: its last \d+ acknowledged commits are missing/,
    );
    expect(refused.stderr).toContain("holdall serve --accept-loss");
    // Nobody else goes past it either, and nothing was touched.
    expect((await run(cwd, ["status"])).code).toBe(4);
    expect((await run(cwd, ["run", "--json", "--", "true"])).stdout).toContain("ledger_damaged");
    if (left) expect(readFileSync(log).equals(left)).toBe(true);

    const server = start(cwd, ["serve", "--accept-loss", ...BEAT]);
    try {
      await until(
        "it serves",
        async () => (await run(cwd, ["status"])).code === (how === "cut" ? 0 : 3),
      );
      if (how === "cut") {
        // What was acknowledged and lost runs again; the rest is taken back from the worker.
        worker(cwd, ["--cpus", "4"]);
        await goOn(cwd);
        const rows = await tasks(cwd);
        expect(Object.values(rows).map(({ state }) => state)).toEqual(Array(4).fill("succeeded"));
      }
    } finally {
      server.kill("SIGTERM");
    }
    const { stderr } = await server.result;
    expect(stderr).toContain("warning: going on although");
    const again = await serve(cwd, BEAT);
    again.kill("SIGTERM");
    expect((await again.result).stderr).not.toContain("lost what was acknowledged");
    if (how === "cut")
      expect(
        ledgerRows<{ task: number }>(
          join(cwd, ".holdall"),
          "SELECT task FROM results ORDER BY task",
        ),
      ).toEqual([0, 1, 2, 3].map((task) => ({ task })));
  },
  60_000,
);

test("run refuses it as well, and goes on with --accept-loss", async () => {
  const cwd = scratchDir();
  const array = ["--name", "w", "--array", "0-9", "--", "true"];
  expect((await run(cwd, ["run", ...array])).code).toBe(0);
  const older = readFileSync(join(cwd, ".holdall/ledger.db"));
  expect((await run(cwd, ["run", ...array])).code).toBe(0);
  writeFileSync(join(cwd, ".holdall/ledger.db"), older);
  const refused = await run(cwd, ["run", ...array]);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("holdall run --accept-loss");
  const accepted = await run(cwd, ["run", "--accept-loss", ...array]);
  expect(accepted.stderr).toContain("warning: going on although");
  expect(accepted.code).toBe(0);
  expect((await run(cwd, ["run", ...array])).code).toBe(0);
}, 60_000);
