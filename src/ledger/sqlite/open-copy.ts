/** A ledger to look at: a copy of it is opened, so that nothing is written beside the original, not even a lock. */
import { constants, copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError, toHoldallError } from "../../core/error.ts";
import type { Ledger } from "../ledger.ts";
import { LEDGER_FILE, openLedger } from "./open.ts";
import { inUseError, readOwner } from "./owner.ts";

const FILES = [LEDGER_FILE, `${LEDGER_FILE}-wal`, "ledger.ack"];

/**
 * The ledger of a state directory that nobody works on; what is written to it is lost with `close`.
 * Throws `not_found` when there is none, `conflict` while a process has it, and what `openLedger` throws.
 */
export function openLedgerCopy(stateDir: string): Ledger {
  if (!existsSync(join(stateDir, LEDGER_FILE)))
    throw new HoldallError("not_found", `${stateDir} is no state directory: it has no ledger`, {
      fix: "give the folder that a run keeps its records in: .holdall, or what its --state-dir says",
    });
  const owner = readOwner(stateDir);
  if (owner !== null && (owner.host !== hostname() || isAlive(owner.pid)))
    throw inUseError(stateDir);
  const folder = mkdtempSync(join(tmpdir(), "holdall-look-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    for (const name of FILES) {
      const from = join(stateDir, name);
      if (existsSync(from)) copyFileSync(from, join(folder, name), constants.COPYFILE_FICLONE);
    }
    const ledger = openLedger(folder, { fsync: false });
    const close = ledger.close.bind(ledger);
    ledger.close = (): void => {
      close();
      remove();
    };
    return ledger;
  } catch (error) {
    remove();
    throw toHoldallError(error);
  }
}

/** Of this host only. */
function isAlive(pid: number): boolean {
  if (pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
