/** `bench startup`: what is paid once: a command from start to exit, a link of a chain, a bag until it is accepted. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "../bench/pairs.ts";
import { timed } from "../bench/spawn.ts";
import { withProcesses } from "./bench-processes.ts";
import { selfCommand } from "./self.ts";

export interface StartupResult {
  /** `holdall run -- true` in an empty directory, from exec to exit */
  run_ms: { median: number; min: number; max: number };
  chain_links: number;
  /** a chain of dependent `true` tasks with `holdall run`, from exec to exit, ÷ links; median */
  chain_ms_per_link: number;
  array_tasks: number;
  /** `holdall submit` of one task array, from exec to exit: what it says is durable by then; median */
  array_accepted_seconds: number;
}

export interface StartupRequest {
  runs: number;
  links: number;
  tasks: number;
}

/** Of the two that take longer. */
const REPETITIONS = 3;

export async function startupBench({ runs, links, tasks }: StartupRequest): Promise<StartupResult> {
  const self = selfCommand();
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  const stateDir = join(folder, "state");
  try {
    const run = async (...what: string[]): Promise<number> => {
      const took = await timed([...self, "run", "--quiet", "--state-dir", stateDir, ...what]);
      rmSync(stateDir, { recursive: true, force: true });
      return took * 1000;
    };
    // The first one fetches the program from the disk.
    await run("--", "true");
    const times: number[] = [];
    for (let i = 0; i < runs; i++) times.push(await run("--", "true"));
    const spec = join(folder, "chain.json");
    writeFileSync(spec, JSON.stringify(chain(links)));
    const chains: number[] = [];
    for (let i = 0; i < REPETITIONS; i++) chains.push(await run(spec));
    return {
      run_ms: { median: median(times), min: Math.min(...times), max: Math.max(...times) },
      chain_links: links,
      chain_ms_per_link: median(chains) / links,
      array_tasks: tasks,
      array_accepted_seconds: await accepted(self, tasks),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function chain(links: number): object {
  return {
    name: "chain",
    tasks: Array.from({ length: links }, (_, i) => ({
      name: `t${i}`,
      command: "true",
      ...(i === 0 ? {} : { depends_on: [`t${i - 1}`] }),
    })),
  };
}

async function accepted(self: readonly string[], tasks: number): Promise<number> {
  return await withProcesses(async ({ stateDir, startServer, client }) => {
    await client(startServer());
    const times: number[] = [];
    for (let i = 0; i < REPETITIONS; i++)
      times.push(
        await timed([
          ...self,
          ...["submit", "--state-dir", stateDir, "--array", `1-${tasks}`, "--", "true"],
        ]),
      );
    return median(times);
  });
}
