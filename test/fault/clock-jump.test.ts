// Somebody sets the clock, for one process: libfaketime reads the difference from a file.

import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, run, spec, tasks, until } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";
import { serve, worker } from "../support/server.ts";

const LIBRARY = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
].find((path) => existsSync(path));
const BEAT = ["--heartbeat", "1000"];

/** A clock of a process's own. */
function clock(cwd: string, name: string): { env: Record<string, string>; set(by: string): void } {
  const file = join(cwd, `${name}.clock`);
  const set = (by: string): void => writeFileSync(file, `${by}\n`);
  set("+0");
  return {
    set,
    env: {
      LD_PRELOAD: LIBRARY ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
  };
}

/** Fails once, after it was let go, and is tried again a second later; the clocks are set in between. */
const WORKFLOW = {
  name: "w",
  tasks: [
    {
      name: "t_{i}",
      parameters: { i: "0:3" },
      retries: 2,
      timeout: "20s",
      command: [
        "sh",
        "-c",
        "n={i}.$HOLDALL_ATTEMPT; echo $n >>started; [ $HOLDALL_ATTEMPT = 3 ] && exit 0; until [ -e go.$HOLDALL_ATTEMPT ]; do sleep 0.02; done; exit 1",
      ],
    },
  ],
};

const missing = requires("libfaketime", "apt-get install faketime", LIBRARY !== undefined);
describe.skipIf(missing)("the clock is set", () => {
  test.each([
    ["forward by an hour", "+1h"],
    ["back by an hour", "-1h"],
  ])(
    "%s: nobody is lost, nothing is killed, back-offs end in time",
    async (_, by) => {
      const cwd = scratchDir();
      spec(cwd, WORKFLOW);
      const ofServer = clock(cwd, "server");
      const ofWorker = clock(cwd, "worker");
      const server = await serve(cwd, BEAT, { env: ofServer.env });
      worker(cwd, ["--cpus", "4"], { env: ofWorker.env });
      expect((await run(cwd, ["submit", "workflow.yaml"])).code).toBe(0);
      const started = (attempt: number): boolean =>
        linesOf(join(cwd, "started")).filter((line) => line.endsWith(`.${attempt}`)).length === 4;
      await until("the first attempts run", () => started(1));
      ofServer.set(by);
      ofWorker.set(by);
      writeFileSync(join(cwd, "go.1"), "");
      await until("the second attempts run", () => started(2));
      ofServer.set("+0");
      writeFileSync(join(cwd, "go.2"), "");
      await until("they wait for their third attempt", async () =>
        Object.values(await tasks(cwd)).every(
          ({ state, attempts }) => state !== "running" || attempts === 3,
        ),
      );
      ofServer.set(by);
      expect((await run(cwd, ["wait", "--timeout", "15"])).code).toBe(0);
      for (const row of Object.values(await tasks(cwd)))
        expect(row).toMatchObject({ state: "succeeded", attempts: 3 });
      server.kill("SIGTERM");
      expect((await server.result).stderr).not.toContain("lost");
    },
    40_000,
  );
});
