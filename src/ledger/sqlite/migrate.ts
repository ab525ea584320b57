import { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { HoldallError } from "../../core/error.ts";
import type { Migration } from "./migrations/migrations.ts";

/** "Hold": marks the file as ours (PRAGMA application_id, bytes 68 to 71 of the file). */
export const APPLICATION_ID = 0x48_6f_6c_64;

/**
 * The schema's version is PRAGMA user_version, because it stands in the file's header and can be read without touching
 * the file; `migrations` tells when each step was taken and by which Holdall. Both change in the transaction of the step.
 */
const JOURNAL = `CREATE TABLE IF NOT EXISTS migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_ms INTEGER NOT NULL,
  holdall_version TEXT NOT NULL
) STRICT`;

export interface MigrateOptions {
  /** file of the database, for the backup beside it and for messages */
  path: string;
  migrations: readonly Migration[];
  holdallVersion: string;
  nowMs: number;
}

/**
 * Brings a database to the newest schema. An older one is copied to `<path>.backup-v<version>` first.
 * Throws `ledger_newer` for a newer one and `conflict` for one that is not a ledger; both are left as they are.
 */
export function migrate(database: Database, options: MigrateOptions): void {
  const { path, migrations } = options;
  const version = pragma(database, "user_version");
  const newest = migrations.at(-1)?.version ?? 0;
  refuseNewer(version, newest, path);
  if (version === newest) return;
  if (version === 0) refuseForeign(database, path);
  else backup(database, version, path);
  for (const migration of migrations) {
    if (migration.version > version) apply(database, migration, options);
  }
  // The header must tell the truth to a Holdall that reads nothing else of the file.
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

export function refuseNewer(version: number, newest: number, path: string): void {
  if (version <= newest) return;
  throw new HoldallError(
    "ledger_newer",
    `the ledger ${path} has schema ${version}; this Holdall knows schemas up to ${newest}`,
    {
      fix: "use the newer Holdall that wrote it, or give another --state-dir; nothing was changed",
    },
  );
}

export function foreignError(path: string): HoldallError {
  return new HoldallError("conflict", `${path} is a database of another program`, {
    fix: "give another --state-dir",
  });
}

function refuseForeign(database: Database, path: string): void {
  const tables = database.prepare("SELECT count(*) FROM sqlite_schema");
  const count = tables.values()[0]?.[0];
  tables.finalize();
  if (count !== 0) throw foreignError(path);
}

function apply(database: Database, migration: Migration, options: MigrateOptions): void {
  const { version, name, sql } = migration;
  database.run("BEGIN IMMEDIATE");
  try {
    database.run(JOURNAL);
    database.run(sql);
    const insert = database.prepare("INSERT INTO migrations VALUES (?, ?, ?, ?)");
    try {
      insert.run(version, name, options.nowMs, options.holdallVersion);
    } finally {
      insert.finalize();
    }
    database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.run(`PRAGMA user_version = ${version}`);
    database.run("COMMIT");
  } catch (error) {
    if (database.inTransaction) database.run("ROLLBACK");
    throw error;
  }
}

/** Through SQLite, not by copying the file: closing any other descriptor of it would drop our lock. */
function backup(database: Database, version: number, path: string): void {
  const target = `${path}.backup-v${version}`;
  const unfinished = `${target}.new`;
  rmSync(unfinished, { force: true });
  closeSync(openSync(unfinished, "wx", 0o600)); // VACUUM INTO takes an empty file and keeps its mode
  const vacuum = database.prepare("VACUUM INTO ?");
  try {
    vacuum.run(unfinished);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  } finally {
    vacuum.finalize();
  }
  const file = openSync(unfinished, "r");
  fsyncSync(file);
  closeSync(file);
  renameSync(unfinished, target);
}

export function pragma(database: Database, name: "user_version" | "application_id"): number {
  const statement = database.prepare(`PRAGMA ${name}`);
  try {
    return Number(statement.values()[0]?.[0] ?? 0);
  } finally {
    statement.finalize();
  }
}
