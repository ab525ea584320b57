/** Workers are killed while a bag runs, on a schedule that is the same for every engine; the tasks say what was executed. */
import { join } from "node:path";
import type { LiveRun } from "../engines/run-engines.ts";
import type { EngineId, SpotFigures } from "../engines/samples.ts";
import { figuresOf, readExecutions } from "./executions.ts";
import { preempt } from "./preempt.ts";
import { type Part, type ScenarioRequest, sleeping } from "./scenario.ts";
import { type Blow, type Disturbance, lastBlowMs, schedule } from "./schedule.ts";
import { pilotOptions } from "./slurm.ts";
import type { SlurmSite } from "./slurm-site.ts";
import { aborted, until, watchDeaths } from "./watch.ts";

const nodesOf = (quick: boolean): number => (quick ? 2 : 4);
const SLOTS_A_NODE = 2;
/** Engines count lost workers differently; none of them may give up a task because of that. */
const RETRIES = 50;
/** A blow may come so much too late. */
const LATE_MS = 50;
/** What a worker ran may be gone a little later than the worker. */
const DYING_MS = 300;

/** `site`: a Slurm whose jobs may be preempted, for the engines that use it; null: there is none. */
export function spot(
  request: ScenarioRequest,
  engines: readonly EngineId[],
  site: SlurmSite | null,
): Part[] {
  const { by } = request;
  const others = by === "slurm" ? [] : engines.filter((engine) => !usesSlurm(engine));
  const bySlurm = engines.filter((engine) => engine === "holdall" || usesSlurm(engine));
  const preempted = by === "slurm" || (by === null && bySlurm.some(usesSlurm));
  return [
    ...(others.length > 0 ? killedParts(request, others) : []),
    ...(preempted && site?.own === true ? preemptedParts(request, bySlurm, site) : []),
  ];
}

function usesSlurm(engine: EngineId): boolean {
  return engine.startsWith("slurm");
}

function killedParts(request: ScenarioRequest, engines: readonly EngineId[]): Part[] {
  const { quick, seed } = request;
  const workers = request.workers;
  const workload = sleeping(request.tasks ?? (quick ? 24 : 240), quick ? 500 : 1000, workers);
  const everyS = request.everyS ?? (quick ? 1.5 : 4);
  const rounds = request.reps ?? (quick ? 1 : 5);
  const common = {
    workload,
    rounds,
    warm: true,
    engines,
    killable: true,
    nodes: Math.min(nodesOf(quick), workers),
    retries: RETRIES,
    marks: true,
    warmUpTasks: workers,
  };
  const killed = (warningS: number): Part => ({
    ...common,
    title: `workers killed every ${everyS} s on average, ${warningS === 0 ? "no warning" : `${warningS} s of warning`}`,
    beside: (run, over) =>
      disturb(run, over, { warningS, everyS, seed, ...(quick ? { most: 2 } : {}) }),
  });
  return [
    {
      ...common,
      title: "undisturbed",
      beside: (run, over) => disturb(run, over, null),
    },
    killed(0),
    ...(quick ? [] : [killed(2)]),
  ];
}

/** The same bag and the same rate of losses, where Slurm takes nodes away for jobs of a partition that goes first. */
function preemptedParts(
  request: ScenarioRequest,
  engines: readonly EngineId[],
  site: SlurmSite,
): Part[] {
  const { quick, seed, workers } = request;
  const everyS = request.everyS ?? (quick ? 1 : 4);
  const part = (title: string, how: Disturbance | null): Part => ({
    title,
    workload: sleeping(request.tasks ?? (quick ? 32 : 240), quick ? 500 : 1000, workers),
    rounds: request.reps ?? (quick ? 1 : 5),
    warm: true,
    engines,
    retries: RETRIES,
    marks: true,
    warmUpTasks: workers,
    driverOptions: (engine) => pilotOptions(engine, site),
    beside: (run, over) => preempt(run, over, how, site.env),
  });
  // Not with a warning: Slurm looks only every 30 s whether the time of a preempted job is over, longer than a bag here.
  return [
    part("undisturbed on Slurm", null),
    part(`preempted by Slurm every ${everyS} s on average`, { warningS: 0, everyS, seed }),
  ];
}

/** As many tasks at a time as the scenario has, unless told otherwise: sleeping tasks need no cores. */
export const spotWorkers = (quick: boolean): number => nodesOf(quick) * SLOTS_A_NODE;

/** Kills on schedule until the bag is over; then reads what the tasks wrote. Null `how`: watches only. */
export async function disturb(
  run: LiveRun,
  over: AbortSignal,
  how: Disturbance | null,
): Promise<SpotFigures> {
  const marks = join(run.bag.folder, "marks");
  const deaths = new Map<string, number>();
  const blowsMs: number[] = [];
  const blows: Blow[] =
    how === null
      ? []
      : schedule({ ...how, round: run.round, nodes: run.nodes, lastMs: lastBlowMs(run) });
  for (const { atMs, node } of blows) {
    // One that comes while another is under way hits a worker that is gone already.
    if (performance.now() - run.startedMs > atMs + LATE_MS) continue;
    await until(run.startedMs + atMs, over);
    if (over.aborted) break;
    const watch = watchDeaths(marks, deaths);
    const killing = run.driver.kill(node, how!.warningS).then(() => true);
    killing.catch(() => {}); // the bag may be over first, and the driver ended
    let killed = false;
    try {
      killed = await Promise.race([killing, aborted(over).then(() => false)]);
      await until(performance.now() + DYING_MS, over);
    } finally {
      watch.stop();
    }
    // Without a warning one that cut nothing off has hit a worker that was not back yet, or had nothing to do.
    const hit =
      how!.warningS > 0 ||
      readExecutions(marks).some((each) => each.endMs === null && watch.saw(each));
    if (killed && hit) blowsMs.push(Date.now());
  }
  await aborted(over);
  return {
    warning_s: how === null ? null : how.warningS,
    by: how === null ? null : "processes",
    kills: blowsMs.length,
    ...figuresOf(marks, run, deaths, blowsMs),
  };
}
