import { expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readExecutions } from "./executions.ts";
import { aborted, until, watchDeaths } from "./watch.ts";

test("an execution whose process is gone is noted with the time, one that has ended or lives is not", async () => {
  const marks = join(tmpdir(), `holdall-marks-${crypto.randomUUID()}`);
  mkdirSync(marks);
  const victim = Bun.spawn(["sleep", "600"]);
  const survivor = Bun.spawn(["sleep", "600"]);
  try {
    writeFileSync(join(marks, "t1"), `s ${victim.pid} ${Date.now()}\n`);
    writeFileSync(join(marks, "t2"), `s ${survivor.pid} ${Date.now()}\n`);
    writeFileSync(join(marks, "t3"), `s 999999999 1000\ne 999999999 2000\n`);
    const deaths = new Map<string, number>();
    const watch = watchDeaths(marks, deaths);
    const killedMs = Date.now();
    victim.kill("SIGKILL");
    await victim.exited;
    watch.stop();
    const seen = readExecutions(marks).filter((each) => watch.saw(each));
    expect(seen.map((each) => each.task)).toEqual(["t1"]);
    expect([...deaths.values()].every((ms) => ms >= killedMs && ms <= Date.now())).toBe(true);
  } finally {
    victim.kill("SIGKILL");
    survivor.kill("SIGKILL");
    rmSync(marks, { recursive: true, force: true });
  }
});

test("waiting ends with its signal", async () => {
  const over = new AbortController();
  const waits = Promise.all([
    until(performance.now() + 3_600_000, over.signal),
    aborted(over.signal),
  ]);
  over.abort();
  await waits;
  await until(performance.now() + 3_600_000, over.signal);
});
