/** What is learned of single workers: how fast they are, and which inputs they have. */
import type { Core } from "./core.ts";
import { type Finished, VERDICT_ACCEPTED } from "./events.ts";
import { OUTCOME_OK } from "./states.ts";
import { classOf } from "./tasks.ts";

/** A moving average over some 32 tasks: run times within a category differ too. */
const MEMORY = 32;
/** Of a large batch a few tell enough. */
const LOOKED_AT = 16;

/** Compares what a worker finished with the means of the categories. */
export function observeSpeed(
  core: Core,
  worker: number,
  batch: Finished,
  verdicts: Uint8Array,
): void {
  const tasks = core.workflows.get(batch.workflow);
  if (!tasks || core.workers.size < 2) return;
  const { speeds } = core.scheduling;
  const size = batch.tasks.length;
  for (let i = 0; i < size; i += Math.ceil(size / LOOKED_AT)) {
    if (verdicts[i] !== VERDICT_ACCEPTED || batch.outcomes[i] !== OUTCOME_OK) continue;
    const { category } = classOf(tasks, batch.tasks[i]!);
    if (category.samples < 2 || category.meanWallUs <= 0) continue;
    let speed = speeds.get(worker);
    if (!speed) speeds.set(worker, (speed = { samples: 0, slowness: 1 }));
    speed.samples++;
    const relative = batch.wallUs[i]! / category.meanWallUs;
    speed.slowness += (relative - speed.slowness) / Math.min(speed.samples + 1, MEMORY);
  }
}

export function noteCached(
  core: Core,
  worker: number,
  digests: readonly string[],
  bytes: readonly number[],
): void {
  const { cached } = core.scheduling;
  const has = cached.get(worker) ?? new Map<string, number>();
  cached.set(worker, has);
  digests.forEach((digest, i) => {
    if (bytes[i]! > 0) has.set(digest, bytes[i]!);
    else has.delete(digest);
  });
}

/** It will not come back under this number. */
export function forgetWorker(core: Core, worker: number): void {
  core.scheduling.speeds.delete(worker);
  core.scheduling.cached.delete(worker);
}
