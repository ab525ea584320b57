/** Waits for the end of a workflow, through short absences of its server. */
import type { WorkflowRef } from "../client/client.ts";
import { HoldallError, toHoldallError } from "../core/error.ts";
import type { WorkflowStatus } from "../protocol/api.ts";
import { withClient } from "./connect.ts";
import type { CliContext } from "./context.ts";
import { EXIT } from "./exit.ts";
import type { StateDir } from "./state-dir.ts";

/** The server answers when the workflow has ended, or after this time. */
const HELD_SECONDS = 20;
/** Between two looks at a server that does not hold the answer; shorter in the beginning, because much that is waited for is short. */
const LOOK_MIN_MS = 20;
const LOOK_MAX_MS = 500;
/** A server that was there and is being restarted. */
const ABSENCE_MS = 30_000;

export async function waitFor(
  request: { place: StateDir; ref: WorkflowRef; timeoutSeconds: number | null },
  context: Pick<CliContext, "connectDeps">,
): Promise<{ status: WorkflowStatus; exitCode: number }> {
  const { now, wait } = context.connectDeps;
  const giveUpMs =
    request.timeoutSeconds === null ? Infinity : now() + request.timeoutSeconds * 1000;
  let { ref } = request;
  let delayMs = LOOK_MIN_MS;
  let seen = false;
  let absentSinceMs: number | null = null;
  for (;;) {
    const askedMs = now();
    // The first answer is wanted at once: it tells that there is a server, which may then be away for a while.
    const heldMs = seen ? heldSeconds(giveUpMs - askedMs) * 1000 : 0;
    let mayAskAtOnce = false;
    try {
      const { status, owned } = await withClient(
        context,
        request.place,
        async ({ client, owner }) => ({
          status: await client.workflow(ref, heldMs > 0 ? { wait: heldMs / 1000 } : {}),
          owned: owner !== null,
        }),
      );
      // "latest" is the one that was the newest when we began.
      ref = status.workflow_id;
      const { blocked, ready, assigned, running, failed, skipped, canceled } = status.tasks;
      if (blocked + ready + assigned + running === 0)
        return { status, exitCode: failed + skipped + canceled > 0 ? EXIT.taskFailed : EXIT.ok };
      if (!owned)
        throw new HoldallError(
          "unreachable",
          `workflow ${ref} has work left, and nobody works on it`,
          { fix: `go on with it: holdall run ${ref}, or holdall serve and holdall worker` },
        );
      mayAskAtOnce = !seen || (heldMs > 0 && now() - askedMs >= heldMs);
      seen = true;
      absentSinceMs = null;
      if (now() >= giveUpMs) return { status, exitCode: EXIT.timeout };
    } catch (thrown) {
      const error = toHoldallError(thrown);
      absentSinceMs ??= now();
      const mayReturn = seen && now() - absentSinceMs < ABSENCE_MS;
      if (error.code !== "unreachable" || !mayReturn || now() >= giveUpMs) throw error;
    }
    if (mayAskAtOnce) continue;
    await wait(Math.min(delayMs, Math.max(1, giveUpMs - now())));
    delayMs = Math.min(LOOK_MAX_MS, delayMs * 1.3);
  }
}

/** Whole seconds within what is left; a server is not asked to hold an answer that is wanted sooner. */
function heldSeconds(leftMs: number): number {
  return Math.max(0, Math.min(HELD_SECONDS, Math.floor(leftMs / 1000)));
}
