/** A bag on Slurm: pilots that pull tasks, steps in one allocation, one array, one job a task. */
import { hostname } from "node:os";
import type { EngineId } from "../engines/samples.ts";
import { type Part, type ScenarioRequest, sleeping, SLOW, zfp } from "./scenario.ts";
import type { SlurmSite } from "./slurm-site.ts";

export const SLURM_ENGINES: readonly EngineId[] = ["holdall", "slurm", "slurm-array", "slurm-job"];
/** Of the test cluster: four nodes of two. */
export const SLURM_WORKERS = 8;

export function slurm(request: ScenarioRequest, site: SlurmSite | null): Part[] {
  const { quick, workers } = request;
  const rounds = request.reps ?? (quick ? 1 : 5);
  const tasks = request.tasks ?? (quick ? 16 : (SLOW["slurm-job"] ?? 300));
  const common = {
    rounds,
    warm: true,
    engines: null,
    warmUpTasks: 2 * workers,
    driverOptions: (engine: EngineId): readonly string[] => pilotOptions(engine, site),
  };
  const long = quick ? 200 : 1000;
  return [
    { ...common, title: `${tasks} zfp tasks`, workload: zfp(tasks, request) },
    {
      ...common,
      title: `tasks of ${long} ms`,
      workload: sleeping(Math.max(1, Math.ceil(tasks / 4)), long, workers),
    },
  ];
}

const NODES = 4;

/** Holdall's workers become jobs. On a site they reach the server by this host's name; the results folder has to be shared then. */
export function pilotOptions(engine: EngineId, site: SlurmSite | null): readonly string[] {
  if (engine !== "holdall") return [];
  const host = site === null || site.own ? [] : ["--host", hostname()];
  return ["--pilots", "slurm", "--nodes", String(NODES), ...host];
}
