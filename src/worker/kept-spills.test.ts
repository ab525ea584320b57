import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FinishedBatch, ToServer } from "../protocol/session.ts";
import { KeptSpills } from "./kept-spills.ts";

let folder = "";
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(): KeptSpills {
  folder = mkdtempSync(join(tmpdir(), "holdall-spills-"));
  return new KeptSpills(folder);
}

const spill = (task: number, text: string): ToServer => ({
  type: "spill",
  workflow: 1,
  task,
  attempt: 1,
  stream: "stdout",
  data: Buffer.from(text),
});
const finished = (seq: number, tasks: number[]): ToServer => ({
  type: "finished",
  seq,
  batches: [{ workflow: 1, tasks, attempts: tasks.map(() => 1) } as unknown as FinishedBatch],
});
const again = (kept: KeptSpills): [number, number, string][] =>
  [...kept.all()].map(({ task, at, data }) => [task, at!, Buffer.from(data).toString()]);

test("pieces get their place in the stream, and come again whole until the result is acknowledged", () => {
  const kept = open();
  expect(kept.pass(spill(1, "abc"))).toMatchObject({ at: 0 });
  expect(kept.pass(spill(2, "x"))).toMatchObject({ at: 0 });
  expect(kept.pass(spill(1, "de"))).toMatchObject({ at: 3 });
  expect(again(kept)).toEqual([
    [1, 0, "abcde"],
    [2, 0, "x"],
  ]);
  kept.pass(finished(1, [1]));
  kept.pass(finished(2, [2, 3]));
  expect(again(kept)).toHaveLength(2);
  kept.acknowledged(1);
  expect(again(kept)).toEqual([[2, 0, "x"]]);
  // Sent again after a new connection, and acknowledged then.
  kept.pass(finished(2, [2, 3]));
  kept.acknowledged(2);
  expect(again(kept)).toEqual([]);
  expect(readdirSync(join(folder, "output"))).toEqual([]);
});

test("long output comes again in pieces", () => {
  const kept = open();
  const text = "0123456789".repeat(250_000);
  kept.pass(spill(1, text));
  const pieces = again(kept);
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.map(([, , data]) => data).join("") === text).toBe(true);
  pieces.reduce((end, [, at, data]) => {
    expect(at).toBe(end);
    return end + data.length;
  }, 0);
});

test("where nothing can be kept, it is sent all the same", () => {
  const kept = open();
  kept.pass(spill(1, "abc"));
  rmSync(join(folder, "output"), { recursive: true });
  writeFileSync(join(folder, "output"), "in the way");
  expect(kept.pass(spill(1, "def"))).toMatchObject({ at: 3 });
  expect(kept.pass(spill(1, "ghi"))).toMatchObject({ at: 6 });
});
