/** The Slurm that is measured: the site's when one answers, else four nodes on this machine, which end with us. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";

export interface SlurmSite {
  /** in words, for the report */
  what: string;
  /** nobody else uses it, and it has partitions of which one preempts the others */
  own: boolean;
  env: Record<string, string | undefined>;
  stop(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Throws `not_found` when there is no Slurm and none can be started. */
export async function useSlurm(
  root: string,
  env: Env,
  note: (line: string) => void,
): Promise<SlurmSite> {
  const clean = withoutJob(env);
  const version = answer(["scontrol", "ping"], clean) && answer(["sinfo", "--version"], clean);
  if (version !== null) {
    const nodes = answer(["sinfo", "--noheader", "--Node", "--format", "%N"], clean) ?? "";
    const count = new Set(nodes.split("\n")).size;
    return { what: `${version}, the site's, ${count} nodes`, own: false, env: clean, stop: done };
  }
  note("no Slurm answers: starting one of four nodes on this machine");
  return await startCluster(root, clean);
}

const done = (): Promise<void> => Promise.resolve();

async function startCluster(root: string, env: Env): Promise<SlurmSite> {
  const folder = mkdtempSync(join(tmpdir(), "hs-")); // sockets are below it: the path has to be short
  const child = Bun.spawn(["sh", join(root, "test/clusters/slurm/start"), folder], {
    env: { ...env },
    stdin: "pipe", // it ends when this does, so also when we die
    stdout: "pipe",
    stderr: "pipe",
    detached: true, // a Ctrl-C is for us
  });
  const words = new Response(child.stderr).text();
  const stop = async (): Promise<void> => {
    await child.stdin.end();
    await child.exited;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { conf } = JSON.parse(await firstLine(child.stdout)) as { conf: string };
    const own = { ...env, SLURM_CONF: conf };
    const version = answer(["sinfo", "--version"], own) ?? "Slurm";
    return { what: `${version}, four nodes on this machine`, own: true, env: own, stop };
  } catch {
    await stop();
    throw new HoldallError(
      "not_found",
      `no Slurm answers, and none starts: ${(await words).trim()}`,
      {
        fix: "as root: sh scripts/setup --engines; or run this where sinfo answers",
      },
    );
  }
}

/** What a job that we run in set is not for the jobs we submit. */
function withoutJob(env: Env): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(
    ([name]) => name === "SLURM_CONF" || !/^(SLURM|SBATCH|SALLOC|SRUN)_/.test(name),
  );
  return Object.fromEntries(kept);
}

/** Null when it cannot be run or fails. */
function answer(argv: readonly string[], env: Env): string | null {
  try {
    const { success, stdout } = Bun.spawnSync([...argv], {
      env: { ...env },
      stdin: "ignore",
      stderr: "ignore",
      timeout: 20_000,
    });
    return success ? stdout.toString().trim() : null;
  } catch {
    return null;
  }
}

/** Empty when it ended without one. The rest is not read: the cluster says no more. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}
