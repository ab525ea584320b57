/** A ledger that lost its end says so. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ledger } from "../ledger.ts";
import { arrayWorkflow, finished, OPTIONS } from "../testing/samples.ts";
import { ACK_FILE, readAcknowledged } from "./acknowledged.ts";
import { openLedger, type OpenOptions } from "./open.ts";
import { startOwner } from "./testing/child.ts";

let place: string;
let stateDir: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdall-ack-"));
  stateDir = join(place, "state");
});
afterEach(() => rmSync(place, { recursive: true }));

const inState = (name: string): string => join(stateDir, name);
const damaged = (message: string | RegExp): unknown =>
  expect.objectContaining({
    code: "ledger_damaged",
    message: expect.stringMatching(message),
    fix: expect.stringContaining("holdall run --accept-loss"),
  });

/** Opens, and returns what the user is told. */
function opened(options: OpenOptions = {}, work: (ledger: Ledger) => void = () => {}): string[] {
  const notes: string[] = [];
  const ledger = openLedger(stateDir, { ...options, note: (text) => notes.push(text) });
  try {
    work(ledger);
  } finally {
    ledger.close();
  }
  return notes;
}

function commits(from: number, count: number): (ledger: Ledger) => void {
  return (ledger) => {
    for (let task = from; task < from + count; task++) ledger.commit([finished(1, [task])]);
  };
}

function create(): void {
  expect(
    opened({}, (ledger) => void ledger.insertWorkflow(arrayWorkflow(99), "d", OPTIONS, 1)),
  ).toEqual([]);
}

test("the number of the last commit is kept beside the ledger, for its user alone", () => {
  create();
  const first = readAcknowledged(stateDir)!;
  expect(opened({}, commits(0, 7))).toEqual([]);
  const then = readAcknowledged(stateDir)!;
  expect([then.uuid, then.seq]).toEqual([first.uuid, first.seq + 7]);
  expect(Math.abs(then.atMs - Date.now())).toBeLessThan(60_000);
  expect(statSync(inState(ACK_FILE)).mode & 0o777).toBe(0o600);
  expect(statSync(inState(ACK_FILE)).size).toBe(1024);
});

test("a transaction that fails is not counted", () => {
  create();
  opened({}, (ledger) => {
    commits(0, 1)(ledger);
    const { seq } = readAcknowledged(stateDir)!;
    expect(() => commits(0, 1)(ledger)).toThrow();
    expect(readAcknowledged(stateDir)!.seq).toBe(seq);
    commits(1, 1)(ledger);
    expect(readAcknowledged(stateDir)!.seq).toBe(seq + 1);
  });
  expect(opened()).toEqual([]);
});

test.each(["SIGKILL", "a clean end"])(
  "a log that is gone after %s is missed only if it held something",
  async (end) => {
    if (end === "SIGKILL") {
      const owner = startOwner(stateDir, "step", 10);
      expect(await owner.line()).toBe("open");
      for (let batch = 0; batch < 3; batch++) {
        owner.step();
        expect(await owner.line()).toBe(`${batch}`);
      }
      await owner.kill();
      rmSync(inState("ledger.db-wal"));
      // the workflow and three batches
      expect(() => opened()).toThrow(damaged(/its last 4 acknowledged commits are missing/));
      expect(opened({ acceptLoss: true })).toEqual([
        expect.stringContaining("4 acknowledged commits"),
      ]);
    } else {
      create();
      opened({}, commits(0, 3));
      expect(existsSync(inState("ledger.db-wal"))).toBe(false);
    }
    expect(opened()).toEqual([]);
  },
);

test("a copy of an earlier moment in its place is noticed, and goes on when the loss is accepted", () => {
  create();
  opened({}, commits(0, 5));
  copyFileSync(inState("ledger.db"), join(place, "copy"));
  opened({}, commits(5, 3));
  copyFileSync(join(place, "copy"), inState("ledger.db"));
  for (let round = 0; round < 2; round++)
    expect(() => opened()).toThrow(damaged("its last 3 acknowledged commits are missing"));
  expect(opened({ acceptLoss: true }, commits(5, 1))).toEqual([
    expect.stringContaining("going on"),
  ]);
  expect(opened({}, (ledger) => expect(ledger.countResults(1)).toBe(6))).toEqual([]);
});

test("an empty ledger, or another one, in its place is noticed", () => {
  create();
  rmSync(inState("ledger.db"));
  expect(() => opened()).toThrow(damaged("it is empty; its acknowledged commit is missing"));
  const own = stateDir;
  stateDir = join(place, "other");
  create();
  copyFileSync(inState("ledger.db"), join(own, "ledger.db"));
  stateDir = own;
  expect(() => opened()).toThrow(damaged("another ledger"));
  expect(opened({ acceptLoss: true })).toEqual([expect.stringContaining("another ledger")]);
  expect(opened()).toEqual([]);
});

test("without the file it cannot be told: a warning, once", () => {
  create();
  rmSync(inState(ACK_FILE));
  expect(opened()).toEqual([expect.stringContaining("cannot be told")]);
  expect(opened()).toEqual([]);
  writeFileSync(inState(ACK_FILE), Buffer.alloc(1024, 7));
  expect(opened()).toEqual([expect.stringContaining("cannot be told")]);
  expect(opened()).toEqual([]);
});

test("one slot may be torn: the other one counts", () => {
  create();
  opened({}, (ledger) => {
    commits(0, 2)(ledger);
    const whole = readFileSync(inState(ACK_FILE));
    const { seq } = readAcknowledged(stateDir)!;
    const newest = (seq % 2) * 512;
    for (const [at, expected] of [
      [newest, seq - 1],
      [512 - newest, seq],
    ] as const) {
      const torn = Buffer.from(whole);
      torn[at + 45]! ^= 1;
      writeFileSync(inState(ACK_FILE), torn);
      expect(readAcknowledged(stateDir)?.seq).toBe(expected);
    }
    writeFileSync(inState(ACK_FILE), whole);
  });
  truncateSync(inState(ACK_FILE), 50);
  expect(readAcknowledged(stateDir)).toBeNull();
});

test("a file that lags behind, as after a power cut, is no reason to refuse", () => {
  create();
  const early = readFileSync(inState(ACK_FILE));
  opened({}, commits(0, 5));
  writeFileSync(inState(ACK_FILE), early);
  expect(opened()).toEqual([]);
});

test("what was written without fsync is said to have been", () => {
  create();
  copyFileSync(inState("ledger.db"), join(place, "copy"));
  opened({ fsync: false }, commits(0, 2));
  copyFileSync(join(place, "copy"), inState("ledger.db"));
  expect(() => opened()).toThrow(damaged("without fsync"));
});
