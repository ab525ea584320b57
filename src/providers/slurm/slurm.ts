/** Pilots on Slurm: submitted with sbatch, asked about with squeue, ended with scancel. */
import type { Allocation, Provider } from "../provider.ts";
import { askSlurm, type RunSlurm, runSlurm } from "./command.ts";
import { type PilotRequest, pilotScript, sbatchArguments } from "./pilot.ts";
import { parseQueue, squeueArguments } from "./queue.ts";

/** Between the two SIGTERMs by which a worker stops at once, and for what it then has to say to its server. */
const SECOND_MS = 300;
const STOP_MS = 5000;
const LOOK_MS = 500;

export function slurmProvider(run: RunSlurm = runSlurm): Provider<PilotRequest> {
  async function list(access: string | null): Promise<Allocation[]> {
    const all = parseQueue(await askSlurm(run, squeueArguments(process.getuid?.() ?? null)));
    return access === null ? all : all.filter((each) => each.access === access);
  }

  /** To the workers: they are the batch step, or with several nodes steps of their own. */
  async function terminate(running: readonly Allocation[]): Promise<void> {
    const alone = running.filter(({ nodes }) => nodes === 1).map(({ id }) => id);
    const several = running.filter(({ nodes }) => nodes > 1).map(({ id }) => id);
    // What has ended meanwhile is no mistake.
    if (alone.length > 0) await run(["scancel", "--quiet", "--batch", "--signal=TERM", ...alone]);
    if (several.length > 0) await run(["scancel", "--quiet", "--signal=TERM", ...several]);
  }

  return {
    async submit(request) {
      const out = await askSlurm(run, sbatchArguments(request), pilotScript(request));
      const job = out.trim().split(";")[0] ?? "";
      const ids =
        request.count > 1 ? Array.from({ length: request.count }, (_, i) => `${job}_${i}`) : [job];
      return { job, ids };
    },
    list,
    async cancel(ids, drain) {
      const wanted = new Set(ids);
      const chosen = async (): Promise<Allocation[]> =>
        (await list(null)).filter(({ id }) => wanted.has(id));
      const found = await chosen();
      const running = found.filter(({ state }) => state === "running");
      const waiting = found.filter(({ state }) => state !== "running").map(({ id }) => id);
      if (waiting.length > 0) await askSlurm(run, ["scancel", "--quiet", ...waiting]);
      if (running.length === 0) return;
      await terminate(running);
      if (drain) return;
      // The second makes a worker end what runs and tell its server, which a plain scancel gives it no time for.
      await Bun.sleep(SECOND_MS);
      await terminate(running);
      const deadline = performance.now() + STOP_MS;
      let left = await chosen();
      while (left.length > 0 && performance.now() < deadline) {
        await Bun.sleep(LOOK_MS);
        left = await chosen();
      }
      if (left.length > 0) await askSlurm(run, ["scancel", "--quiet", ...left.map(({ id }) => id)]);
    },
  };
}
