/** Slurm's own commands: what they print, and their words when they refuse. */
import { HoldallError } from "../../core/error.ts";

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export type RunSlurm = (argv: readonly string[], stdin?: string) => Promise<Ran>;

/** Throws not_found when Slurm's commands are not here. */
export const runSlurm: RunSlurm = async (argv, stdin = "") => {
  const [program = ""] = argv;
  if (Bun.which(program) === null)
    throw new HoldallError("not_found", `${program} is not on the PATH: there is no Slurm here`, {
      fix: "run this where the site's Slurm commands are, such as its login node",
    });
  const child = Bun.spawn([...argv], {
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
    env: slurmEnvironment(process.env),
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, stdout, stderr };
};

/** Jobs are given the environment of sbatch, so credentials of ours are not in it; times come in one form. */
function slurmEnvironment(
  from: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(from))
    if (value !== undefined && !/^(HOLDALL_|SLURM_TIME_FORMAT$|SQUEUE_)/.test(name))
      environment[name] = value;
  return environment;
}

const LOST = /unable to contact|socket timed out|connect(ion)? (failure|refused|timed out)/i;

/** The stdout of a command that must work. Throws with Slurm's own words. */
export async function askSlurm(
  run: RunSlurm,
  argv: readonly string[],
  stdin?: string,
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, stdin);
  if (code === 0) return stdout;
  throw refusal(argv[0] ?? "", stderr, code);
}

export function refusal(program: string, stderr: string, code: number): HoldallError {
  const words = stderr
    .split("\n")
    .map((line) => line.trim().replace(/^\w+: (error: )?/, ""))
    .filter((line) => line !== "")
    .join("; ");
  if (LOST.test(words))
    return new HoldallError("unreachable", `Slurm does not answer ${program}: ${words}`, {
      fix: "try again when its controller is back; `scontrol ping` says whether it is",
    });
  const what = words === "" ? `it ended with ${code}` : words;
  return new HoldallError("engine", `Slurm refuses (${program}): ${what}`, { fix: fixOf(words) });
}

function fixOf(words: string): string {
  if (/partition/i.test(words)) return "name a partition that exists: sinfo -s lists them";
  if (/account|qos/i.test(words))
    return "name an account and QOS of yours: sacctmgr show associations user=$USER";
  if (/time/i.test(words)) return "ask for less time: sinfo -o '%P %l' lists the limits";
  return "ask for what a node has: sinfo -o '%P %l %c %m %G' lists it";
}
