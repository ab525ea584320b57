// An HTCondor pool for tests, started by the script `start` beside this file.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { forbidden, requires } from "../../support/requires.ts";
import { root } from "../../support/scratch.ts";
import { existsSync } from "node:fs";

export interface CondorPool {
  /** process.env with the pool's condor_submit and the rest first on the PATH */
  env: Record<string, string | undefined>;
  /** one of HTCondor's own commands: its stdout; throws with its stderr */
  ask(...command: string[]): Promise<string>;
  /** process ids of the pool's daemons of a name, such as condor_startd */
  daemons(name: string): number[];
  stop(): Promise<void>;
}

/** Whether to skip, with the reason. */
export function requiresCondor(): boolean {
  const found = existsSync(join(root, "build/condor/bin/condor_submit"));
  if (requires("HTCondor", "sh scripts/setup --engines", found)) return true;
  return forbidden("making a user namespace", process.getuid?.() !== 0 || userNamespaces());
}

function userNamespaces(): boolean {
  return Bun.spawnSync(["unshare", "--user", "--map-user=1", "true"]).exitCode === 0;
}

/** It is gone when its stdin ends, so also when we die. */
export async function startCondor(options: readonly string[] = []): Promise<CondorPool> {
  const dir = mkdtempSync("/tmp/holdall-condor-"); // sockets below it: the path has to be short
  const child = Bun.spawn(["sh", join(import.meta.dir, "start"), ...options, dir], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    detached: true, // a Ctrl-C at the tests is theirs
  });
  const said = child.stderr.text();
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) throw new Error(`the HTCondor pool ended: ${await said}`);
  const ready = JSON.parse(new TextDecoder().decode(value)) as { bin: string };
  const env = { ...process.env, PATH: `${ready.bin}:${process.env["PATH"] ?? ""}` };
  return {
    env,
    async ask(command = "", ...args) {
      const asked = Bun.spawn([join(ready.bin, command), ...args], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
      });
      const [out, err] = await Promise.all([asked.stdout.text(), asked.stderr.text()]);
      if ((await asked.exited) !== 0) throw new Error(`${command} ${args.join(" ")}: ${err}`);
      return out.trim();
    },
    daemons: (name) => processesOf(dir, name),
    async stop() {
      await child.stdin.end();
      await child.exited;
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Daemons have their configuration, which lies in the pool's folder, in their environment. */
function processesOf(dir: string, name: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        if (readFileSync(`/proc/${pid}/comm`, "latin1").trim() !== name.slice(0, 15)) return false;
        return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`CONDOR_CONFIG=${dir}/`);
      } catch {
        return false;
      }
    });
}
