/** Bags of empty tasks, each ten times the one before, as far as an engine can in a reasonable time. */
import type { EngineId } from "../engines/samples.ts";
import { ableTo, type Part, type ScenarioRequest, sleeping } from "./scenario.ts";

/** Tasks of the largest bag: what takes the engine some minutes here. What is not named is Holdall's, up to a million. */
export const LARGEST: Readonly<Partial<Record<EngineId, number>>> = {
  workqueue: 100_000,
  ray: 100_000,
  parsl: 100_000,
  dask: 100_000,
  htcondor: 1000,
  slurm: 1000,
  "slurm-array": 1000,
  "slurm-job": 1000,
  parallel: 10_000,
  xargs: 100_000,
  floor: 100_000,
  "holdall+workqueue": 100_000,
  "holdall+ray": 100_000,
  "holdall+parsl": 100_000,
  "holdall+dask": 100_000,
  "holdall+slurm": 1000,
  "holdall+htcondor": 1000,
};
const SIZES = [100, 1000, 10_000, 100_000, 1_000_000];
/** Above this one run says enough: its time is long against everything that varies. */
const REPEATED = 10_000;

export function scale(request: ScenarioRequest, engines: readonly EngineId[]): Part[] {
  const { quick, workers } = request;
  const most = request.most ?? (quick ? 1000 : 1_000_000);
  const reps = request.reps ?? (quick ? 1 : 3);
  return SIZES.filter((tasks) => tasks <= most)
    .map((tasks) => ({
      title: `${tasks} empty tasks`,
      workload: sleeping(tasks, 0, workers),
      rounds: tasks <= REPEATED ? reps : 1,
      warm: true,
      engines: ableTo(tasks, LARGEST, engines),
    }))
    .filter((part) => part.engines.length > 0);
}
