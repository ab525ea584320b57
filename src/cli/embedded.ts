/** Server, session over memory and worker in one process: what `holdall run` is. */
import { hostname } from "node:os";
import { formatBytes } from "../core/units.ts";
import { HoldallError, type Place } from "../core/error.ts";
import { tooLarge } from "../core/resources.ts";
import { SUCCEEDED } from "../core/states.ts";
import { hasWorkLeft, type Tasks } from "../core/tasks.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { TaskCounts } from "../protocol/api.ts";
import { type Offer, SESSION_VERSION } from "../protocol/session.ts";
import { steadyNow } from "../server/clock.ts";
import { startActions } from "../server/action-runner.ts";
import { Engine } from "../server/engine.ts";
import { createApi } from "../server/http.ts";
import { listenOnOwnerSocket } from "../server/owner-socket.ts";
import { loadedWorkflow, taskCounts } from "../server/queries.ts";
import { workflowSummary } from "../server/summary.ts";
import { inheritedEnvironment } from "../worker/environment.ts";
import type { Executor, ExecutorEvents } from "../worker/executor.ts";
import type { EngineRequest } from "../worker/executors/engines.ts";
import { openExecutor } from "../worker/executors/index.ts";
import { endLeftovers } from "../worker/leftovers.ts";
import { startTimer } from "../worker/timer.ts";
import { Worker } from "../worker/worker.ts";
import { commandHost } from "./action-host.ts";
import type { RunHandle, RunOutcome, RunProgress, RunRequest } from "./embedded-types.ts";
import { marksOfDead, RUN_INSTANCE } from "./held-elsewhere.ts";
import { writeOutputFiles } from "./output-files.ts";
import { openRun } from "./run-plan.ts";

export interface RunParts {
  /** tests and benchmarks bring their own */
  openExecutor?(events: ExecutorEvents, stateDir: string): Promise<Executor>;
  /** attempts are handed to this engine */
  engine?: EngineRequest | undefined;
  fsync?: boolean;
  /** as in OpenOptions of the ledger */
  acceptLoss?: boolean;
  note?(text: string): void;
}

/** Starts a run in this process. Errors (conflict, too_large, storage) are thrown before anything has started. */
export async function startRun(request: RunRequest, parts: RunParts = {}): Promise<RunHandle> {
  const startedMs = Date.now();
  const { what, offer } = request;
  if (what.kind === "definition") refuseTooLarge(what.definition, offer, what.placeOfNeed);
  const ledger = openLedger(request.stateDir, {
    fsync: parts.fsync ?? true,
    acceptLoss: parts.acceptLoss === true,
    ...(parts.note ? { note: parts.note } : {}),
  });
  const undo: (() => void | Promise<void>)[] = [(): void => ledger.close()];
  try {
    return await start(request, parts, ledger, startedMs, undo);
  } catch (error) {
    for (const each of undo.reverse())
      try {
        await each();
      } catch {
        // the first error is the one to tell; the rest still has to be closed
      }
    throw error;
  }
}

async function start(
  request: RunRequest,
  parts: RunParts,
  ledger: Ledger,
  startedMs: number,
  undo: (() => void | Promise<void>)[],
): Promise<RunHandle> {
  const { stateDir } = request;
  if (endedUncleanly(ledger))
    for (const mark of [ledger.uuid, ...marksOfDead(ledger)]) await endLeftovers(mark);
  const engine = new Engine({ ledger, stateDir, now: steadyNow, wall: Date.now });
  undo.push(() => engine.close());
  const { row, plan } = openRun(engine, request);
  const id = row.id;
  const tasks = engine.tasks(id)!;
  if (request.what.kind === "workflow") refuseTooLarge(tasks.definition, request.offer);
  const cached = tasks.counts[SUCCEEDED]!;

  const host = commandHost(ledger.uuid);
  const actions = startActions(engine, host, { wall: Date.now, note: parts.note ?? (() => {}) });
  undo.push(() => {
    actions.close();
    host.close();
  });
  const workerNumber = actions.nextWorker(id);

  const { names } = loadedWorkflow(engine, id)!;
  const socket = listenOnOwnerSocket(stateDir, createApi(engine, { stateDir }));
  undo.push(() => socket.close());

  let worker: Worker | null = null;
  let failure: Error | null = null;
  const events: ExecutorEvents = {
    started: (...all) => worker?.events.started(...all),
    output: (...all) => worker?.events.output(...all),
    exited: (exits) => worker?.events.exited(exits),
    failed: (error) => {
      failure = error;
      if (!worker) return;
      worker.events.failed(error);
      quit("stopped");
    },
  };
  const open =
    parts.openExecutor ??
    ((to: ExecutorEvents, dir: string) =>
      openExecutor(to, { stateDir: dir, engine: parts.engine }));
  const executor = await open(events, stateDir);
  undo.push(() => executor.close());

  let workerId = 0;
  worker = new Worker({
    executor,
    environment: inheritedEnvironment(process.env),
    mark: ledger.uuid,
    now: Date.now,
    ignoresResources: request.offer.maxParallel !== null,
    send: (frames) => engine.receive(workerId, frames),
  });
  const running = worker;

  const finished = Promise.withResolvers<RunOutcome["end"]>();
  const gaveUp = Promise.withResolvers<never>();
  gaveUp.promise.catch(() => {});
  let end: RunOutcome["end"] = "finished";
  const quit = (why: RunOutcome["end"]): void => {
    if (end === "finished" || why === "stopped") end = why;
    // Nothing more can be recorded: who wants to stop now is not kept waiting for space on the disk.
    if (why === "stopped" && engine.storageError) gaveUp.reject(engine.storageError);
    engine.event({ type: "drain_worker", worker: workerId });
    if (why !== "interrupted") running.stop();
    if (why === "stopped") host.close();
  };
  engine.listen({
    ended: (workflow) => {
      // What a load tells of an earlier end comes late: meanwhile tasks may have been set back.
      if (workflow === id && !hasWorkLeft(tasks)) finished.resolve("finished");
    },
    drained: () => finished.resolve(end),
    storage: (error) => {
      if (error && end === "stopped") gaveUp.reject(error);
    },
    committed: (workflow, batch) => {
      if (workflow === id && request.outputDir !== null)
        writeOutputFiles(engine, names, batch, request.outputDir);
    },
  });
  const stopTimer =
    request.timeoutSeconds === null
      ? null
      : startTimer(request.timeoutSeconds * 1000, () => quit("timeout"));
  if (hasWorkLeft(tasks)) {
    // what the tasks may count on is done before the first of them starts
    await actions.begun(id);
    await actions.worker(id, "on_worker_start", workerNumber);
    workerId = engine.attach(
      {
        type: "hello",
        version: SESSION_VERSION,
        instance: `${RUN_INSTANCE}${crypto.randomUUID()}`,
        host: hostname(),
        pid: process.pid,
        offer: request.offer,
        held: [],
      },
      (frames) => running.receive(frames),
    );
  } else finished.resolve("finished");
  if (failure) quit("stopped");

  const close = async (): Promise<RunOutcome> => {
    const durable = finished.promise.then(() => engine.whenDurable());
    try {
      await Promise.race([durable, gaveUp.promise]);
    } catch (error) {
      stopTimer?.();
      await executor.close();
      await socket.close();
      engine.close();
      ledger.close();
      throw error;
    }
    const why = await finished.promise;
    stopTimer?.();
    if (why !== "stopped") {
      if (workerId !== 0) await actions.worker(id, "on_worker_complete", workerNumber);
      await actions.settled(id);
    }
    actions.close();
    host.close();
    // A worker that is told to go has nothing left: whatever an attempt left behind ends with the executor.
    await executor.close();
    const outcome = outcomeOf(engine, id, cached, startedMs, hasWorkLeft(tasks) ? why : "finished");
    ledger.clearAssignments(id);
    await socket.close();
    engine.close();
    ledger.close();
    if (failure && outcome.end !== "finished")
      throw new HoldallError("internal", `tasks can no longer be executed: ${failure.message}`, {
        fix: "run it again: what has succeeded is kept",
        cause: failure,
      });
    return outcome;
  };
  const done = close();
  // The caller awaits it later; until then a failure must not count as unhandled.
  done.catch(() => {});
  return {
    plan,
    progress: (): RunProgress => ({
      workflowId: id,
      name: row.name,
      total: row.taskCount,
      counts: countsNow(engine, tasks),
      cached,
      attempts: engine.attemptsEnded.get(id) ?? 0,
      startedMs,
    }),
    drain: () => quit("interrupted"),
    stop: () => quit("stopped"),
    onStorage: (listener) => engine.listen({ storage: listener }),
    done,
  };
}

/** An owner that died may have left attempts running: they are ended before anything is run again. */
function endedUncleanly(ledger: Ledger): boolean {
  for (const row of ledger.workflows())
    for (const _ of ledger.history(row.id).assigned) return true;
  return false;
}

/** What runs is told by the room that is taken: reports of starts lag behind, and short tasks have none. */
function countsNow(engine: Engine, tasks: Tasks): TaskCounts {
  const counts = taskCounts(tasks);
  let running = 0;
  for (const worker of engine.core.workers.values()) running += worker.running;
  const live = counts.running + counts.assigned;
  counts.running = Math.min(running, live);
  counts.assigned = live - counts.running;
  return counts;
}

function outcomeOf(
  engine: Engine,
  id: number,
  cached: number,
  startedMs: number,
  end: RunOutcome["end"],
): RunOutcome {
  const tasks: Tasks = engine.tasks(id)!;
  const counts = taskCounts(tasks);
  const wallSeconds = (Date.now() - startedMs) / 1000;
  const attempts = engine.attemptsEnded.get(id) ?? 0;
  return {
    end,
    summary: workflowSummary(loadedWorkflow(engine, id)!),
    report: {
      workflow_id: id,
      name: tasks.definition.name,
      tasks: tasks.state.length,
      succeeded: counts.succeeded,
      failed: counts.failed,
      canceled: counts.canceled,
      skipped: counts.skipped,
      cached,
      attempts,
      wall_seconds: Math.round(wallSeconds * 1e6) / 1e6,
      tasks_per_second: Math.round((attempts / Math.max(wallSeconds, 1e-6)) * 1000) / 1000,
    },
  };
}

/** A task that could never start is refused before anything is stored, naming the resource. */
function refuseTooLarge(
  definition: WorkflowDefinition,
  offer: Offer,
  placeOf: (task: number, need: string) => Place | undefined = () => undefined,
): void {
  for (const block of definition.blocks) {
    const title = blockTitle(block);
    const foreign = block.scheduler !== null && block.scheduler !== offer.scheduler;
    if (foreign && offer.strictScheduler !== false)
      throw new HoldallError(
        "too_large",
        `task '${title}' is bound to scheduler '${block.scheduler}', and this run offers ${offer.scheduler === null ? "none" : `'${offer.scheduler}'`}`,
        {
          place: placeOf(block.first, "scheduler"),
          fix: `run it with --scheduler ${block.scheduler}, or with --flexible`,
        },
      );
    const { features = [], requiredHosts = [] } = block.placement ?? {};
    const lacking = features.find((feature) => !offer.features?.includes(feature));
    if (lacking !== undefined)
      throw new HoldallError(
        "too_large",
        `task '${title}' asks for the feature '${lacking}', and this run does not offer it`,
        { place: placeOf(block.first, "features"), fix: `run it with --feature ${lacking}` },
      );
    if (requiredHosts.length > 0 && !requiredHosts.includes(hostname()))
      throw new HoldallError(
        "too_large",
        `task '${title}' requires the host ${requiredHosts.join(" or ")}, and this is ${hostname()}`,
        {
          place: placeOf(block.first, "required_hosts"),
          fix: "run it there, or on a server with a worker there: holdall serve, holdall worker",
        },
      );
    const large = tooLarge(offer, block.requirement);
    if (!large) continue;
    const show = (amount: number): string =>
      large.resource === "memory" || large.resource === "disk"
        ? formatBytes(amount)
        : large.resource === "runtime"
          ? `${amount} s`
          : String(amount);
    throw new HoldallError(
      "too_large",
      `task '${title}' needs ${show(large.needed)} ${unitOf(large.resource)}, and this run offers ${show(large.offered)}`,
      {
        place: placeOf(block.first, large.resource),
        fix: `ask for less in the task's resource requirements, or offer more with --${optionOf(large.resource)}, or ignore resources with --max-parallel`,
      },
    );
  }
}

function unitOf(resource: string): string {
  return resource === "runtime"
    ? "of run time"
    : resource === "memory" || resource === "disk"
      ? `of ${resource}`
      : resource;
}

function optionOf(resource: string): string {
  return resource === "runtime" ? "time-limit" : resource;
}

function blockTitle(block: WorkflowDefinition["blocks"][number]): string {
  if (block.kind === "array") return block.title;
  const name = block.bodies?.[0]?.name;
  return typeof name === "string" ? name : block.category;
}
