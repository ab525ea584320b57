/**
 * Whether the end of a ledger is missing. A log that was cut looks like one whose last transaction never happened, and SQLite
 * rightly ignores that; but what was acknowledged must not vanish without a word. So every transaction is numbered (`seq` in
 * `meta`), and after each commit, before anything is acknowledged, the number goes to `ledger.ack` beside the database. A
 * ledger that ends before the number in that file has lost something.
 *
 * The file is written without fsync of its own: it may lag behind after a power cut, never lead, as the ledger itself is
 * durable first (with fsync). Two slots are written in turn, so that one torn by a power cut leaves the other.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";

export const ACK_FILE = "ledger.ack";

/** One sector each: a torn write spoils one slot at most. */
const SLOT_BYTES = 512;
const FILE_BYTES: number = 2 * SLOT_BYTES;
const MAGIC = "HoldAck1";
/** magic, uuid, seq, time in ms, 1 = written with fsync, checksum over all before it */
const AT = { uuid: 8, seq: 44, atMs: 52, fsync: 60, checksum: 64 } as const;
/** How far the file on the disk may lag behind after a power cut, in commits. */
const SYNC_EVERY = 1024;

export interface Acknowledged {
  uuid: string;
  seq: number;
  atMs: number;
  fsync: boolean;
}

/** What the ledger itself knows; null for one that is new, or older than numbered commits. */
export interface Committed {
  uuid: string | null;
  seq: number;
}

/** The last number that was acknowledged; null when there is no such file or both slots are spoilt. */
export function readAcknowledged(stateDir: string): Acknowledged | null {
  const bytes = Buffer.alloc(FILE_BYTES);
  try {
    const file = openSync(join(stateDir, ACK_FILE), "r");
    try {
      readSync(file, bytes, 0, FILE_BYTES, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
  const [first, second] = [0, SLOT_BYTES].map((at) => decode(bytes.subarray(at, at + SLOT_BYTES)));
  if (!first || !second) return first ?? second ?? null;
  return first.seq > second.seq ? first : second;
}

/**
 * Compares what was acknowledged with what is there; throws `ledger_damaged` when something is missing. Returns a sentence
 * for the user when it cannot be told, else null.
 */
export function checkAcknowledged(
  path: string,
  acknowledged: Acknowledged | null,
  committed: Committed,
): string | null {
  if (acknowledged === null) {
    if (committed.seq === 0) return null;
    return `${ACK_FILE} beside ${path} is missing or unreadable: whether the end of the ledger is there cannot be told this time`;
  }
  const { uuid, seq } = acknowledged;
  if (seq === 0) return null;
  if (committed.uuid === uuid && committed.seq >= seq) return null;
  const until = `the last one of ${new Date(acknowledged.atMs).toISOString()}`;
  const unsynced = acknowledged.fsync ? "" : "; it was written without fsync";
  const what =
    committed.uuid === uuid
      ? `its last ${missing(seq - committed.seq)}`
      : committed.uuid === null
        ? `it is empty; its ${missing(seq)}`
        : `this is another ledger than the one written here before, whose ${missing(seq)}`;
  throw new HoldallError(
    "ledger_damaged",
    `the ledger ${path} has lost what was acknowledged: ${what} (${until}${unsynced})`,
    {
      fix: `put ${path} and ${path}-wal back as they were; or go on with what is left, which runs again what was lost: holdall serve --accept-loss, or holdall run --accept-loss`,
    },
  );
}

function missing(commits: number): string {
  return commits === 1
    ? "acknowledged commit is missing"
    : `${commits} acknowledged commits are missing`;
}

/** Keeps what is left of a log whose end is about to be given up, for whoever wants to look at it. */
export function keepLog(path: string): string | null {
  const log = `${path}-wal`;
  if (!existsSync(log)) return null;
  const kept = `${log}.accepted-loss-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  copyFileSync(log, kept);
  return kept;
}

/** Writes the number of each commit. */
export interface Acknowledger {
  /** never throws: the commit has happened, and a number that lags behind does no harm */
  committed(seq: number): void;
  close(): void;
}

/** Opens `ledger.ack`, made whole here so that a full disk cannot stop it later. Throws what the file system throws. */
export function openAcknowledger(
  stateDir: string,
  uuid: string,
  seq: number,
  fsync: boolean,
): Acknowledger {
  const path = join(stateDir, ACK_FILE);
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.write(MAGIC, 0, "latin1");
  slot.write(uuid, AT.uuid, 36, "latin1");
  slot[AT.fsync] = fsync ? 1 : 0;
  const file = openSync(path, existsSync(path) ? "r+" : "wx+", 0o600);
  function fill(number: number): void {
    slot.writeDoubleLE(number, AT.seq);
    slot.writeDoubleLE(Date.now(), AT.atMs);
    slot.writeUInt32LE(checksum(slot), AT.checksum);
  }
  try {
    fill(seq);
    // Both slots: what the file said before counts no more.
    writeSync(file, Buffer.concat([slot, slot]), 0, FILE_BYTES, 0);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return {
    committed(number) {
      try {
        fill(number);
        writeSync(file, slot, 0, SLOT_BYTES, (number % 2) * SLOT_BYTES);
        if (fsync && number % SYNC_EVERY === 0) fdatasyncSync(file);
      } catch {
        // it lags behind
      }
    },
    close() {
      try {
        if (fsync) fsyncSync(file);
      } catch {
        // it lags behind
      }
      closeSync(file);
    },
  };
}

function decode(slot: Buffer): Acknowledged | null {
  if (slot.toString("latin1", 0, AT.uuid) !== MAGIC) return null;
  if (slot.readUInt32LE(AT.checksum) !== checksum(slot)) return null;
  return {
    uuid: slot.toString("latin1", AT.uuid, AT.seq),
    seq: slot.readDoubleLE(AT.seq),
    atMs: slot.readDoubleLE(AT.atMs),
    fsync: slot[AT.fsync] === 1,
  };
}

function checksum(slot: Buffer): number {
  return Bun.hash.crc32(slot.subarray(0, AT.checksum));
}
