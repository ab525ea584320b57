/** The API inside a command, for a state directory that nobody works on. */
import type { Ledger } from "../ledger/ledger.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { openLedgerCopy } from "../ledger/sqlite/open-copy.ts";
import { steadyNow } from "./clock.ts";
import { Engine } from "./engine.ts";
import { createApi } from "./http.ts";

export interface InProcess {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/**
 * Workflows are taken up as they are asked for. Throws what `openLedger` throws: `conflict` when there is an owner after all.
 */
export async function openInProcess(stateDir: string): Promise<InProcess> {
  return inProcess(stateDir, openLedger(stateDir));
}

/** The same over a copy of the ledger: nothing is locked, and what is changed is lost. */
export function openCopyInProcess(stateDir: string): InProcess {
  return inProcess(stateDir, openLedgerCopy(stateDir));
}

function inProcess(stateDir: string, ledger: Ledger): InProcess {
  const engine = new Engine({ ledger, stateDir, now: steadyNow, wall: Date.now });
  const api = createApi(engine, { stateDir, noWorkers: true });
  return {
    fetch: (request) => api(request),
    async close() {
      engine.close();
      api.close();
      ledger.close();
    },
  };
}
