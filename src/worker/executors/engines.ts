/** The engines that Holdall has bridges to: where their parts are, and how they are asked for. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { Executor, ExecutorEvents } from "../executor.ts";
import { openBridge } from "./bridge.ts";
import { findLauncher } from "./launcher-binary.ts";

export const ENGINE_NAMES = ["workqueue", "ray"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineRequest {
  name: EngineName;
  /** what an engine that is started for us shall offer */
  cpus: number;
  memoryBytes: number;
  /** only their number counts: what attempts need is not told to the engine */
  maxParallel: number | null;
  /** Work Queue: workers of the user's attach to a manager on this port (0 = any), or find it by its project name */
  port?: number | undefined;
  project?: string | undefined;
  /** file with the password those workers have */
  passwordFile?: string | undefined;
  /** Ray: the cluster to attach to */
  rayAddress?: string | undefined;
  note?(text: string): void;
}

const INSTALL = "sh scripts/setup --engines";
/** A Work Queue manager and its worker take 0.5 s, a Ray runtime 3 s; a machine that has much else to do, longer. */
const HELLO_MS = { workqueue: 30_000, ray: 90_000 } as const;

const root = resolve(import.meta.dir, "../../..");
const WORKQUEUE = "build/bridges/holdall-workqueue";
const RAY_PYTHON = ".venv/ray/bin/python";
const RAY_BRIDGE = "bridges/ray/ray_bridge.py";

/** Whether everything of ours that an engine needs is here, and where it should be. */
export function engineParts(name: EngineName): { path: string; found: boolean } {
  const path = resolve(root, name === "workqueue" ? WORKQUEUE : RAY_PYTHON);
  return { path, found: existsSync(path) };
}

/** Throws HoldallError when the engine is not installed or does not start. */
export async function openEngine(
  events: ExecutorEvents,
  engine: EngineRequest,
  stateDir: string,
): Promise<Executor> {
  const { name } = engine;
  const { path, found } = engineParts(name);
  const launcher = await findLauncher(stateDir);
  if (!found || launcher === null) {
    const what =
      launcher === null
        ? "the launcher is not built"
        : root === "/"
          ? "the single executable carries no bridges"
          : `${path} is not there`;
    await launcher?.release();
    throw new HoldallError("not_found", `the executor ${name} is not installed: ${what}`, {
      fix: `${INSTALL} (in a clone of Holdall)`,
    });
  }
  const attach = attaches(engine);
  const argv = [path];
  if (name === "ray") argv.push("-u", resolve(root, RAY_BRIDGE));
  argv.push("--launcher", launcher.path);
  argv.push("--cpus", String(Math.max(engine.cpus, engine.maxParallel ?? 0)));
  argv.push("--memory", String(Math.floor(engine.memoryBytes)));
  if (name === "workqueue" && attach) argv.push("--attach");
  if (engine.port !== undefined) argv.push("--port", String(engine.port));
  if (engine.project !== undefined) argv.push("--project", engine.project);
  if (engine.passwordFile !== undefined) argv.push("--password", engine.passwordFile);
  if (engine.rayAddress !== undefined) argv.push("--address", engine.rayAddress);
  try {
    const bridge = await openBridge(events, {
      name,
      argv,
      environment: bridgeEnvironment(process.env),
      helloMs: HELLO_MS[name],
      remote: attach,
      flat: engine.maxParallel !== null,
      ...(engine.note ? { note: engine.note } : {}),
    });
    return {
      ...bridge,
      async close() {
        await bridge.close();
        await launcher.release();
      },
    };
  } catch (error) {
    await launcher.release();
    throw error;
  }
}

function attaches({ port, project, passwordFile, rayAddress }: EngineRequest): boolean {
  return [port, project, passwordFile, rayAddress].some((each) => each !== undefined);
}

/** Bridges find programs as the user does; variables of ours, credentials among them, are not for engines. */
function bridgeEnvironment(
  from: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(from))
    if (value !== undefined && !name.startsWith("HOLDALL_")) environment[name] = value;
  return environment;
}
