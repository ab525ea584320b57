import { expect, test } from "bun:test";
import type { Executor, ExecutorEvents, Exit } from "./executor.ts";
import { isInJob, openInJob } from "./job-end.ts";

const NOTHING: Executor = {
  name: "nothing",
  environment: () => 0,
  width() {},
  start() {},
  kill() {},
  drop() {},
  close: async () => {},
};

function exit(id: number, ended: { signal?: number; exitCode?: number }): Exit {
  return {
    id,
    exitCode: ended.exitCode ?? null,
    signal: ended.signal ?? null,
    launchError: null,
    dropped: false,
    startedMs: 0,
    wallUs: 0,
    userUs: 0,
    systemUs: 0,
    peakBytes: null,
  };
}

async function opened(told: () => boolean): Promise<{
  executor: Executor;
  inside: ExecutorEvents;
  seen: Exit[];
  count: (wanted: number) => Promise<void>;
}> {
  const seen: Exit[] = [];
  let wake: (() => void) | null = null;
  let inside: ExecutorEvents | null = null;
  const executor = await openInJob(
    {
      started() {},
      output() {},
      failed() {},
      exited(exits) {
        seen.push(...exits);
        wake?.();
      },
    },
    async (events) => {
      inside = events;
      return NOTHING;
    },
    told,
  );
  const count = async (wanted: number): Promise<void> => {
    while (seen.length < wanted) await new Promise<void>((resolve) => (wake = resolve));
  };
  return { executor, inside: inside!, seen, count };
}

test("ends by a signal from outside are the job's when the worker is told to go right after", async () => {
  let told = false;
  const { inside, seen, count } = await opened(() => told);
  inside.exited([
    exit(1, { signal: 15 }),
    exit(2, { exitCode: 0 }),
    exit(3, { exitCode: 143 }),
    exit(4, { signal: 11 }),
  ]);
  expect(seen.map(({ id }) => id)).toEqual([2, 4]);
  told = true;
  await count(4);
  expect(seen.map(({ id, preempted }) => [id, preempted !== undefined])).toEqual([
    [2, false],
    [4, false],
    [1, true],
    [3, true],
  ]);
});

test("without that they are the program's, and those that we signal ourselves do not wait", async () => {
  const { executor, inside, seen, count } = await opened(() => false);
  executor.kill(1, "SIGKILL");
  inside.exited([exit(1, { signal: 9 })]);
  expect(seen.length).toBe(1);
  inside.exited([exit(2, { signal: 9 })]);
  await count(2);
  expect(seen[1]).toEqual(exit(2, { signal: 9 }));
});

test("nothing comes after close", async () => {
  const { executor, inside, seen } = await opened(() => true);
  inside.exited([exit(1, { signal: 15 })]);
  await executor.close();
  await Bun.sleep(400);
  expect(seen).toEqual([]);
});

test("whether we are in a job is said by its variables", () => {
  expect(isInJob({ SLURM_JOB_ID: "7" })).toBe(true);
  expect(isInJob({ SLURM_CONF: "/etc/slurm/slurm.conf" })).toBe(false);
});
