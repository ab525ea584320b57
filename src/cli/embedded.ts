import { HoldallError } from "../core/error.ts";
import type { RunHandle, RunRequest } from "./embedded-types.ts";

/** Starts a run in this process. Errors (conflict, too_large, storage) are thrown before anything has started. */
export async function startRun(request: RunRequest): Promise<RunHandle> {
  throw new HoldallError("internal", `not built yet: ${request.stateDir}`);
}
