/** `holdall worker`: a worker process, and the draining of others. */
import type { CliContext } from "./context.ts";
import { type EngineFlags, engineOf } from "./engine-flags.ts";
import { EXIT } from "./exit.ts";
import { askServer, findServer, type ServerFlags } from "./find-server.ts";
import type { Io, StopSignal } from "./io.ts";
import { plural } from "./output/units.ts";
import { startRemoteWorker } from "./remote-worker.ts";
import { offerOf, type RunFlags } from "./run-request.ts";
import { stateDirOf } from "./state-dir.ts";

export interface WorkerFlags
  extends
    ServerFlags,
    EngineFlags,
    Pick<
      RunFlags,
      | "cpus"
      | "memory"
      | "gpus"
      | "disk"
      | "timeLimit"
      | "scheduler"
      | "maxParallel"
      | "custom"
      | "feature"
      | "flexible"
      | "numCpus"
      | "memoryGb"
      | "numGpus"
      | "schedulerConfigId"
      | "maxParallelJobs"
    > {
  /** seconds */
  idleTimeout?: number | undefined;
  drain?: string | undefined;
  quiet?: boolean | undefined;
}

/** A worker may be started together with its server. */
const FIRST_CONNECT_MS = 10_000;

export async function runWorker(flags: WorkerFlags, io: Io): Promise<number> {
  const { url, token } = findServer(io, flags);
  const say = (text: string): void => {
    if (flags.quiet !== true) io.stderr.write(`${text}\n`);
  };
  let first: StopSignal | null = null;
  let stopping = false;
  const pending: (() => void)[] = [];
  let act: ((second: boolean) => void) | null = null;
  const take = (signal: StopSignal) => () => {
    const second = first !== null;
    first ??= signal;
    if (act) act(second);
    else pending.push(() => act?.(second));
  };
  const releases = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    io.onSignal(signal, take(signal)),
  );
  try {
    const offer = offerOf(flags, stateDirOf(io, flags.stateDir).path);
    const worker = await startRemoteWorker({
      url,
      token,
      offer,
      engine: engineOf(flags, offer, io, say),
      firstConnectMs: FIRST_CONNECT_MS,
      idleMs: flags.idleTimeout === undefined ? null : flags.idleTimeout * 1000,
      note: say,
    });
    say(`worker of ${url}`);
    act = (second) => {
      if (second && !stopping) {
        stopping = true;
        say("stopping");
        worker.stop();
      } else if (!second) {
        say(`draining: ${worker.held} here; signal again to stop now`);
        worker.leave();
      }
    };
    for (const each of pending) each();
    await worker.done;
    if (!stopping) return EXIT.ok;
    return first === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  } finally {
    for (const release of releases) release();
  }
}

export async function drainWorkers(
  flags: WorkerFlags,
  which: string,
  context: Pick<CliContext, "io" | "connectDeps">,
): Promise<number> {
  const { draining } = await askServer(context, flags, (client) => client.drainWorkers(which));
  if (flags.quiet !== true) context.io.stderr.write(`${plural(draining, "worker")} draining\n`);
  return EXIT.ok;
}
