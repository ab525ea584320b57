// A Slurm of four nodes for tests, started by the script `start` beside this file.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { requires } from "../../support/requires.ts";

export interface SlurmCluster {
  /** for SLURM_CONF */
  conf: string;
  nodes: string[];
  /** process.env with this cluster in it, and without traces of a job that the tests run in */
  env: Record<string, string | undefined>;
  /** one of Slurm's own commands: its stdout; throws with its stderr */
  ask(...command: string[]): Promise<string>;
  /** SIGKILL to a daemon: slurmctld, or a node's slurmd by the node's name */
  kill(daemon: string): Promise<void>;
  /** SIGTERM: a controller saves its state, which otherwise it does within 5 s */
  end(daemon: string): Promise<void>;
  start(daemon: string): Promise<void>;
  stop(): Promise<void>;
}

/** Whether to skip, with the reason. */
export function requiresSlurm(): boolean {
  const install = "sh scripts/setup --engines";
  return (
    requires("slurmctld", install) ||
    requires("munged", install) ||
    requires("root", "run as root", process.getuid?.() === 0)
  );
}

/** It is gone when its stdin ends, so also when we die. */
export async function startSlurm(options: readonly string[] = []): Promise<SlurmCluster> {
  const dir = mkdtempSync("/tmp/holdall-slurm-"); // sockets below it: the path has to be short
  const script = join(import.meta.dir, "start");
  const child = Bun.spawn(["sh", script, ...options, dir], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true, // a Ctrl-C at the tests is theirs
  });
  const lines = linesOf(child.stdout);
  const said = child.stderr.text();
  const next = async (): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the Slurm cluster ended: ${await said}`);
    return JSON.parse(value) as Record<string, unknown>;
  };
  const tell = async (line: string): Promise<void> => {
    void child.stdin.write(`${line}\n`);
    await child.stdin.flush();
    await next();
  };
  const ready = await next().catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  });
  const conf = String(ready["conf"]);
  const env: Record<string, string | undefined> = { ...process.env, SLURM_CONF: conf };
  for (const name of Object.keys(env))
    if (/^(SLURM|SBATCH|SALLOC|SRUN)_/.test(name) && name !== "SLURM_CONF") delete env[name];
  return {
    conf,
    nodes: ready["nodes"] as string[],
    env,
    async ask(...command) {
      const asked = Bun.spawn(command, { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      const [out, err] = await Promise.all([asked.stdout.text(), asked.stderr.text()]);
      if ((await asked.exited) !== 0) throw new Error(`${command.join(" ")}: ${err}`);
      return out.trim();
    },
    end: (daemon) => tell(`stop ${daemon}`),
    kill: (daemon) => tell(`kill ${daemon}`),
    start: (daemon) => tell(`start ${daemon}`),
    async stop() {
      await child.stdin.end();
      await child.exited;
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function* linesOf(source: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of source) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
