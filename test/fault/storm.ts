// A workflow under constant loss of processes: the server is killed again and again, and one of six workers at every turn.

import { expect } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { outcomeIndex } from "../../src/core/states.ts";
import { ledgerRows, run, type Running, spec, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { type Serving, serve, worker } from "../support/server.ts";

export interface Storm {
  /** an even number: half of them wait for the other half, each for one */
  tasks: number;
  serverKills: number;
  workers: number;
  /** one of the workers is killed and replaced at this interval */
  workerKillMs: number;
  limitMs: number;
}

/** Missed three times and a half of this, a worker counts as lost. */
const BEAT_MS = 250;

export async function weather({ tasks, serverKills, ...storm }: Storm): Promise<void> {
  const half = tasks / 2;
  const cwd = scratchDir();
  mkdirSync(join(cwd, "out"));
  const range = `0:${half - 1}`;
  spec(cwd, {
    name: "storm",
    tasks: [
      {
        name: "a_{i}",
        parameters: { i: range },
        command: [
          "sh",
          "-c",
          "v=$(({i}*{i}+1)); echo $v >out/a_{i}.$HOLDALL_ATTEMPT; echo $v $HOLDALL_ATTEMPT",
        ],
      },
      {
        name: "b_{i}",
        parameters: { i: range },
        depends_on: ["a_{i}"],
        // An attempt of a_i that was killed may have left an empty file.
        command: [
          "sh",
          "-c",
          "v=; for f in out/a_{i}.*; do read v <$f && break; done; v=$((v+{i})); echo $v >out/b_{i}.$HOLDALL_ATTEMPT; echo $v $HOLDALL_ATTEMPT",
        ],
      },
    ],
  });
  const valueOf = (task: number): number => {
    const i = task % half;
    return i * i + 1 + (task < half ? 0 : i);
  };
  const nameOf = (task: number): string => `${task < half ? "a" : "b"}_${task % half}`;

  const flags = ["--heartbeat", String(BEAT_MS), "--quiet"];
  let server = await serve(cwd, flags);
  expect((await run(cwd, ["submit", "workflow.yaml"])).code).toBe(0);
  const startWorker = (): Running => worker(cwd, ["--cpus", "1", "--quiet"]);
  const workers = Array.from({ length: storm.workers }, startWorker);
  let workersKilled = 0;
  let over = false;
  /** In the middle of whatever it does: that is the point of the interval. */
  async function killWorkers(): Promise<void> {
    while (!over) {
      await Bun.sleep(storm.workerKillMs);
      const at = workersKilled++ % workers.length;
      workers[at]!.kill("SIGKILL");
      await workers[at]!.result;
      workers[at] = startWorker();
    }
  }
  const killing = killWorkers();

  /** name and attempt of what a server has said to have succeeded */
  const acknowledged = new Map<string, number>();
  const started = performance.now();
  try {
    for (let kill = 1; kill <= serverKills; kill++) {
      await untilDone(server, (tasks * kill) / (serverKills + 1), started, storm.limitMs);
      for (const { name, attempts } of await succeeded(server)) {
        const before = acknowledged.get(name);
        if (before !== undefined && before !== attempts)
          throw new Error(`${name}: attempt ${before} was accepted, and now it is ${attempts}`);
        acknowledged.set(name, attempts);
      }
      server.kill("SIGKILL");
      await server.result;
      server = await serve(cwd, flags);
    }
    await untilDone(server, tasks, started, storm.limitMs);
  } finally {
    over = true;
    await killing;
  }
  expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
  server.kill("SIGTERM");
  expect((await server.result).code).toBe(0);
  expect(acknowledged.size).toBeGreaterThan(tasks / 2);
  expect(workersKilled).toBeGreaterThan(serverKills);

  const stateDir = join(cwd, ".holdall");
  const rows = ledgerRows<{ task: number; attempt: number; outcome: number; stdout: Uint8Array }>(
    stateDir,
    "SELECT r.task, r.attempt, r.outcome, o.stdout FROM results r LEFT JOIN outputs o USING (workflow_id, task, attempt) ORDER BY r.task",
  );
  expect(rows.map(({ task }) => task)).toEqual(Array.from({ length: tasks }, (_, task) => task));
  const wrong: string[] = [];
  for (const { task, attempt, outcome, stdout } of rows) {
    const name = nameOf(task);
    const value = valueOf(task);
    const told = acknowledged.get(name);
    if (outcome !== 0) wrong.push(`${name}: outcome ${outcome}`);
    if (told !== undefined && told !== attempt) wrong.push(`${name}: ${told} became ${attempt}`);
    const printed = new TextDecoder().decode(stdout);
    if (printed !== `${value} ${attempt}\n`) wrong.push(`${name}: printed ${printed}`);
    const file = readFileSync(join(cwd, "out", `${name}.${attempt}`), "utf8");
    if (file !== `${value}\n`) wrong.push(`${name}: wrote ${file}`);
  }
  expect(wrong).toEqual([]);
  // Nothing failed by itself: whatever was run again had been lost.
  const others = ledgerRows<{ outcome: number; attempts: number }>(
    stateDir,
    "SELECT outcome, count(*) AS attempts FROM attempts GROUP BY outcome",
  );
  expect(others.map(({ outcome }) => outcome).filter((outcome) => !LOST.has(outcome))).toEqual([]);
  const seconds = (performance.now() - started) / 1000;
  const lost = others.reduce((sum, { attempts }) => sum + attempts, 0);
  console.info(
    `${tasks} tasks, server killed ${serverKills} times, workers ${workersKilled} times: ${lost} attempts lost, ${seconds.toFixed(1)} s`,
  );
}

const LOST: ReadonlySet<number> = new Set([outcomeIndex("worker_lost"), outcomeIndex("preempted")]);

async function untilDone(
  server: Serving,
  done: number,
  started: number,
  limitMs: number,
): Promise<void> {
  const leftMs = Math.max(1, limitMs - (performance.now() - started));
  await until(
    `${Math.floor(done)} tasks are done`,
    async () => {
      const answer = await server.fetch("/api/v1/workflows/1");
      const status = (await answer.json()) as { tasks: Record<string, number> };
      if (status.tasks["failed"]! > 0) throw new Error("a task failed");
      return status.tasks["succeeded"]! >= Math.floor(done);
    },
    leftMs,
  );
}

async function succeeded(server: Serving): Promise<{ name: string; attempts: number }[]> {
  const rows: { name: string; attempts: number }[] = [];
  let cursor: string | null = null;
  do {
    const from = cursor === null ? "" : `&cursor=${cursor}`;
    const path = `/api/v1/workflows/1/tasks?state=succeeded&limit=10000${from}`;
    const page = (await (await server.fetch(path)).json()) as {
      tasks: { name: string; attempts: number }[];
      next_cursor: string | null;
    };
    rows.push(...page.tasks);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return rows;
}
