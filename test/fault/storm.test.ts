import { test } from "bun:test";
import { weather } from "./storm.ts";

// The same with 10,000 tasks and 20 kills of the server: long/storm.test.ts
test("server and workers are killed all the time: every task is accepted once, with its own result", async () => {
  await weather({ tasks: 1000, serverKills: 4, workers: 4, workerKillMs: 300, limitMs: 45_000 });
}, 60_000);
