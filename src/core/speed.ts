/** What is learned of single workers: how fast they are, and which inputs they have. */
import { forgetWorker as forgetSuspicion } from "./suspicion.ts";
import type { Core } from "./core.ts";
import { type Finished, VERDICT_ACCEPTED } from "./events.ts";
import type { ErrorSpread } from "./scheduling.ts";
import { OUTCOME_OK } from "./states.ts";
import { classOf } from "./tasks.ts";

/** A moving average over some 32 tasks: run times within a category differ too. */
const MEMORY = 32;
/** No worker is taken to be more than so many times slower or faster than the mean. */
const LARGEST = 16;
/** Of a large batch a few tell enough. */
const LOOKED_AT = 16;

/** Compares what a worker finished with what was expected: the task's own estimate, else the mean of its category. */
export function observeSpeed(
  core: Core,
  worker: number,
  batch: Finished,
  verdicts: Uint8Array,
): void {
  const tasks = core.workflows.get(batch.workflow);
  if (!tasks || core.workers.size < 2) return;
  const { speeds, errors } = core.scheduling;
  const size = batch.tasks.length;
  for (let i = 0; i < size; i += Math.ceil(size / LOOKED_AT)) {
    if (verdicts[i] !== VERDICT_ACCEPTED || batch.outcomes[i] !== OUTCOME_OK) continue;
    const { category, requirement } = classOf(tasks, batch.tasks[i]!);
    const expectedUs =
      requirement.runtimeSeconds !== null ? requirement.runtimeSeconds * 1e6 : category.meanWallUs;
    if (expectedUs <= 0) continue;
    let speed = speeds.get(worker);
    if (!speed) speeds.set(worker, (speed = { samples: 0, slowness: 1 }));
    speed.samples++;
    const relative = batch.wallUs[i]! / expectedUs;
    let error = errors.get(batch.workflow);
    if (!error) errors.set(batch.workflow, (error = { samples: 0, mean: 0, squares: 0 }));
    noteError(error, Math.log(Math.max(relative, 1e-6)));
    // Estimates may all be wrong alike. That it is as fast as the others counts as one measurement.
    const slowness = Math.min(LARGEST, Math.max(1 / LARGEST, relative / Math.exp(error.mean)));
    speed.slowness += (slowness - speed.slowness) / Math.min(speed.samples + 1, MEMORY);
  }
}

/** Welford's running variance. */
function noteError(error: ErrorSpread, value: number): void {
  error.samples++;
  const distance = value - error.mean;
  error.mean += distance / error.samples;
  error.squares += distance * (value - error.mean);
}

/** Standard deviation of the logarithm of measured ÷ expected run times: 0 = they are exact, or nothing is known. */
export function estimateSpread(core: Core, workflow: number): number {
  const error = core.scheduling.errors.get(workflow);
  if (!error || error.samples < LEAST_SAMPLES) return 0;
  return Math.sqrt(error.squares / (error.samples - 1));
}

/** Fewer than this tell nothing of the spread. */
const LEAST_SAMPLES = 3;
/** Steps of slowness between one and two. */
const STEPS = 4;

/** How slow a worker is, in steps of a fifth, so that noise is not taken for speed; 1 = unknown. */
export function quantizedSlowness(core: Core, worker: number): number {
  const speed = core.scheduling.speeds.get(worker);
  return speed ? 2 ** (Math.round(Math.log2(speed.slowness) * STEPS) / STEPS) : 1;
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
  forgetSuspicion(core.suspicion, worker);
}
