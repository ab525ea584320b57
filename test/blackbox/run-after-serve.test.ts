// A state directory whose server has ended, with workers that go on.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, run, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, serve } from "../support/server.ts";

setDefaultTimeout(90_000);
afterEach(endAll);

const GATED = "echo $HOLDALL_ATTEMPT >> started; until [ -e go ]; do sleep 0.02; done";

test("a run is refused while workers of a killed server may run its tasks; with them dead it goes on", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const worker = await connectedWorker(server, cwd, ["--cpus", "1"]);
  const submitted = await run(cwd, ["submit", "--name", "w", "--", "sh", "-c", GATED]);
  expect(submitted.code).toBe(0);
  const started = (): string[] => {
    const path = join(cwd, "started");
    return existsSync(path) ? linesOf(path) : [];
  };
  await until("it has started", () => started().length === 1);
  server.kill("SIGKILL");
  await server.result;

  const refused = await run(cwd, ["run", "1"]);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("workers of a server that has ended may still run 1 task");
  expect(refused.stderr).toContain("holdall serve");
  expect(started()).toEqual(["1"]);

  worker.kill("SIGKILL");
  await worker.result;
  writeFileSync(join(cwd, "go"), "");
  const done = await run(cwd, ["run", "1", "--json"]);
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toMatchObject({ succeeded: 1, attempts: 1 });
  expect(started()).toEqual(["1", "2"]);
});
