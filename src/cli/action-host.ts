/** Carries out the actions of workflows: commands with bash in this process's place, nodes through Slurm. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { toHoldallError } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { ActionDone, ActionHost } from "../server/action-runner.ts";
import { inheritedEnvironment } from "../worker/environment.ts";
import { MARK_VARIABLE } from "../worker/leftovers.ts";
import { selfCommand } from "./self.ts";

/** Kept of what commands print. */
const KEPT_BYTES = 4096;

export interface CommandHost extends ActionHost {
  /** ends what still runs */
  close(): void;
}

/** `mark`: of the ledger; processes that a killed owner leaves behind are found by it. */
export function commandHost(mark: string): CommandHost {
  const running = new Set<Bun.Subprocess>();
  return {
    async run(commands, workflow, cwd) {
      const environment = {
        ...inheritedEnvironment(process.env),
        [MARK_VARIABLE]: mark,
        HOLDALL_WORKFLOW_ID: String(workflow),
        TORC_WORKFLOW_ID: String(workflow),
        PWD: cwd,
      };
      let message = "";
      for (const command of commands) {
        try {
          const child = Bun.spawn(["bash", "-c", command], {
            cwd,
            env: environment,
            stdin: "ignore",
            stdout: "pipe",
            stderr: "pipe",
          });
          running.add(child);
          const [out, err] = await Promise.all([lastOf(child.stdout), lastOf(child.stderr)]);
          const code = await child.exited;
          running.delete(child);
          message = (out + err).trimEnd();
          if (code !== 0)
            return { exitCode: code, message: `'${command}' ended with ${code}: ${message}` };
        } catch (error) {
          return { exitCode: 127, message: `'${command}': ${toHoldallError(error).message}` };
        }
      }
      return { exitCode: 0, message };
    },
    close() {
      for (const child of running) child.kill("SIGKILL");
    },
  };
}

/** The last bytes of a stream, as text. */
async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream)
    kept = Buffer.from(Buffer.concat([kept, chunk]).subarray(-KEPT_BYTES));
  return kept.toString("utf8");
}

const DRAIN_SECONDS = 60;
const IDLE_SECONDS = 300;

/** Asks Slurm for the nodes of an action, for workers of the server whose access file this is. */
export function slurmHost(
  access: string,
  stateDir: string,
  definitionOf: (workflow: number) => WorkflowDefinition | undefined,
): NonNullable<ActionHost["schedule"]> {
  return async (what, workflow): Promise<ActionDone> => {
    const definition = definitionOf(workflow);
    const scheduler = definition?.schedulers.find(({ name }) => name === what.scheduler);
    const { nodes = {}, slurmDefaults = {} } = definition ?? {};
    try {
      const { slurmProvider } = await import("../providers/slurm/slurm.ts");
      const logs = join(stateDir, "pilots");
      mkdirSync(logs, { recursive: true });
      const { job, ids } = await slurmProvider().submit({
        count: what.allocations,
        holdall: selfCommand(),
        access,
        logs,
        scheduler: what.scheduler,
        // what a scheduler says for itself wins
        fields: { ...scheduler?.fields, extra: extraOptions(slurmDefaults, scheduler?.fields) },
        maxParallel: what.maxParallel ?? undefined,
        drainSeconds: nodes.expirationBufferSeconds ?? DRAIN_SECONDS,
        idleSeconds: nodes.waitForNewTasksSeconds ?? IDLE_SECONDS,
        extra: [],
      });
      return { exitCode: 0, message: `Slurm job ${job}: ${ids.length} allocations` };
    } catch (error) {
      return { exitCode: 1, message: toHoldallError(error).message };
    }
  };
}

/** Options as one text for sbatch: the workflow's, then the scheduler's own. */
function extraOptions(
  defaults: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, unknown>> = {},
): string {
  const own = typeof fields["extra"] === "string" ? fields["extra"] : "";
  const options = Object.entries(defaults)
    .filter(([option]) => fields[option.replaceAll("-", "_")] === undefined)
    .map(([option, value]) => `--${option}='${value.replaceAll("'", `'\\''`)}'`);
  return [...options, own].join(" ").trim();
}
