/**
 * Measures engines: in every round each engine has its driver started, a bag to warm up if that is wanted, the measured bag, and its
 * end. Nothing of one engine runs while another is measured: idle engines use the processor too.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type HoldallError, toHoldallError } from "../../core/error.ts";
import { type Bag, type BagResults, readResults, type TaskPrograms, writeBag } from "./bag.ts";
import type { CatalogEntry } from "./catalog.ts";
import { type Driver, type DriverRan, type DriverReady, startDriver } from "./driver.ts";
import { orderOfRound } from "./order.ts";
import { useOf } from "./processes.ts";
import type { EngineId, Sample, SpotFigures, Workload } from "./samples.ts";

/** A measured bag while it runs, for what happens beside it. */
export interface LiveRun {
  entry: CatalogEntry;
  driver: Driver;
  bag: Bag;
  nodes: number;
  round: number;
  /** performance.now() when the bag was handed over */
  startedMs: number;
}

export interface EnginesPlan {
  scenario: Sample["scenario"];
  engines: readonly CatalogEntry[];
  workloads: readonly Workload[];
  rounds: number;
  warm: boolean;
  seed: number;
  programs: TaskPrograms;
  /** the clone */
  root: string;
  /** where bags, figures and engines have their folders while they run; removed afterwards */
  workFolder: string;
  env: Readonly<Record<string, string | undefined>>;
  /** of the bag to warm up, at most; default: 200 */
  warmUpTasks?: number;
  /** worker processes that share the slots, and may be killed one by one; null: the driver's own way, one worker */
  nodes?: number | null;
  retries?: number;
  /** sleeping tasks note when they begin and end */
  marks?: boolean;
  /** further options of an engine's driver */
  driverOptions?(engine: EngineId, workload: Workload): readonly string[];
  readyLimitMs?: number;
  runLimitMs?: number;
  /** stops all engines and ends the measurement; what was measured stays */
  signal?: AbortSignal;
  /** happens beside the measured bag, `over` tells its end; what it answers is the sample's `spot` */
  beside?(run: LiveRun, over: AbortSignal): Promise<SpotFigures | null>;
  /** called at once for each, so that nothing is lost whatever comes later */
  onSample(sample: Sample): void;
  note(text: string): void;
}

export interface EnginesResult {
  samples: Sample[];
  /** engines that broke, with the first reason; they are not started again for that workload */
  broken: { engine: EngineId; workload: Workload; error: HoldallError }[];
  interrupted: boolean;
}

const READY_LIMIT_MS = 180_000;
const RUN_LIMIT_MS = 3_600_000;
/** Tasks of the bag to warm up, at most: enough for every worker to have run something several times. */
const WARM_UP_TASKS = 200;
const MARK_NAME = "HOLDALL_BENCH_MARK";

export async function runEngines(plan: EnginesPlan): Promise<EnginesResult> {
  const samples: Sample[] = [];
  const broken: EnginesResult["broken"] = [];
  const stopped = (): boolean => plan.signal?.aborted === true;
  mkdirSync(plan.workFolder, { recursive: true });
  for (const workload of plan.workloads) {
    let left = [...plan.engines];
    for (let round = 0; round < plan.rounds; round++) {
      // The order is that of all engines, also when one of them has dropped out.
      const order = orderOfRound(plan.engines, round, plan.seed).filter((e) => left.includes(e));
      for (const [place, entry] of order.entries()) {
        if (stopped()) return { samples, broken, interrupted: true };
        try {
          const sample = await measureOnce(plan, { entry, workload, round, place });
          samples.push(sample);
          plan.onSample(sample);
          plan.note(noteOf(entry, sample, plan.rounds));
        } catch (thrown) {
          if (stopped()) return { samples, broken, interrupted: true };
          const error = toHoldallError(thrown);
          plan.note(`${entry.title} is left out from here on: ${error.message}`);
          broken.push({ engine: entry.id, workload, error });
          left = left.filter((each) => each !== entry);
        }
      }
    }
  }
  return { samples, broken, interrupted: false };
}

interface Turn {
  entry: CatalogEntry;
  workload: Workload;
  round: number;
  place: number;
}

async function measureOnce(plan: EnginesPlan, turn: Turn): Promise<Sample> {
  const { entry, workload } = turn;
  const folder = mkdtempSync(join(plan.workFolder, `${entry.id.replaceAll("+", "-")}-`));
  const nodes = plan.nodes ?? null;
  const driver = startDriver({
    title: entry.title,
    argv: [
      ...entry.argv(plan.root),
      ...["--workers", String(workload.workers)],
      ...(nodes === null ? [] : ["--nodes", String(nodes)]),
      ...((plan.retries ?? 0) === 0 ? [] : ["--retries", String(plan.retries)]),
      ...(plan.driverOptions?.(entry.id, workload) ?? []),
    ],
    folder: join(folder, "engine"),
    mark: [MARK_NAME, crypto.randomUUID()],
    env: plan.env,
    readyLimitMs: plan.readyLimitMs ?? READY_LIMIT_MS,
  });
  const interrupt = (): void => void driver.end().catch(() => {});
  plan.signal?.addEventListener("abort", interrupt);
  if (plan.signal?.aborted === true) interrupt();
  try {
    const ready = await driver.ready();
    if (plan.warm) await warmUp(plan, workload, driver, folder);
    return await measuredBag(plan, turn, driver, ready, folder);
  } finally {
    plan.signal?.removeEventListener("abort", interrupt);
    await driver.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same tasks as those measured, or the first of them; not recorded. */
async function warmUp(
  plan: EnginesPlan,
  workload: Workload,
  driver: Driver,
  folder: string,
): Promise<void> {
  const few = { ...workload, tasks: Math.min(workload.tasks, plan.warmUpTasks ?? WARM_UP_TASKS) };
  const bag = newBag(plan, few, join(folder, "warm-up"), false);
  await driver.run(bag.path, few.tasks, plan.runLimitMs ?? RUN_LIMIT_MS);
}

async function measuredBag(
  plan: EnginesPlan,
  { entry, workload, round, place }: Turn,
  driver: Driver,
  ready: DriverReady,
  folder: string,
): Promise<Sample> {
  const bag = newBag(plan, workload, join(folder, "bag"), plan.marks ?? false);
  const before = useOf(ready.managers);
  const at_ms = Date.now();
  const over = new AbortController();
  const startedMs = performance.now();
  const running = driver.run(bag.path, workload.tasks, plan.runLimitMs ?? RUN_LIMIT_MS);
  running.catch(() => {});
  const live: LiveRun = { entry, driver, bag, nodes: plan.nodes ?? 1, round, startedMs };
  const beside = plan.beside?.(live, over.signal) ?? Promise.resolve(null);
  // What happens beside the bag may fail first: then the bag is of no use either.
  const failedBeside = beside.then(() => new Promise<never>(() => {}));
  let ran: DriverRan;
  try {
    ran = await Promise.race([running, failedBeside]);
  } finally {
    over.abort();
  }
  const after = useOf(ready.managers);
  const spot = await beside;
  const results = readResults(bag);
  return {
    scenario: plan.scenario,
    engine: entry.id,
    version: ready.version,
    workload,
    round,
    place,
    warm: plan.warm,
    startup_s: ready.startup_s,
    wall_s: ran.wall_s,
    ...counted(ran, results),
    task_ms: results.task_ms,
    compression_ratio: results.compression_ratio,
    checksum: results.checksum,
    binary: results.binary,
    manager_cpu_s: before && after && after.cpuSeconds - before.cpuSeconds,
    manager_peak_bytes: after && after.peakBytes,
    spot,
    at_ms,
  };
}

/** A task that its engine calls done and that left no figures is not done. */
function counted(ran: DriverRan, { missing }: BagResults): { done: number; failed: number } {
  const failed = Math.max(ran.failed, missing);
  return { done: ran.done + ran.failed - failed, failed };
}

function newBag(plan: EnginesPlan, workload: Workload, folder: string, marks: boolean): Bag {
  mkdirSync(folder);
  return writeBag(folder, { workload, programs: plan.programs, seed: plan.seed, marks });
}

function noteOf(entry: CatalogEntry, sample: Sample, rounds: number): string {
  const { done, failed, wall_s, startup_s } = sample;
  const figures = `done=${done} failed=${failed} wall_s=${wall_s.toFixed(4)} tasks_per_s=${(done / wall_s).toFixed(1)}`;
  return `round ${sample.round + 1}/${rounds} ${entry.title}: ${figures} (start-up ${startup_s.toFixed(2)} s)`;
}
