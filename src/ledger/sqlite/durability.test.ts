/** What was committed stays: after SIGKILL, with a torn log, with a full disk. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { arrayWorkflow, finished, OPTIONS } from "../testing/samples.ts";
import { ACK_FILE } from "./acknowledged.ts";
import { MIGRATIONS } from "./migrations/migrations.ts";
import { openLedger } from "./open.ts";
import { startOwner } from "./testing/child.ts";

let place: string;
let stateDir: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdall-durable-"));
  stateDir = join(place, "state");
});
afterEach(() => rmSync(place, { recursive: true }));

/** Tasks of accepted completions, which in these tests run from 0 without gaps. */
function countWithoutGaps(dir: string, workflow: number): number {
  const ledger = openLedger(dir);
  try {
    let next = 0;
    for (const [task] of ledger.history(workflow).results) {
      if (task !== next++) throw new Error(`task ${next - 1} is missing, found ${task}`);
    }
    expect(ledger.countResults(workflow)).toBe(next);
    return next;
  } finally {
    ledger.close();
  }
}

test("what a process acknowledged before SIGKILL is there, in whole batches", async () => {
  const batch = 500;
  // Enough rows that the log was carried over into the main file in between.
  for (const [round, batches] of [3, 40, 1200].entries()) {
    const owner = startOwner(stateDir, "loop", batch);
    expect(await owner.line()).toBe("open");
    for (let number = 0; number < batches; number++) expect(await owner.line()).toBe(`${number}`);
    const rest = await owner.kill();
    const acknowledged = Number(rest.at(-1) ?? batches - 1) + 1;
    expect(acknowledged).toBeGreaterThanOrEqual(batches);
    const found = countWithoutGaps(stateDir, round + 1);
    expect(found % batch).toBe(0);
    expect(found).toBeGreaterThanOrEqual(acknowledged * batch);
    expect(found).toBeLessThanOrEqual((acknowledged + 1) * batch);
  }
});

test("a workflow that was being stored at SIGKILL is there whole or not at all, an acknowledged one whole", async () => {
  const tasks = 3000;
  let stored = 0;
  for (let round = 0; round < 5; round++) {
    const owner = startOwner(stateDir, "store", tasks);
    expect(await owner.line()).toBe("open");
    for (let number = 0; number < 2; number++) expect(await owner.line()).toBe(`${number}`);
    // Storing one takes some milliseconds; the kill comes at another point of it in each round.
    await Bun.sleep(round * 2);
    const rest = await owner.kill();
    const acknowledged = Number(rest.at(-1) ?? 1) + 1;
    const ledger = openLedger(stateDir);
    try {
      const here = ledger.workflows().filter(({ taskCount }) => taskCount === tasks);
      expect(here.length - stored).toBeGreaterThanOrEqual(acknowledged);
      expect(here.length - stored).toBeLessThanOrEqual(acknowledged + 1);
      stored = here.length;
      const all = Array.from({ length: tasks }, (_, task) => task);
      for (const { id } of here) expect(ledger.bodies(id, all)).toHaveLength(tasks);
    } finally {
      ledger.close();
    }
  }
});

/** Two batches, of which only the first was acknowledged or both; then the log is damaged. */
test("a torn tail of the log is ignored when it was not acknowledged, and named when it was", async () => {
  const batch = 1000;
  const owner = startOwner(stateDir, "step", batch);
  expect(await owner.line()).toBe("open");
  owner.step();
  expect(await owner.line()).toBe("0");
  const whole = statSync(join(stateDir, "ledger.db-wal")).size;
  const before = readFileSync(join(stateDir, ACK_FILE));
  owner.step();
  expect(await owner.line()).toBe("1");
  await owner.kill();
  const size = statSync(join(stateDir, "ledger.db-wal")).size;
  expect(size).toBeGreaterThan(whole + 2000);

  function torn(name: string, tear: (log: string) => void): string {
    const copy = join(place, name);
    cpSync(stateDir, copy, { recursive: true });
    tear(join(copy, "ledger.db-wal"));
    return copy;
  }
  /** Torn while the second batch was being committed. */
  function countAfter(name: string, tear: (log: string) => void): number {
    const copy = torn(name, tear);
    writeFileSync(join(copy, ACK_FILE), before);
    return countWithoutGaps(copy, 1);
  }
  /** Torn after the second batch was acknowledged. */
  function countAccepted(name: string, tear: (log: string) => void): number {
    const copy = torn(`lost-${name}`, tear);
    const log = join(copy, "ledger.db-wal");
    const left = readFileSync(log);
    for (let round = 0; round < 2; round++) {
      expect(() => openLedger(copy)).toThrow(
        expect.objectContaining({
          code: "ledger_damaged",
          message: expect.stringMatching(/its last acknowledged commit is missing \(.*20\d\d-/),
          fix: expect.stringContaining("holdall serve --accept-loss"),
        }),
      );
      expect(readFileSync(log).equals(left)).toBe(true);
    }
    const notes: string[] = [];
    openLedger(copy, { acceptLoss: true, note: (text) => notes.push(text) }).close();
    expect(notes).toEqual([expect.stringContaining("its last acknowledged commit is missing")]);
    const kept = /its log as it was found: (.*)$/.exec(notes[0]!)![1]!;
    expect(readFileSync(kept).equals(left)).toBe(true);
    return countWithoutGaps(copy, 1);
  }
  function flip(log: string, at: number): void {
    const bytes = readFileSync(log);
    bytes[at]! ^= 0xff;
    writeFileSync(log, bytes);
  }
  expect(countAfter("as-is", () => {})).toBe(2 * batch);
  expect(countAfter("longer", (log) => appendFileSync(log, Buffer.alloc(20_000, 0x5a)))).toBe(
    2 * batch,
  );
  expect(countAfter("cut-short", (log) => truncateSync(log, size - 1))).toBe(batch);
  expect(countAfter("cut-long", (log) => truncateSync(log, whole + 100))).toBe(batch);
  expect(countAfter("cut-all", (log) => truncateSync(log, whole))).toBe(batch);
  expect(countAfter("first-byte", (log) => flip(log, whole + 30))).toBe(batch);
  expect(countAfter("last-byte", (log) => flip(log, size - 1))).toBe(batch);

  expect(countAccepted("cut-short", (log) => truncateSync(log, size - 1))).toBe(batch);
  expect(countAccepted("cut-long", (log) => truncateSync(log, whole + 100))).toBe(batch);
  expect(countAccepted("cut-all", (log) => truncateSync(log, whole))).toBe(batch);
  expect(countAccepted("first-byte", (log) => flip(log, whole + 30))).toBe(batch);
  expect(countAccepted("last-byte", (log) => flip(log, size - 1))).toBe(batch);
});

test("a damaged file is named as such, wherever the damage is met", () => {
  const path = join(stateDir, "ledger.db");
  const ledger = openLedger(stateDir);
  const { id } = ledger.insertWorkflow(arrayWorkflow(50_000), "d", OPTIONS, 1);
  ledger.commit([
    finished(
      id,
      Array.from({ length: 50_000 }, (_, task) => task),
    ),
  ]);
  ledger.close();
  const whole = readFileSync(path);
  const damaged = expect.objectContaining({
    code: "ledger_damaged",
    message: expect.stringContaining(path),
  });

  writeFileSync(path, Buffer.from(whole).fill(0xff, whole.length / 2));
  const half = openLedger(stateDir);
  expect(half.workflow(id)?.taskCount).toBe(50_000);
  expect(() => [...half.history(id).results]).toThrow(damaged);
  expect(() => half.countResults(id)).toThrow(damaged);
  half.close();

  writeFileSync(path, Buffer.from(whole).fill(0xff, 4096));
  for (let round = 0; round < 2; round++) expect(() => openLedger(stateDir)).toThrow(damaged);
  writeFileSync(path, whole);
  expect(countWithoutGaps(stateDir, id)).toBe(50_000);
});

/** A file system of 4 MiB, or why there is none. */
function smallDisk(): { dir: string; unmount(): void } | string {
  const dir = mkdtempSync(join(tmpdir(), "holdall-disk-"));
  const command = ["mount", "-t", "tmpfs", "-o", "size=4m", "holdall-test", dir];
  try {
    const { success, stderr } = Bun.spawnSync(command);
    if (success) {
      return {
        dir,
        unmount() {
          Bun.spawnSync(["umount", "-l", dir]);
          rmSync(dir, { recursive: true });
        },
      };
    }
    rmSync(dir, { recursive: true });
    return stderr.toString().trim();
  } catch (error) {
    rmSync(dir, { recursive: true });
    return String(error);
  }
}

const probe = smallDisk();
if (typeof probe === "string") console.warn(`skipped: tests of a full disk (${probe})`);
else probe.unmount();

describe.skipIf(typeof probe === "string")("a full disk", () => {
  let disk: string;
  let unmount: () => void;
  beforeEach(() => {
    const made = smallDisk();
    if (typeof made === "string") throw new Error(made);
    ({ dir: disk, unmount } = made);
  });
  afterEach(() => unmount());

  const filler = (): string => join(disk, "filler");
  /** Fills the disk but for `free` bytes. */
  function fill(free: number): void {
    const file = openSync(filler(), "w");
    try {
      for (;;) writeFileSync(file, Buffer.alloc(65_536));
    } catch {
      // full
    }
    closeSync(file);
    truncateSync(filler(), Math.max(0, statSync(filler()).size - free));
  }
  function storageError(work: () => unknown): HoldallError {
    try {
      work();
    } catch (error) {
      if (error instanceof HoldallError && error.code === "storage") return error;
      throw error;
    }
    throw new Error("there was space");
  }

  test("fails a commit whole, by name, and goes on when space returns", () => {
    const dir = join(disk, "state");
    const ledger = openLedger(dir);
    const { id } = ledger.insertWorkflow(arrayWorkflow(2 ** 30), "d", OPTIONS, 1);
    fill(1_000_000);
    const batch = 2000;
    let committed = 0;
    function commit(): void {
      const tasks = Array.from({ length: batch }, (_, index) => committed + index);
      ledger.commit([finished(id, tasks), { kind: "ended", workflow: id, atMs: committed }]);
      committed += batch;
    }
    const error = storageError(() => {
      while (committed < 1_000_000) commit();
    });
    expect(committed).toBeGreaterThan(0);
    expect(error.message).toContain(join(dir, "ledger.db"));
    expect(error.fix).toContain("free space");
    for (let round = 0; round < 3; round++) storageError(commit);
    expect(ledger.countResults(id)).toBe(committed);
    expect(ledger.workflow(id)?.endedMs).toBe(committed - batch);

    truncateSync(filler(), statSync(filler()).size - 1_000_000);
    for (let round = 0; round < 5; round++) commit();
    expect(ledger.countResults(id)).toBe(committed);
    ledger.close();
    expect(countWithoutGaps(dir, id)).toBe(committed);
  });

  test("lets an existing ledger be read, and names a new one that does not fit", () => {
    const dir = join(disk, "state");
    const ledger = openLedger(dir);
    ledger.insertWorkflow(arrayWorkflow(5), "d", OPTIONS, 1);
    ledger.close();
    fill(0);
    const readable = openLedger(dir);
    expect(readable.workflow(1)?.taskCount).toBe(5);
    readable.close();
    const error = storageError(() => openLedger(join(disk, "new")));
    expect(error.message).toContain(join(disk, "new"));
    rmSync(filler());
    openLedger(join(disk, "new")).close();
  });

  test("during a migration leaves the ledger as it was", () => {
    const dir = join(disk, "state");
    mkdirSync(dir);
    const ledger = openLedger(dir);
    ledger.close();
    fill(0);
    const version = MIGRATIONS.length + 1;
    const migrations = [...MIGRATIONS, { version, name: "next", sql: "CREATE TABLE more (a)" }];
    storageError(() => openLedger(dir, { migrations }));
    rmSync(filler());
    openLedger(dir).close();
  });
});
