/** `holdall serve` from its flags to its end. */
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type HoldallError, toHoldallError } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openLedger, type OpenOptions } from "../ledger/sqlite/open.ts";
import { startActions } from "../server/action-runner.ts";
import { loadedWorkflow } from "../server/queries.ts";
import { startServer } from "../server/server.ts";
import { endLeftovers } from "../worker/leftovers.ts";
import { commandHost, slurmHost } from "./action-host.ts";
import { EXIT } from "./exit.ts";
import type { Io, StopSignal } from "./io.ts";
import { writeOutputFiles } from "./output-files.ts";
import type { StateDir } from "./state-dir.ts";

export interface ServeRequest {
  stateDir: StateDir;
  port: number | null;
  host: string | undefined;
  access: string | undefined;
  heartbeatMs: number | undefined;
  fsync: boolean;
  acceptLoss: boolean;
  quiet: boolean;
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;
const STORAGE_CHECK_MS = 1000;
const LOCK_WAIT_MS = 1000;

/** Resolves when a signal has ended it. */
export async function serve(request: ServeRequest, io: Io): Promise<number> {
  const { stateDir } = request;
  const host = request.host ?? "127.0.0.1";
  const say = (text: string): void => {
    if (!request.quiet) io.stderr.write(`${text}\n`);
  };
  const stopped = Promise.withResolvers<StopSignal>();
  const releases = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    io.onSignal(signal, () => stopped.resolve(signal)),
  );
  const ledger = await openPatiently(stateDir.path, {
    fsync: request.fsync,
    acceptLoss: request.acceptLoss,
    note: (warning) => io.stderr.write(`warning: ${warning}\n`),
  });
  try {
    // What a killed `run` left here would run beside its own repetition.
    await endLeftovers(ledger.uuid);
    const server = startServer({
      ledger,
      stateDir: stateDir.path,
      host,
      port: request.port,
      accessFiles: request.access === undefined ? [] : [resolve(io.cwd, request.access)],
      heartbeatMs: request.heartbeatMs,
      note: say,
    });
    if (!LOOPBACK.test(host))
      io.stderr.write(
        `warning: ${host} is reached without encryption: whoever can read this network can read the token\n`,
      );
    const reached = host === "127.0.0.1" ? "" : ` (${hostname()})`;
    say(`serving ${stateDir.path} at ${server.url}${reached}; Ctrl-C ends it`);
    const unlisten = server.engine.listen({
      committed(workflow, batch) {
        const folder = server.engine.row(workflow)?.options.outputDir ?? null;
        const loaded = folder === null ? null : loadedWorkflow(server.engine, workflow);
        if (loaded) writeOutputFiles(server.engine, loaded.names, batch, folder!);
      },
      storage: (error: HoldallError | null) =>
        io.stderr.write(
          error === null
            ? "the disk takes data again: going on\n"
            : `error: ${error.message}; nothing is accepted or started until it does (looking every ${STORAGE_CHECK_MS / 1000} s)\n`,
        ),
    });
    const commands = commandHost(ledger.uuid);
    const access = join(resolve(stateDir.path), "access.json");
    const definitionOf = (workflow: number): WorkflowDefinition | undefined =>
      server.engine.tasks(workflow)?.definition;
    const actions = startActions(
      server.engine,
      { ...commands, schedule: slurmHost(access, resolve(stateDir.path), definitionOf) },
      { wall: Date.now, note: (warning) => io.stderr.write(`warning: ${warning}\n`) },
    );
    // those of workflows that ended just before the last server did
    for (const row of ledger.workflows())
      if (actions.unfinished(row) && !server.engine.tasks(row.id))
        server.engine.load(row.id, false);
    await stopped.promise;
    unlisten();
    actions.close();
    commands.close();
    say("ending; workers keep what they run and come back to the next server");
    await server.close();
    return EXIT.ok;
  } finally {
    ledger.close();
    for (const release of releases) release();
  }
}

/** Commands that look at a directory without an owner hold its lock for a moment. */
async function openPatiently(stateDir: string, options: OpenOptions): Promise<Ledger> {
  const giveUpMs = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      return openLedger(stateDir, options);
    } catch (error) {
      if (toHoldallError(error).code !== "conflict" || performance.now() > giveUpMs) throw error;
    }
    await Bun.sleep(20);
  }
}
