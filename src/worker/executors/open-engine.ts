/** An executor that hands attempts to another engine, through the engine's bridge. */
import { HoldallError } from "../../core/error.ts";
import type { Executor, ExecutorEvents } from "../executor.ts";
import { openBridge } from "./bridge.ts";
import {
  attaches,
  bridgeCommand,
  engineNamed,
  engineParts,
  type EngineRequest,
  HAS_BRIDGES,
} from "./engines.ts";
import { findLauncher } from "./launcher-binary.ts";

/** Throws HoldallError when the engine is not installed or does not start. */
export async function openEngine(
  events: ExecutorEvents,
  request: EngineRequest,
  stateDir: string,
): Promise<Executor> {
  const { name, given = {} } = request;
  const engine = engineNamed(name);
  const attached = attaches(name, given);
  const launcher = await findLauncher(stateDir);
  const missing = launcher === null ? "the launcher is not built" : missingOf(request, attached);
  if (launcher === null || missing !== null) {
    await launcher?.release();
    throw new HoldallError("not_found", `the executor ${name} is not installed: ${missing}`, {
      fix: `${engine.install} (in a clone of Holdall)`,
    });
  }
  try {
    const bridge = await openBridge(events, {
      name,
      argv: bridgeCommand(request, launcher.path),
      environment: bridgeEnvironment(process.env),
      helloMs: engine.helloMs,
      install: engine.install,
      remote: attached || engine.remote === true,
      flat: request.maxParallel !== null,
      ...(engine.reasonMs === undefined ? {} : { reasonMs: engine.reasonMs }),
      ...(request.note ? { note: request.note } : {}),
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

function missingOf({ name }: EngineRequest, attached: boolean): string | null {
  const { path, found } = engineParts(name);
  if (!HAS_BRIDGES) return "the single executable carries no bridges";
  if (!found) return `${path} is not there`;
  const { programs } = engineNamed(name);
  const absent = attached ? undefined : programs.find((program) => Bun.which(program) === null);
  return absent === undefined ? null : `${absent} is not on the PATH`;
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
