/** Workflows and tasks for completion: quickly, without ever standing in anybody's way. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { HoldallClient, WorkflowRef } from "../../client/client.ts";
import { type Connection, connect, realConnectDeps } from "../connect.ts";
import type { StateDir } from "../state-dir.ts";

export interface Records {
  of(place: StateDir): {
    workflows(): Promise<{ id: number; about: string }[]>;
    tasks(workflow: WorkflowRef, prefix: string): Promise<{ name: string; about: string }[]>;
  };
}

/** More are no choice. */
const MOST = 200;
/** A ledger above is not copied for a key press. */
const MOST_BYTES = 64 * 1024 * 1024;

export const realRecords: Records = {
  of: (place) => ({
    workflows: () =>
      asked(place, [], async (client) =>
        (await client.workflows())
          .toReversed()
          .slice(0, MOST)
          .map(({ workflow_id: id, name, state }) => ({ id, about: `${name} (${state})` })),
      ),
    tasks: (workflow, prefix) =>
      // a name with what the server reads as a pattern is written out by hand
      /[*?[\]\\]/.test(prefix)
        ? Promise.resolve([])
        : asked(place, [], async (client) => {
            const { tasks } = await client.tasks(workflow, { name: `${prefix}*`, limit: MOST });
            return tasks.map(({ name, state }) => ({ name, about: state }));
          }),
  }),
};

async function asked<T>(
  place: StateDir,
  otherwise: T,
  ask: (client: HoldallClient) => Promise<T>,
): Promise<T> {
  let connection: Connection | null = null;
  try {
    connection = await connect(place, {
      ...realConnectDeps,
      // the ledger itself would have to be locked, and a run that starts meanwhile be refused
      async openInProcess(stateDir) {
        if (statSync(join(stateDir, "ledger.db")).size > MOST_BYTES) throw new Error("too large");
        const { openCopyInProcess } = await import("../../server/in-process.ts");
        return openCopyInProcess(stateDir);
      },
      wait: () => Promise.reject(new Error("no time")),
    });
    return await ask(connection.client);
  } catch {
    return otherwise;
  } finally {
    await connection?.close();
  }
}
