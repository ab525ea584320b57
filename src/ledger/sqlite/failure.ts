import { SQLiteError } from "bun:sqlite";
import { dirname } from "node:path";
import { HoldallError } from "../../core/error.ts";

/** What SQLite throws, as an error that names the file and what the user can do. Everything else passes unchanged. */
export function ledgerError(error: unknown, path: string): unknown {
  if (!(error instanceof SQLiteError)) return error;
  const code = error.code ?? "SQLITE_ERROR";
  const detail = `${error.message}, ${code}`;
  if (code === "SQLITE_FULL") {
    return new HoldallError("storage", `the disk is full: cannot write the ledger ${path}`, {
      fix: `free space on the file system of ${dirname(path)} and run again; what was acknowledged is kept`,
      cause: error,
    });
  }
  if (code.startsWith("SQLITE_IOERR")) {
    return new HoldallError("storage", `cannot read or write the ledger ${path} (${detail})`, {
      fix: `check the disk and the quota under ${dirname(path)}, then run again; what was acknowledged is kept`,
      cause: error,
    });
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return new HoldallError("storage", `cannot open the ledger ${path} for writing (${detail})`, {
      fix: `make ${dirname(path)} and ${path} writable for you, or give another --state-dir`,
      cause: error,
    });
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return damagedError(path, detail, error);
  if (isBusy(error)) {
    return new HoldallError("conflict", `the ledger ${path} is in use (${detail})`, {
      fix: "wait until the other process has ended, or give another --state-dir",
      cause: error,
    });
  }
  const what = code.startsWith("SQLITE_CONSTRAINT")
    ? "the ledger refused a row"
    : "the ledger failed";
  return new HoldallError("internal", `${what}: ${detail} (${path})`, { cause: error });
}

export function damagedError(path: string, detail: string, cause?: unknown): HoldallError {
  return new HoldallError("ledger_damaged", `the ledger ${path} is damaged: ${detail}`, {
    fix: `put a copy of it in its place (${path}.backup-v*, if there is one), or start anew with another --state-dir`,
    cause,
  });
}

export function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && /^SQLITE_(BUSY|LOCKED)/.test(error.code ?? "");
}

/** errno text of a failed file operation ("ENOENT"), or the message when there is none. */
export function errnoText(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string")
    return error.code;
  return error instanceof Error ? error.message : String(error);
}
