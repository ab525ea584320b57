// Categories that learn what their tasks need: what is measured, given, held to, and shown.

import { beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { ledgerRows, parseJson, run, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const MIB = 2 ** 20;

/** Takes so much memory and keeps it for a while. */
const TAKE = "vec($_, ($ARGV[0] << 20) - 1, 8) = 1; select(undef, undef, undef, $ARGV[1])";
const take = (mib: number, seconds: number): string[] => [
  "perl",
  "-e",
  TAKE,
  String(mib),
  String(seconds),
];

interface Category {
  name: string;
  tasks: number;
  samples: number;
  run_seconds: number | null;
  peak_memory_p95_bytes: number | null;
  allocation: string;
  given: { tasks: number; cpus: number; memory_bytes: number; disk_bytes: number }[];
  enlarged: number;
}

async function categories(): Promise<Category[]> {
  const { stdout, stderr } = await run(cwd, ["status", "--categories", "--json"]);
  return (parseJson(stdout, stderr) as { categories: Category[] }).categories;
}

/** One in twenty takes 160 MiB, the others 20. */
function odd(count: number, settings: object, more: object = {}): object {
  const task = (i: number): object => ({
    name: `t_${i}`,
    category: "odd",
    command: i % 20 === 19 ? take(160, 1.2) : take(20, 0.02),
    ...more,
  });
  return {
    name: "w",
    categories: { odd: settings },
    tasks: Array.from({ length: count }, (_, i) => task(i)),
  };
}

test("min_waste: the few that need eight times as much succeed on their second attempt", async () => {
  const document = spec(cwd, odd(80, { allocation: "min_waste" }));
  const report = await runReport(cwd, [document, "--cpus", "2", "--memory", "4g"]);
  expect(report).toMatchObject({ code: 0, succeeded: 80, failed: 0 });
  const rows = await tasks(cwd);
  // Nothing is held to before 25 were measured, and the first of the large ones is one of them.
  for (const i of [39, 59, 79]) expect([i, rows[`t_${i}`]!.attempts]).toEqual([i, 2]);
  expect(report.attempts).toBe(83);
  const [odd_] = await categories();
  expect(odd_).toMatchObject({ name: "odd", tasks: 80, samples: 80, allocation: "min_waste" });
  expect(odd_!.given).toHaveLength(1);
  const given = odd_!.given[0]!.memory_bytes;
  expect(given).toBeGreaterThan(20 * MIB);
  expect(given).toBeLessThan(80 * MIB);
  const first = attemptsOf("t_39")[0]!;
  expect(first.message).toMatch(
    /^ended because it had [\d.]+ MiB of memory, it was given [\d.]+ MiB \(.* were too little: again with [\d.]+ MiB\)$/,
  );
}, 60_000);

/** All recorded attempts of a task that are not its result. */
function attemptsOf(name: string): { outcome: number; message: string }[] {
  return ledgerRows(
    join(cwd, ".holdall"),
    `SELECT outcome, message FROM attempts JOIN task_bodies USING (workflow_id, task)
     WHERE name = '${name}' ORDER BY attempt`,
  );
}

test("what was learned is known when the workflow is taken up again", async () => {
  const document = odd(30, { allocation: "max" }) as { tasks: object[] };
  expect(await runReport(cwd, [spec(cwd, document)])).toMatchObject({ code: 0, succeeded: 30 });
  const [before] = await categories();
  expect(before!.given[0]!.memory_bytes).toBeGreaterThan(160 * MIB);
  // One more: it is given at once what the thirty before it used.
  document.tasks.push({
    name: "last",
    category: "odd",
    command: take(1, 0),
  });
  expect(await runReport(cwd, [spec(cwd, document)])).toMatchObject({ code: 0, cached: 30 });
  const [after] = await categories();
  expect(after!.given).toEqual([{ ...before!.given[0]!, tasks: 31 }]);
}, 60_000);

test("more than the largest worker has is a failure that says so", async () => {
  const document = spec(cwd, odd(20, { allocation: "max" }, { memory: "40m", retries: 3 }));
  const report = await runReport(cwd, [document, "--cpus", "2", "--memory", "100m"]);
  expect(report).toMatchObject({ code: 1, succeeded: 19, failed: 1 });
  const [row] = ledgerRows<{ message: string }>(
    join(cwd, ".holdall"),
    "SELECT message FROM results WHERE outcome = 3",
  );
  expect(row!.message).toContain("100 MiB of memory were too little, and no worker known has more");
}, 60_000);

test("memory of a category with fixed allocation is reserved, and nothing is held to it", async () => {
  const document = spec(cwd, odd(20, { allocation: "fixed" }, { memory: "40m" }));
  const report = await runReport(cwd, [document, "--cpus", "2", "--memory", "100m"]);
  expect(report).toMatchObject({ code: 0, succeeded: 20, attempts: 20 });
  const [odd_] = await categories();
  expect(odd_).toMatchObject({
    allocation: "fixed",
    samples: 20,
    given: [{ tasks: 20, cpus: 1, memory_bytes: 40 * MIB, disk_bytes: 0 }],
    enlarged: 0,
  });
  expect(odd_!.run_seconds!).toBeGreaterThan(0.02);
  const { stdout } = await run(cwd, ["status", "--categories"]);
  expect(stdout).toMatch(/^odd +20 +20 .* fixed +1 cpu, 40\.0 MiB$/m);
}, 60_000);
