import { test } from "bun:test";
import { weather } from "../storm.ts";

test("40,000 tasks, the server killed 80 times, one of eight workers every 150 ms", async () => {
  await weather({
    tasks: 40_000,
    serverKills: 80,
    workers: 8,
    workerKillMs: 150,
    limitMs: 880_000,
  });
}, 900_000);
