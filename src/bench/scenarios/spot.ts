/** Workers are killed while a bag runs, on a schedule that is the same for every engine; the tasks say what was executed. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LiveRun } from "../engines/run-engines.ts";
import type { SpotFigures } from "../engines/samples.ts";
import { accountOf, type Execution, keyOf, readExecutions } from "./executions.ts";
import type { Part, ScenarioRequest } from "./scenario.ts";
import { sleeping } from "./scenario.ts";
import { type Blow, schedule } from "./schedule.ts";

const NODES = 4;
const SLOTS_A_NODE = 2;
/** Engines count lost workers differently; none of them may give up a task because of that. */
const RETRIES = 50;
/** No schedule is longer: a run that takes this long is not about kills any more. */
const LAST_MS = 600_000;
const LOOK_MS = 5;

export function spot(request: ScenarioRequest): Part[] {
  const { quick, seed } = request;
  const workers = request.workers;
  const workload = sleeping(request.tasks ?? (quick ? 40 : 240), quick ? 200 : 1000, workers);
  const everyS = request.everyS ?? (quick ? 0.6 : 4);
  const rounds = request.reps ?? (quick ? 1 : 5);
  const common = {
    workload,
    rounds,
    warm: true,
    engines: null,
    killable: true,
    nodes: Math.min(NODES, workers),
    retries: RETRIES,
    marks: true,
  };
  const killed = (warningS: number): Part => ({
    ...common,
    title: `workers killed every ${everyS} s on average, ${warningS === 0 ? "no warning" : `${warningS} s of warning`}`,
    beside: (run, over) => disturb(run, over, { warningS, everyS, seed }),
  });
  return [
    {
      ...common,
      title: "undisturbed",
      beside: (run, over) => disturb(run, over, null),
    },
    killed(0),
    killed(quick ? 0.5 : 2),
  ];
}

/** As many tasks at a time as the scenario has, unless told otherwise: sleeping tasks need no cores. */
export const SPOT_WORKERS: number = NODES * SLOTS_A_NODE;

interface Disturbance {
  warningS: number;
  everyS: number;
  seed: number;
}

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
    how === null ? [] : schedule({ ...how, round: run.round, nodes: run.nodes, lastMs: LAST_MS });
  for (const { atMs, node } of blows) {
    await until(run.startedMs + atMs, over);
    if (over.aborted) break;
    const watch = watchDeaths(
      readExecutions(marks).filter((each) => each.endMs === null),
      deaths,
    );
    const killing = run.driver.kill(node, how!.warningS).then(() => true);
    killing.catch(() => {}); // the bag may be over first, and the driver ended
    const killed = await Promise.race([killing, aborted(over).then(() => false)]).finally(() => {
      watch.stop();
    });
    if (killed) blowsMs.push(Date.now());
  }
  await aborted(over);
  const { lost, reexecutedS, reexecutions } = accountOf(
    readExecutions(marks),
    run.bag.workload.tasks,
    deaths,
    blowsMs,
    Date.now(),
  );
  return {
    warning_s: how === null ? null : how.warningS,
    by: how === null ? null : "processes",
    kills: blowsMs.length,
    lost,
    reexecuted_s: reexecutedS,
    reexecutions,
  };
}

/** Notes when each of these processes is gone, until `stop`, which looks once more. */
export function watchDeaths(
  open: readonly Execution[],
  deaths: Map<string, number>,
): { stop(): void } {
  const look = (): void => {
    for (const each of open)
      if (!deaths.has(keyOf(each)) && !isAlive(each.pid)) deaths.set(keyOf(each), Date.now());
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
    },
  };
}

/** A zombie has ended. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false;
  }
}

/** Until a time of performance.now(), or until the signal. */
export async function until(atMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = atMs - performance.now();
  if (leftMs <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, leftMs);
    signal.addEventListener("abort", done);
  });
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
