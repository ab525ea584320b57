/** The engines that can be measured: how the driver of each is started, what it needs, and how to get that. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { nearest } from "../../core/nearest.ts";
import { HoldallError } from "../../core/error.ts";
import { ENGINE_NAMES, engineNamed, type EngineName } from "../../worker/executors/engines.ts";
import { type EngineId, ENGINES } from "./samples.ts";

export interface DriverContext {
  /** the clone: drivers are not in the single executable */
  root: string;
  /** a program on the PATH, or null */
  which(program: string): string | null;
}

export interface CatalogEntry {
  id: EngineId;
  /** as people write it */
  title: string;
  /** in ratios, where one word has to do */
  short: string;
  /** argv up to the driver's options */
  argv(root: string): string[];
  /** paths below the clone, or programs on the PATH; `a|b`: one of them */
  needs: readonly string[];
  install: string;
  /** whether a worker process of it can be killed (`--nodes`) */
  killable: boolean;
}

const SETUP = "sh scripts/setup --engines";
const python =
  (script: string, venv?: string, ...options: string[]) =>
  (root: string): string[] => [
    venv === undefined ? "/usr/bin/env" : join(root, ".venv", venv, "bin/python"),
    ...(venv === undefined ? ["python3"] : []),
    join(root, "drivers", script),
    ...options,
  ];
const holdall =
  (...options: string[]) =>
  (root: string): string[] => [
    process.execPath,
    join(root, "drivers/holdall/holdall_driver.ts"),
    ...options,
  ];

/** To add an engine: its id in samples.ts, a driver in drivers/, a line here. */
const ENTRIES: readonly CatalogEntry[] = [
  {
    id: "holdall",
    title: "Holdall",
    short: "Holdall",
    argv: holdall(),
    needs: ["drivers/holdall/holdall_driver.ts"],
    install: "sh scripts/setup",
    killable: true,
  },
  {
    id: "workqueue",
    title: "Work Queue",
    short: "WQ",
    argv: (root) => [join(root, "build/drivers/holdall-workqueue-driver")],
    needs: ["build/drivers/holdall-workqueue-driver", "work_queue_worker"],
    install: SETUP,
    killable: true,
  },
  {
    id: "ray",
    title: "Ray",
    short: "Ray",
    argv: python("ray/ray_driver.py", "ray"),
    needs: ["drivers/ray/ray_driver.py", ".venv/ray/bin/ray"],
    install: SETUP,
    killable: true,
  },
  {
    id: "parsl",
    title: "Parsl",
    short: "Parsl",
    argv: python("parsl/parsl_driver.py", "parsl"),
    needs: ["drivers/parsl/parsl_driver.py", ".venv/parsl/bin/python"],
    install: SETUP,
    killable: true,
  },
  {
    id: "dask",
    title: "Dask",
    short: "Dask",
    argv: python("dask/dask_driver.py", "dask"),
    needs: ["drivers/dask/dask_driver.py", ".venv/dask/bin/python"],
    install: SETUP,
    killable: true,
  },
  {
    id: "htcondor",
    title: "HTCondor",
    short: "HTCondor",
    argv: python("htcondor/htcondor_driver.py"),
    needs: ["drivers/htcondor/htcondor_driver.py", "build/condor/bin/condor_submit|condor_submit"],
    install: SETUP,
    killable: true,
  },
  {
    id: "slurm",
    title: "Slurm (steps in one allocation)",
    short: "Slurm steps",
    argv: python("slurm/slurm_driver.py", undefined, "--mode", "steps"),
    needs: ["drivers/slurm/slurm_driver.py", "sbatch"],
    install: SETUP,
    killable: true,
  },
  {
    id: "slurm-array",
    title: "Slurm (job array)",
    short: "Slurm array",
    argv: python("slurm/slurm_driver.py", undefined, "--mode", "array"),
    needs: ["drivers/slurm/slurm_driver.py", "sbatch"],
    install: SETUP,
    killable: true,
  },
  {
    id: "slurm-job",
    title: "Slurm (job per task)",
    short: "Slurm jobs",
    argv: python("slurm/slurm_driver.py", undefined, "--mode", "job"),
    needs: ["drivers/slurm/slurm_driver.py", "sbatch"],
    install: SETUP,
    killable: true,
  },
  {
    id: "parallel",
    title: "GNU Parallel",
    short: "Parallel",
    argv: python("parallel/parallel_driver.py"),
    needs: ["drivers/parallel/parallel_driver.py", "parallel"],
    install: SETUP,
    killable: false,
  },
  {
    id: "xargs",
    title: "xargs",
    short: "xargs",
    argv: python("xargs/xargs_driver.py"),
    needs: ["drivers/xargs/xargs_driver.py", "xargs"],
    install: "sudo apt-get install -y findutils",
    killable: false,
  },
  {
    id: "floor",
    title: "Spawn floor",
    short: "floor",
    argv: python("floor/floor_driver.py"),
    needs: ["drivers/floor/floor_driver.py", "build/kernels/spawn_floor"],
    install: "sh scripts/setup",
    killable: false,
  },
];

/** Throws `usage` for a name that no engine has. */
export function engineEntry(id: string): CatalogEntry {
  const found = ENTRIES.find((entry) => entry.id === id);
  if (found !== undefined) return found;
  const bridged = /^holdall\+(.+)$/.exec(id)?.[1];
  const name = ENGINE_NAMES.find((each) => each === bridged);
  if (name !== undefined) return bridgedEntry(name);
  const names = engineIds();
  const near = nearest(id, names);
  throw new HoldallError("usage", `there is no engine "${id}"`, {
    fix: near === null ? `one of ${names.join(", ")}` : `did you mean ${near}?`,
  });
}

/** Holdall with another engine as its executor. */
function bridgedEntry(name: EngineName): CatalogEntry {
  const { title, parts, programs, install } = engineNamed(name);
  return {
    id: `holdall+${name}`,
    title: `Holdall on ${title}`,
    short: `Holdall+${title}`,
    argv: holdall("--executor", name),
    needs: ["drivers/holdall/holdall_driver.ts", ...parts, ...programs],
    install,
    killable: false,
  };
}

export function engineIds(): EngineId[] {
  return [...ENGINES, ...bridgedIds()];
}

export function bridgedIds(): EngineId[] {
  return ENGINE_NAMES.map((name): EngineId => `holdall+${name}`);
}

/** Null when everything is there, else a sentence that says what is not. */
export function missingOf(entry: CatalogEntry, { root, which }: DriverContext): string | null {
  if (root === "/") return "drivers are in a clone of Holdall only, not in the single executable";
  const there = (need: string): boolean =>
    need.includes("/")
      ? existsSync(need.startsWith("/") ? need : join(root, need))
      : which(need) !== null;
  const need = entry.needs.find((each) => !each.split("|").some(there));
  if (need === undefined) return null;
  const named = need.split("|").at(-1)!;
  return named.includes("/") ? `${join(root, named)} is not there` : `${named} is not on the PATH`;
}

/** Those to be measured, and why the others are not: `null` asks for all that are installed, without bridged ones. */
export function chooseEngines(
  wanted: readonly string[] | null,
  context: DriverContext,
): { chosen: CatalogEntry[]; missing: Record<string, string> } {
  const entries = wanted === null ? ENTRIES : [...new Set(wanted)].map(engineEntry);
  const chosen: CatalogEntry[] = [];
  const missing: Record<string, string> = {};
  for (const entry of entries) {
    const why = missingOf(entry, context);
    if (why === null) chosen.push(entry);
    else missing[entry.id] = `${why}; to install it: ${entry.install}`;
  }
  return { chosen, missing };
}
