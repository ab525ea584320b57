// The main loop of a worker stands still for 30 s, with the heartbeats that everybody has.

import { afterEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, run, tasks, until } from "../../support/holdall.ts";
import { scratchDir } from "../../support/scratch.ts";
import { connectedWorker, endAll, serve } from "../../support/server.ts";

const BLOCKED_MS = 30_000;

afterEach(endAll);

test("a worker whose main loop is blocked for 30 s loses nothing", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const blocked = await connectedWorker(server, cwd, ["--cpus", "2"], {
    env: { HOLDALL_TEST_BLOCK_MS: String(BLOCKED_MS) },
  });
  const command =
    "echo {i}.$HOLDALL_ATTEMPT >>started; until [ -e go ]; do sleep 0.1; done; echo {i} >>ended";
  await run(cwd, ["submit", "--name", "w", "--array", "0-1", "--", "sh", "-c", command]);
  await until("the server knows that both run", async () =>
    Object.values(await tasks(cwd)).every(({ state }) => state === "running"),
  );
  const fromMs = performance.now();
  blocked.kill("SIGUSR2");
  writeFileSync(join(cwd, "go"), "");
  await until("both have ended", () => linesOf(join(cwd, "ended")).length === 2);
  expect((await run(cwd, ["wait", "--timeout", "60"])).code).toBe(0);
  // Neither was reported before the loop went on.
  expect(performance.now() - fromMs).toBeGreaterThan(BLOCKED_MS);
  for (const row of Object.values(await tasks(cwd)))
    expect(row).toMatchObject({ state: "succeeded", attempts: 1 });
  expect(linesOf(join(cwd, "started")).sort()).toEqual(["0.1", "1.1"]);
  server.kill("SIGTERM");
  expect((await server.result).stderr).not.toContain("lost");
}, 120_000);
