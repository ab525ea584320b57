import { afterEach, expect, test } from "bun:test";
import { endLeftovers, MARK_VARIABLE } from "./leftovers.ts";
import { processStat, untilGone } from "./testing/processes.ts";

const started: number[] = [];
afterEach(() => {
  for (const pid of started.splice(0)) {
    if (processStat(pid) !== null) process.kill(pid, "SIGKILL");
  }
});

/** Starts a script as leader of its own session; it prints the ids of its processes on one line. */
async function leave(script: string, env: Record<string, string>): Promise<number[]> {
  const child = Bun.spawn(["/bin/sh", "-c", script], {
    detached: true,
    env: { PATH: "/usr/bin:/bin", ...env },
    stdin: "ignore",
    stdout: "pipe",
  });
  const { value } = await child.stdout.getReader().read();
  const pids = Buffer.from(value ?? [])
    .toString()
    .trim()
    .split(/\s+/)
    .map(Number);
  started.push(...pids);
  return pids;
}

test("ends what bears the mark with its group, and nothing else", async () => {
  const mark = crypto.randomUUID();
  const [leader = 0, child = 0] = await leave("sleep 300 & echo $$ $!; wait", {
    [MARK_VARIABLE]: mark,
  });
  // Cleared its environment, but is in the group.
  const [shell = 0, bare = 0] = await leave(
    "env -i /bin/sleep 300 & sleep 0.05; echo $$ $!; wait",
    {
      [MARK_VARIABLE]: mark,
    },
  );
  const [stray = 0] = await leave("trap '' TERM HUP; setsid sleep 300 & echo $!", {
    [MARK_VARIABLE]: mark,
    OTHER: "last",
  });
  const others = [
    ...(await leave("sleep 300 & echo $$ $!; wait", { [MARK_VARIABLE]: `${mark}0` })),
    ...(await leave("echo $$; exec sleep 300", { [`X${MARK_VARIABLE}`]: mark })),
    ...(await leave("echo $$; exec sleep 300", {})),
  ];

  const ended = await endLeftovers(mark);
  await untilGone([leader, child, shell, bare, stray]);
  const pids = ended.map((leftover) => leftover.pid);
  expect(pids).toContain(leader);
  expect(pids).toContain(shell);
  expect(pids).toContain(stray);
  expect(ended.find((leftover) => leftover.pid === leader)).toMatchObject({
    group: leader,
    command: "sh",
  });
  expect(others.filter((pid) => processStat(pid) === null)).toEqual([]);
  expect(await endLeftovers(mark)).toEqual([]);
});

test("spares itself when it bears the mark", async () => {
  const mark = crypto.randomUUID();
  const script =
    `const { endLeftovers } = await import(${JSON.stringify(`${import.meta.dir}/leftovers.ts`)});` +
    `console.log(JSON.stringify(await endLeftovers(${JSON.stringify(mark)})));`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    env: { ...process.env, [MARK_VARIABLE]: mark },
    stdout: "pipe",
  });
  expect((await child.stdout.text()).trim()).toBe("[]");
  expect(await child.exited).toBe(0);
});
