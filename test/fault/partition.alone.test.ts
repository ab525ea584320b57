// A worker on a host of its own whose network is cut, for longer and for shorter than the loss time.

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdall, linesOf, logs, run, tasks, until } from "../support/holdall.ts";
import { type Host, newHost, requiresNetworks } from "../support/network.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, serve, type Serving, untilConnected, worker } from "../support/server.ts";

/** A worker is lost after four of these. */
const BEAT_MS = 400;
const SLOW_BEAT_MS = 1500;

/** Says every few milliseconds that it lives, until it is let go. */
const COMMAND =
  'n={i}.$HOLDALL_ATTEMPT; until [ -e go.$n ]; do date +%s%N >>lives.$n; sleep 0.01; done; echo "$n" >>ended; echo result $n';

async function start(beatMs: number): Promise<{ cwd: string; host: Host; server: Serving }> {
  const cwd = scratchDir();
  const host = newHost();
  const beat = ["--heartbeat", String(beatMs)];
  const server = await serve(cwd, [...beat, "--host", "0.0.0.0"]);
  const { port } = new URL(server.access.url);
  const access = { ...server.access, url: `http://${host.gateway}:${port}` };
  writeFileSync(join(cwd, "access.far.json"), JSON.stringify(access), { mode: 0o600 });
  const submit = ["submit", "--name", "w", "--array", "0-1", "--", "sh", "-c", COMMAND];
  expect((await run(cwd, submit)).code).toBe(0);
  return { cwd, host, server };
}

const times = (cwd: string, attempt: string): bigint[] =>
  linesOf(join(cwd, `lives.${attempt}`)).map(BigInt);
const lives = (cwd: string, ...attempts: string[]): Promise<unknown> =>
  until(`${attempts.join(", ")} run`, () => attempts.every((each) => times(cwd, each).length > 0));
const go = (cwd: string, ...attempts: string[]): void => {
  for (const each of attempts) writeFileSync(join(cwd, `go.${each}`), "");
};

describe.skipIf(requiresNetworks())("a network that is cut", () => {
  test.each(["there", "here"] as const)(
    "%s for too long: attempts beyond it are ended before others start, and their host comes back to work",
    async (end) => {
      const { cwd, host, server } = await start(BEAT_MS);
      const far = worker(cwd, ["--access", "access.far.json", "--cpus", "2"], {
        command: [...host.enter, holdall],
      });
      await lives(cwd, "0.1", "1.1");
      // `ip netns exec` becomes the worker.
      await untilConnected(server, far);
      await connectedWorker(server, cwd, ["--cpus", "1"]);
      host.cable("down", end);
      await until("one runs again", () =>
        ["0.2", "1.2"].some((each) => times(cwd, each).length > 0),
      );
      const again = times(cwd, "0.2").length > 0 ? 0 : 1;
      const [restarted] = times(cwd, `${again}.2`);
      const silent = [0, 1].map((i) => times(cwd, `${i}.1`).at(-1)!);
      for (const last of silent) expect(last).toBeLessThan(restarted!);
      // Whoever is let go now was ended before.
      go(cwd, "0.1", "1.1", "0.2", "1.2");
      host.cable("up", end);
      await untilConnected(server, far);
      expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
      expect(linesOf(join(cwd, "ended")).sort()).toEqual(["0.2", "1.2"]);
      for (const [i, [name, row]] of Object.entries(await tasks(cwd)).entries()) {
        expect(row).toMatchObject({ state: "succeeded", attempts: 2 });
        expect(await logs(cwd, name)).toBe(`result ${i}.2\n`);
      }
      await run(cwd, ["submit", "--name", "next", "--array", "0-7", "--", "true"]);
      expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
    },
    60_000,
  );

  test("for a moment: the attempts go on and are accepted", async () => {
    const { cwd, host, server } = await start(SLOW_BEAT_MS);
    const far = worker(cwd, ["--access", "access.far.json", "--cpus", "2"], {
      command: [...host.enter, holdall],
    });
    await lives(cwd, "0.1", "1.1");
    host.cable("down");
    // Ends while nobody can be told.
    go(cwd, "0.1");
    await until("it has ended", () => linesOf(join(cwd, "ended")).length === 1);
    // Time for heartbeats to be missed.
    await Bun.sleep(SLOW_BEAT_MS);
    host.cable("up");
    go(cwd, "1.1");
    expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
    for (const row of Object.values(await tasks(cwd)))
      expect(row).toMatchObject({ state: "succeeded", attempts: 1 });
    await untilConnected(server, far);
    server.kill("SIGTERM");
    expect((await server.result).stderr).not.toContain("lost");
  }, 60_000);
});
