/** The engines that Holdall has bridges to. To add one: a file in engines/, its name here. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { dask } from "./engines/dask.ts";
import type { Engine, Given } from "./engines/engine.ts";
import { htcondor } from "./engines/htcondor.ts";
import { parsl } from "./engines/parsl.ts";
import { ray } from "./engines/ray.ts";
import { slurm } from "./engines/slurm.ts";
import { workqueue } from "./engines/workqueue.ts";

export const ENGINES: {
  readonly workqueue: typeof workqueue;
  readonly ray: typeof ray;
  readonly parsl: typeof parsl;
  readonly dask: typeof dask;
  readonly htcondor: typeof htcondor;
  readonly slurm: typeof slurm;
} = { workqueue, ray, parsl, dask, htcondor, slurm };

export type EngineName = keyof typeof ENGINES;
/** Names of all flags that belong to one engine, in camel case. */
export type EngineFlagName = {
  [Name in EngineName]: keyof (typeof ENGINES)[Name]["flags"];
}[EngineName];

export const ENGINE_NAMES: readonly EngineName[] = Object.keys(ENGINES) as EngineName[];

export interface EngineRequest {
  name: EngineName;
  /** what an engine that is started for us shall offer */
  cpus: number;
  memoryBytes: number;
  /** only their number counts: what attempts need is not told to the engine */
  maxParallel: number | null;
  /** how long work may take; null = nobody said */
  timeLimitSeconds?: number | null;
  /** the engine's own flags */
  given?: Given;
  note?(text: string): void;
}

const root = resolve(import.meta.dir, "../../..");
/** The single executable, whose files have no folder above them, carries no bridges. */
export const HAS_BRIDGES: boolean = root !== "/";

export function engineNamed(name: EngineName): Engine {
  return ENGINES[name];
}

/** Whether everything of ours that an engine needs is here, and its first part that is not, else its first part. */
export function engineParts(name: EngineName): { path: string; found: boolean } {
  const paths = ENGINES[name].parts.map((part) => resolve(root, part));
  const missing = paths.find((path) => !existsSync(path));
  return { path: missing ?? paths[0] ?? root, found: missing === undefined };
}

/** Whether the engine is one of the user's rather than one that is started for us. */
export function attaches(name: EngineName, given: Given): boolean {
  const { flags } = engineNamed(name);
  return Object.entries(flags).some(([key, flag]) => flag.attaches && given[key] !== undefined);
}

/** The bridge's command, except for `--context`, which openBridge adds. */
export function bridgeCommand(request: EngineRequest, launcher: string): string[] {
  const { name, given = {} } = request;
  const engine = engineNamed(name);
  const argv = [...engine.argv(root, attaches(name, given))];
  argv.push("--launcher", launcher);
  argv.push("--cpus", String(Math.max(request.cpus, request.maxParallel ?? 0)));
  argv.push("--memory", String(Math.floor(request.memoryBytes)));
  if (engine.takesTime === true && typeof request.timeLimitSeconds === "number")
    argv.push("--seconds", String(request.timeLimitSeconds));
  for (const [key, { option }] of Object.entries(engine.flags)) {
    const value = given[key];
    if (value !== undefined) argv.push(option, value);
  }
  return argv;
}
