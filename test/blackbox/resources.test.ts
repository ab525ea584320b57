// cpus and memory are respected when choosing what runs at once; memory used is the task's own.

import { beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

/** Writes when it starts and ends. It stays long enough that others start beside it if they may. */
const counting = (weight: number): string =>
  `echo +${weight} >>log; sleep 0.2; echo -${weight} >>log`;

/** The highest sum of weights at any time. */
function most(): number {
  let sum = 0;
  let highest = 0;
  for (const line of linesOf(join(cwd, "log"))) {
    sum += Number(line);
    highest = Math.max(highest, sum);
  }
  expect(sum).toBe(0);
  return highest;
}

async function runTasks(list: object[], ...flags: string[]) {
  return await runReport(cwd, [spec(cwd, { name: "w", tasks: list }), ...flags]);
}

const bag = (more: object, count: number, weight = 1): object => ({
  name: "t_{i}",
  parameters: { i: `1:${count}` },
  command: counting(weight),
  ...more,
});

test("--cpus: as many single-cpu tasks at once, and no more", async () => {
  expect(await runTasks([bag({}, 9)], "--cpus", "3")).toMatchObject({ code: 0, succeeded: 9 });
  expect(most()).toBe(3);
});

test("cpus of a task count", async () => {
  const wide = { ...bag({ cpus: 3 }, 3, 3), name: "wide_{i}" };
  const narrow = bag({ cpus: 1 }, 6, 1);
  const report = await runTasks([wide, narrow], "--cpus", "4");
  expect(report).toMatchObject({ code: 0, succeeded: 9 });
  expect(most()).toBe(4);
});

test("memory: what does not fit beside the others waits", async () => {
  const report = await runTasks([bag({ memory: "400m" }, 6)], "--cpus", "6", "--memory", "1g");
  expect(report).toMatchObject({ code: 0, succeeded: 6 });
  expect(most()).toBe(2);
});

test("gpus, with named requirements", async () => {
  const document = {
    name: "w",
    resource_requirements: [{ name: "gpu", num_cpus: 1, num_gpus: 1, memory: "1m" }],
    tasks: [bag({ resource_requirements: "gpu" }, 5)],
  };
  const flags = ["--cpus", "8", "--gpus", "2"];
  expect(await runReport(cwd, [spec(cwd, document), ...flags])).toMatchObject({ code: 0 });
  expect(most()).toBe(2);
});

test("--max-parallel: so many at once, whatever they need", async () => {
  const report = await runTasks([bag({ cpus: 500, memory: "900t" }, 8)], "--max-parallel", "4");
  expect(report).toMatchObject({ code: 0, succeeded: 8 });
  expect(most()).toBe(4);
});

const megabytes = (bytes: number | null | undefined): number => (bytes ?? Number.NaN) / 1e6;

test("peak memory is the task's own", async () => {
  const allocate = "x = bytearray(200_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1";
  const report = await runTasks([
    { name: "nothing", command: ["/bin/true"] },
    { name: "allocates", command: ["python3", "-c", allocate] },
    { name: "nothing_after", command: ["/bin/true"], depends_on: ["allocates"] },
  ]);
  expect(report).toMatchObject({ code: 0, succeeded: 3 });
  const rows = await tasks(cwd);
  expect(megabytes(rows["nothing"]?.peak_memory_bytes)).toBeLessThan(10);
  expect(megabytes(rows["nothing_after"]?.peak_memory_bytes)).toBeLessThan(10);
  expect(megabytes(rows["allocates"]?.peak_memory_bytes)).toBeWithin(150, 300);
});

test("peak memory without the launcher is the task's own or not told", async () => {
  const env = { HOLDALL_EXECUTOR: "spawn" };
  const file = spec(cwd, { name: "w", tasks: [{ name: "t", command: ["sleep", "0.1"] }] });
  expect(await runReport(cwd, [file], { env })).toMatchObject({ code: 0 });
  const peak = (await tasks(cwd))["t"]!.peak_memory_bytes;
  if (peak !== null) expect(megabytes(peak)).toBeLessThan(10);
});

test("--custom and --feature offer what tasks ask for", async () => {
  const list = [
    { ...bag({ custom: { licences: 1 } }, 4), name: "l_{i}" },
    { name: "wide", command: "true", features: ["avx512", "fast"] },
  ];
  const offer = ["--custom", "licences=2", "--feature", "avx512", "--feature", "fast"];
  const report = await runTasks(list, "--cpus", "4", ...offer);
  expect(report).toMatchObject({ code: 0, succeeded: 5 });
  expect(most()).toBe(2);
});
