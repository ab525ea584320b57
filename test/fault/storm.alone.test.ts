import { test } from "bun:test";
import { weather } from "./storm.ts";

test("10,000 tasks, the server killed 20 times, one of six workers every 200 ms: each task is accepted once, with its own result", async () => {
  await weather({
    tasks: 10_000,
    serverKills: 20,
    workers: 6,
    workerKillMs: 200,
    limitMs: 280_000,
  });
}, 300_000);
