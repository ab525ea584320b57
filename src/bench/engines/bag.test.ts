import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BagOptions, readResults, taskName, writeBag } from "./bag.ts";
import type { Workload } from "./samples.ts";
import { WORKLOAD } from "./testing/samples.ts";

const scratch = mkdtempSync(join(tmpdir(), "holdall-bag-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const programs = { compressTask: "/c", sleepTask: "/s", empty: "/e" };

function bagOf(workload: Workload, more: Partial<BagOptions> = {}) {
  const folder = mkdtempSync(join(scratch, "bag-"));
  const bag = writeBag(folder, { workload, programs, seed: 7, ...more });
  const lines = readFileSync(bag.path, "utf8").trimEnd().split("\n");
  return { bag, folder, tasks: lines.map((line) => JSON.parse(line)) };
}

function leave(folder: string, index: number, figures: object | string): void {
  const text = typeof figures === "string" ? figures : JSON.stringify(figures);
  writeFileSync(join(folder, "stats", taskName(index)), text);
}
const figures = (index: number): Record<string, unknown> => ({
  total_ms: index + 1,
  bytes_in: 100,
  bytes_out: 40,
  sha256: `hash${index}`,
  binary: "b1",
});

test("commands of every kind, with seeds that count on", () => {
  const { tasks, folder } = bagOf(WORKLOAD);
  expect(tasks).toHaveLength(4);
  expect(tasks[1]).toEqual({
    name: "t000002",
    argv: [
      ...["/c", "--codec", "zfp", "--n", "2000", "--tolerance", "0.001"],
      ...["--seed", "8", "--stats", join(folder, "stats/t000002")],
    ],
  });
  const zlib = { ...WORKLOAD, kind: "zlib" as const, bytes: 512, level: 6 };
  expect(bagOf(zlib).tasks[0].argv.slice(0, 9)).toEqual([
    ...["/c", "--codec", "zlib", "--bytes", "512", "--level", "6", "--seed", "7"],
  ]);
  expect(bagOf({ ...WORKLOAD, kind: "empty" }).tasks[3]).toEqual({ name: "t000004", argv: ["/e"] });
  const sleep = { ...WORKLOAD, kind: "sleep" as const, sleep_ms: 30 };
  expect(bagOf(sleep).tasks[0].argv).toEqual(["/s", "30"]);
  const marked = bagOf(sleep, { marks: true });
  const mark = join(marked.folder, "marks/t000001");
  expect(marked.tasks[0].argv).toEqual(["/s", "30", "--mark", mark]);
});

test("what the tasks say of themselves, in the order of the bag", () => {
  const { bag, folder } = bagOf(WORKLOAD);
  for (const index of [3, 1, 0, 2]) leave(folder, index, figures(index));
  const results = readResults(bag);
  expect(results).toMatchObject({ task_ms: [1, 2, 3, 4], compression_ratio: 2.5, binary: "b1" });
  expect(results.missing).toBe(0);
  leave(folder, 2, { ...figures(2), sha256: "another" });
  expect(readResults(bag).checksum).not.toBe(results.checksum);
  leave(folder, 2, { ...figures(2), binary: "b2" });
  expect(readResults(bag)).toMatchObject({ checksum: results.checksum, binary: null });
});

test("tasks that left nothing, or something else, have no figures and void the checksum", () => {
  const { bag, folder } = bagOf(WORKLOAD);
  leave(folder, 0, figures(0));
  leave(folder, 1, "\u0000\u0001 binary garbage");
  leave(folder, 2, { total_ms: "1" });
  expect(readResults(bag)).toMatchObject({ task_ms: [1], missing: 3, checksum: null });
});

test("of empty tasks nothing is known", () => {
  const { bag } = bagOf({ ...WORKLOAD, kind: "empty" });
  expect(readResults(bag)).toEqual({
    task_ms: null,
    compression_ratio: null,
    checksum: null,
    binary: null,
    missing: 0,
  });
});
