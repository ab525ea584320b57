/** Slurm takes a node away: a job of the partition that goes first is submitted to it, on the same schedule for every engine. */
import { join } from "node:path";
import type { LiveRun } from "../engines/run-engines.ts";
import type { SpotFigures } from "../engines/samples.ts";
import { figuresOf, readExecutions } from "./executions.ts";
import { type Disturbance, lastBlowMs, schedule } from "./schedule.ts";
import { aborted, until, watchDeaths } from "./watch.ts";

type Env = Readonly<Record<string, string | undefined>>;

const NODES = 4;
/** How long the job that goes first keeps the node. */
const HOLD_S = 1;
const LOOK_MS = 50;
const LOOKS = 40;

/** Until the bag is over; then reads what the tasks wrote. Null `how`: watches only. */
export async function preempt(
  run: LiveRun,
  over: AbortSignal,
  how: Disturbance | null,
  env: Env,
): Promise<SpotFigures> {
  const marks = join(run.bag.folder, "marks");
  const deaths = new Map<string, number>();
  const blowsMs: number[] = [];
  const urgent: string[] = [];
  const blows =
    how === null
      ? []
      : schedule({ ...how, round: run.round, nodes: NODES, lastMs: lastBlowMs(run) });
  for (const { atMs, node } of blows) {
    await until(run.startedMs + atMs, over);
    if (over.aborted) break;
    const name = `n${node + 1}`;
    const ran = (
      await ask(env, "squeue", "--noheader", "-t", "R", "-w", name, "--format=%i")
    ).split("\n");
    // A node on which nothing runs is taken from nobody.
    if (ran[0] === "") continue;
    const watch = watchDeaths(marks, deaths);
    let preempted = false;
    try {
      const job = await ask(
        env,
        ...["sbatch", "--parsable", "-p", "urgent", "-w", name, "--exclusive"],
        ...["--output=/dev/null", `--wrap=sleep ${HOLD_S}`],
      );
      urgent.push(job);
      preempted = (await begun(env, job, over)) && (await wasPreempted(env, ran, name, over));
    } finally {
      watch.stop();
    }
    const cutOff = readExecutions(marks).some((each) => each.endMs === null && watch.saw(each));
    if (preempted || cutOff) blowsMs.push(Date.now());
  }
  await aborted(over);
  if (urgent.length > 0) await ask(env, "scancel", ...urgent);
  return {
    warning_s: how === null ? null : how.warningS,
    by: "slurm",
    kills: blowsMs.length,
    ...figuresOf(marks, run, deaths, blowsMs),
  };
}

/** Whether it has begun before the bag was over. */
async function begun(env: Env, job: string, over: AbortSignal): Promise<boolean> {
  while (!over.aborted) {
    const state = await ask(env, "squeue", "--noheader", "--format=%t", "-j", job);
    if (!["PD", "CF"].includes(state)) return true;
    await until(performance.now() + LOOK_MS, over);
  }
  return false;
}

/** Short jobs may have ended by themselves before Slurm came to them. One that was preempted waits again, or runs elsewhere. */
async function wasPreempted(
  env: Env,
  jobs: readonly string[],
  node: string,
  over: AbortSignal,
): Promise<boolean> {
  for (let look = 0; look < LOOKS && !over.aborted; look++) {
    const format = "--format=%t %N";
    const text = await ask(env, "squeue", "--noheader", "-t", "all", format, "-j", jobs.join(","));
    const states = text.split("\n").map((line) => line.split(" "));
    if (
      states.some(
        ([state, where]) => ["PD", "PR"].includes(state!) || (state === "R" && where !== node),
      )
    )
      return true;
    if (!states.some(([state]) => state === "CG")) return false;
    await until(performance.now() + LOOK_MS, over);
  }
  return false;
}

/** What a command of Slurm's prints; empty when it fails, as for a job that is forgotten. */
async function ask(env: Env, ...argv: string[]): Promise<string> {
  const child = Bun.spawn(argv, { env: { ...env }, stdin: "ignore", stderr: "ignore" });
  return (await new Response(child.stdout).text()).trim();
}
