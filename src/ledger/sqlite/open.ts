import { Database, constants as sqlite } from "bun:sqlite";
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import manifest from "../../../package.json" with { type: "json" };
import { HoldallError, toHoldallError } from "../../core/error.ts";
import type { Ledger } from "../ledger.ts";
import { checkAcknowledged, type Committed, keepLog, readAcknowledged } from "./acknowledged.ts";
import { damagedError, errnoText, isBusy, ledgerError } from "./failure.ts";
import { APPLICATION_ID, foreignError, migrate, pragma, refuseNewer } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/migrations.ts";
import type { Migration } from "./migrations/migrations.ts";
import { inUseError, writeOwner } from "./owner.ts";
import { createSqliteLedger } from "./sqlite-ledger.ts";

export const LEDGER_FILE = "ledger.db";

export interface OpenOptions {
  /** false: committed work survives the death of every process, but not a power cut. Default true. */
  fsync?: boolean;
  /** go on with what is left of a ledger that lost what was acknowledged. Default false: `ledger_damaged`. */
  acceptLoss?: boolean;
  /** sentences for the user */
  note?(text: string): void;
  /** for tests of the migrations themselves */
  migrations?: readonly Migration[];
}

/** Two processes that open at the same moment can refuse each other; both try again before they believe it. */
const LOCK_TRIES = 8;
const LOCK_PAUSE_MS = 20;

/**
 * Write-ahead log of 16 MiB at most, as pages of 8 KiB, before its pages go to the main file. Measured with 2,000 rows a
 * commit: the longest commit takes 11 ms; a larger log is no faster. One huge transaction may exceed it; the file is then
 * cut back at the next checkpoint.
 */
const PAGE_BYTES = 8192;
const CHECKPOINT_PAGES = 2000;
const LOG_LIMIT_BYTES = 64 * 1024 * 1024;
const CACHE_KIB = 16 * 1024;

/** Ledgers open in this process (device:inode). POSIX locks do not exclude a process from itself. */
const openFiles = new Set<string>();

/**
 * Opens the ledger of a state directory, which is created (mode 0700) when only its last folder is missing.
 * The process owns the directory until `close`.
 *
 * While it is open, nothing in this process may open the file `ledger.db` other than through SQLite: closing any
 * descriptor of it drops the process's POSIX locks.
 *
 * Throws `conflict` when another process owns it or something else lies in its place, `ledger_newer`, `ledger_damaged`
 * and `storage`, all with the path and a fix.
 */
export function openLedger(stateDir: string, options: OpenOptions = {}): Ledger {
  const migrations = options.migrations ?? MIGRATIONS;
  const dir = resolve(stateDir);
  const path = join(dir, LEDGER_FILE);
  createDirectory(dir);
  const file = createFile(dir, path);
  if (openFiles.has(file)) throw inUseError(dir);
  requireWritable(dir, path);
  inspectHeader(path, migrations);

  let database: Database | null = null;
  let removeOwner: (() => void) | null = null;
  openFiles.add(file);
  function release(): void {
    removeOwner?.();
    openFiles.delete(file);
  }
  try {
    database = lockDatabase(dir, path);
    refuseLoss(database, path, options);
    removeOwner = writeOwner(dir, manifest.version);
    database.run(`PRAGMA synchronous = ${options.fsync === false ? "NORMAL" : "FULL"}`);
    migrate(database, { path, migrations, holdallVersion: manifest.version, nowMs: Date.now() });
    if (pragma(database, "application_id") !== APPLICATION_ID) throw foreignError(path);
    database.run("PRAGMA foreign_keys = ON");
    return createSqliteLedger(database, { path, fsync: options.fsync !== false, release });
  } catch (error) {
    release();
    database?.close();
    throw ledgerError(error, path);
  }
}

function createDirectory(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
    syncDirectory(dirname(dir));
  } catch (error) {
    const errno = errnoText(error);
    if (errno === "EEXIST") {
      if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() === true) return;
      throw inTheWay(dir, "folder", error);
    }
    if (errno === "ENOTDIR") throw inTheWay(dirname(dir), "folder", error);
    throw cannotCreate("state directory", dir, errno, error);
  }
}

/** Returns what identifies the file within this process. */
function createFile(dir: string, path: string): string {
  try {
    closeSync(openSync(path, "wx", 0o600));
    syncDirectory(dir);
  } catch (error) {
    if (errnoText(error) !== "EEXIST") throw cannotCreate("ledger", path, errnoText(error), error);
  }
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat?.isFile() !== true) throw inTheWay(path, "file", undefined);
  return `${stat.dev}:${stat.ino}`;
}

/** SQLite would fail at its lock, with an error that names neither cause nor place. */
function requireWritable(dir: string, path: string): void {
  for (const each of [dir, path]) {
    try {
      accessSync(each, constants.W_OK);
    } catch (error) {
      const why =
        errnoText(error) === "EROFS"
          ? "it is on a read-only file system"
          : "it is not writable for you";
      throw new HoldallError("storage", `cannot write ${each}: ${why}`, {
        fix: `make ${each} writable, or give another --state-dir`,
        cause: error,
      });
    }
  }
}

function inTheWay(path: string, wanted: "folder" | "file", cause: unknown): HoldallError {
  return new HoldallError("conflict", `${path} exists and is no ${wanted}`, {
    fix: "move it away, or give another --state-dir",
    cause,
  });
}

function cannotCreate(what: string, path: string, errno: string, cause: unknown): HoldallError {
  const parent = dirname(path);
  const fixes: Record<string, string> = {
    ENOENT: `create ${parent} first (mkdir -p)`,
    EACCES: `make ${parent} writable for you`,
    EPERM: `make ${parent} writable for you`,
    EROFS: `${parent} is read-only; choose a place that can be written`,
    ENOSPC: `free space on the file system of ${parent}`,
    EDQUOT: `free some of your quota on the file system of ${parent}`,
  };
  return new HoldallError("storage", `cannot create the ${what} ${path}: ${errno}`, {
    fix: `${fixes[errno] ?? `check ${parent}`}, or give another --state-dir`,
    cause,
  });
}

/** Makes a new name in a folder durable. */
function syncDirectory(dir: string): void {
  try {
    const handle = openSync(dir, "r");
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // some network file systems refuse it for folders
  }
}

/** Looks at the first 100 bytes before SQLite may write: what is not for us stays byte for byte as it is. */
function inspectHeader(path: string, migrations: readonly Migration[]): void {
  const header = Buffer.alloc(100);
  let length: number;
  try {
    const handle = openSync(path, "r");
    try {
      length = readSync(handle, header, 0, header.length, 0);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    throw new HoldallError("storage", `cannot read the ledger ${path}: ${errnoText(error)}`, {
      fix: "make it readable and writable for you, or give another --state-dir",
      cause: error,
    });
  }
  if (length === 0) return;
  if (length < 100 || header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
    throw damagedError(path, "it does not begin like a database");
  }
  const version = header.readUInt32BE(60);
  const application = header.readUInt32BE(68);
  // All 0: a new ledger whose first transaction is still in the log, or was lost with the process.
  const untouched = application === 0 && version === 0 && header.readUInt32BE(40) === 0;
  if (application !== APPLICATION_ID && !untouched) throw foreignError(path);
  refuseNewer(version, migrations.at(-1)?.version ?? 0, path);
}

/** Before anything is written. */
function refuseLoss(database: Database, path: string, options: OpenOptions): void {
  const version = pragma(database, "user_version");
  const committed: Committed = {
    uuid: version === 0 ? null : (metaValue(database, "uuid") as string | null),
    seq: version === 0 ? 0 : Number(metaValue(database, "seq") ?? 0),
  };
  try {
    const doubt = checkAcknowledged(path, readAcknowledged(dirname(path)), committed);
    if (doubt !== null) options.note?.(doubt);
  } catch (error) {
    if (options.acceptLoss !== true) {
      // Closing must leave the log as it is: somebody may want to repair it.
      database.fileControl(sqlite.SQLITE_FCNTL_PERSIST_WAL, 1);
      database.run("PRAGMA journal_size_limit = -1");
      throw error;
    }
    const kept = keepLog(path);
    const where = kept === null ? "" : `; its log as it was found: ${kept}`;
    options.note?.(`going on although ${toHoldallError(error).message}${where}`);
  }
}

function metaValue(database: Database, key: string): unknown {
  const statement = database.prepare("SELECT value FROM meta WHERE key = ?");
  try {
    return statement.values(key)[0]?.[0] ?? null;
  } finally {
    statement.finalize();
  }
}

function lockDatabase(dir: string, path: string): Database {
  for (let attempt = 1; ; attempt++) {
    const database = new Database(path, { readwrite: true, create: false });
    try {
      database.run("PRAGMA busy_timeout = 0");
      // Before the first access: then the index of the log lies in memory, there is no -shm, and the lock is held from
      // the first access until close.
      database.run("PRAGMA locking_mode = EXCLUSIVE");
      database.run(`PRAGMA page_size = ${PAGE_BYTES}`);
      database.run("PRAGMA journal_mode = WAL");
      database.run("BEGIN EXCLUSIVE");
      database.run("COMMIT");
      database.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      database.run(`PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES}`);
      database.run(`PRAGMA cache_size = -${CACHE_KIB}`);
      database.run("PRAGMA temp_store = MEMORY");
      return database;
    } catch (error) {
      // Closed before the next try: in this mode a refused connection keeps its shared lock.
      database.close();
      if (!isBusy(error)) throw error;
      if (attempt === LOCK_TRIES) throw inUseError(dir);
      Bun.sleepSync(LOCK_PAUSE_MS * (0.5 + Math.random()));
    }
  }
}
