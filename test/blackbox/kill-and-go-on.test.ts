// 20 runs, each killed with kill -9 at a random moment and run again until complete: nothing lost, nothing twice.

import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { ledgerRows, linesOf, runReport, spec, start, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

setDefaultTimeout(240_000);

const RUNS = 20;
const SPAWN_RUNS = 4;

/** Known seeds, so that a failure can be looked at again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * head → 40 parts → 20 second (each of two parts) → tail. Each appends `start NAME ATTEMPT` and `end NAME ATTEMPT` to one
 * file; a line this short is written whole.
 */
function workflow(): object {
  const command =
    'echo "start $HOLDALL_TASK $HOLDALL_ATTEMPT" >>log; sleep 0.0{d}; echo "end $HOLDALL_TASK $HOLDALL_ATTEMPT" >>log';
  const plain = command.replace("{d}", "1");
  const second = Array.from({ length: 20 }, (_, i) => ({
    name: `second_${i}`,
    command: plain,
    depends_on: [`part_${i}`, `part_${39 - i}`],
  }));
  return {
    name: "killed",
    tasks: [
      { name: "head", command: plain },
      {
        name: "part_{i}",
        parameters: { i: "0:39" },
        command: command.replace("{d}", "2"),
        depends_on: ["head"],
      },
      ...second,
      { name: "tail", command: plain, depends_on: second.map(({ name }) => name) },
    ],
  };
}

const TASKS = 1 + 40 + 20 + 1;

function upstream(name: string): string[] {
  if (name === "head") return [];
  if (name.startsWith("part_")) return ["head"];
  if (name === "tail") return Array.from({ length: 20 }, (_, i) => `second_${i}`);
  const i = Number(name.slice("second_".length));
  return [`part_${i}`, `part_${39 - i}`];
}

let killedInside = 0;
let finished = 0;

test.each(Array.from({ length: RUNS }, (_, seed) => seed))("run %d", async (seed) => {
  const random = randomOf(seed + 1);
  const cwd = scratchDir();
  const file = spec(cwd, workflow());
  const log = join(cwd, "log");
  const env = seed < SPAWN_RUNS ? { HOLDALL_EXECUTOR: "spawn" } : {};
  const flags = [file, "--max-parallel", "4"];

  // Undisturbed it takes 0.7 s or more; up to three times it is killed before it is let through.
  const kills = 1 + Math.floor(random() * 3);
  for (let kill = 0; kill < kills; kill++) {
    const before = linesOf(log).length;
    const running = start(cwd, ["run", ...flags], { env });
    let ended = false;
    void running.result.then(() => (ended = true));
    await until("a first start", () => linesOf(log).length > before || ended || null);
    await Bun.sleep(random() * 350);
    running.kill("SIGKILL");
    await running.result;
    if (kill > 0) continue;
    const lines = linesOf(log);
    if (lines.length > 0 && !lines.some((line) => line.startsWith("end tail"))) killedInside += 1;
  }

  const report = await runReport(cwd, flags, { env });
  expect(report).toMatchObject({ code: 0, tasks: TASKS, succeeded: TASKS, failed: 0 });
  expect(report.cached + report.attempts).toBe(TASKS);

  const stateDir = join(cwd, ".holdall");
  const accepted = ledgerRows<{ task: number; attempt: number; outcome: number }>(
    stateDir,
    "SELECT task, attempt, outcome FROM results WHERE workflow_id = 1 ORDER BY task",
  );
  expect(accepted.map(({ task }) => task)).toEqual(Array.from({ length: TASKS }, (_, i) => i));
  expect(accepted.every(({ outcome }) => outcome === 0)).toBe(true);

  // Every start has a number of its own, higher than the ones before it.
  const lines = linesOf(log).map((line) => line.split(" "));
  const latest = new Map<string, number>();
  const done = new Set<string>();
  for (const [what, name, number] of lines) {
    if (what === "end") {
      done.add(name!);
      continue;
    }
    expect([name, Number(number) > (latest.get(name!) ?? 0)]).toEqual([name, true]);
    latest.set(name!, Number(number));
    for (const before of upstream(name!))
      expect([name, before, done.has(before)]).toEqual([name, before, true]);
  }
  expect(latest.size).toBe(TASKS);
  // What is accepted is the attempt that came last: a task whose success is durable is not started again.
  const byNumber = new Map(
    ledgerRows<{ task: number; name: string }>(stateDir, "SELECT task, name FROM task_bodies").map(
      ({ task, name }) => [task, name],
    ),
  );
  const ended = new Set(
    lines.filter(([what]) => what === "end").map(([, name, number]) => `${name} ${number}`),
  );
  for (const { task, attempt } of accepted) {
    const name = byNumber.get(task) ?? `part_${task - 1}`;
    expect([name, attempt]).toEqual([name, latest.get(name)!]);
    expect(ended.has(`${name} ${attempt}`)).toBe(true);
  }
  finished += 1;
});

test("most of them were killed between the first start and the last completion", () => {
  expect(finished).toBe(RUNS);
  expect(killedInside).toBeGreaterThanOrEqual(15);
});

afterAll(() => console.log(`${killedInside} of ${RUNS} runs were killed while tasks ran`));
