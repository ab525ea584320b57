/**
 * The shell around core and ledger. A turn takes what has arrived, applies it, commits all records in one transaction and then sends:
 * that order is the durability promise. When the disk refuses, records and messages are held back together and tried again; nothing is
 * acknowledged or started meanwhile.
 */
import { HoldallError, toHoldallError } from "../core/error.ts";
import { apply, type Core, type CoreConfig, createCore, decide } from "../core/core.ts";
import {
  type CoreEvent,
  type Effect,
  VERDICT_ACCEPTED,
  VERDICT_SUPERSEDED,
} from "../core/events.ts";
import { outcomeIndex } from "../core/states.ts";
import type { Tasks } from "../core/tasks.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type {
  Ledger,
  LedgerRecord,
  OutputRow,
  WorkflowOptions,
  WorkflowRow,
} from "../ledger/ledger.ts";
import {
  type FinishedBatch,
  SESSION_VERSION,
  type ToServer,
  type ToWorker,
} from "../protocol/session.ts";
import { explainFailures, lostRecord, withoutSuperseded } from "./finished-records.ts";
import { withMore, withoutBodies } from "./definition.ts";
import { sendAll, type Session } from "./outbox.ts";
import { definitionDigest } from "./identity.ts";
import { LiveOutput } from "./live-output.ts";
import { restoreWorkflow } from "./restore.ts";
import { SpillFiles } from "./spill-files.ts";
import { workerTemplate } from "./worker-template.ts";

export interface EngineOptions {
  ledger: Ledger;
  stateDir: string;
  /** ms; never goes back and never jumps */
  now(): number;
  /** for what is recorded: the clock on the wall, ms since the epoch. Default: `now` */
  wall?(): number;
  core?: Partial<CoreConfig>;
  /** when turns happen; a simulation brings its own time */
  schedule?: Schedule;
  /** work goes on when a worker comes: a workflow is running also while there is none */
  serving?: boolean;
}

export interface Schedule {
  /** as soon as what has arrived together is read */
  soon(work: () => void): void;
  /** answers what takes it back */
  later(work: () => void, delayMs: number): () => void;
}

const REAL_TIME: Schedule = {
  soon: (work) => void setImmediate(work),
  later(work, delayMs) {
    const timer = setTimeout(work, delayMs);
    return () => clearTimeout(timer);
  },
};

/** How often a worker is to be heard, and after which silence it is lost; ms. */
export interface Liveness {
  heartbeatMs: number;
  lossMs: number;
}

/** In one process nobody has to be heard. */
const NO_LIVENESS: Liveness = { heartbeatMs: 0, lossMs: 0 };

const RETRY_STORAGE_MS = 1000;
const WORKER_LOST = outcomeIndex("worker_lost");
const PREEMPTED = outcomeIndex("preempted");

/** What a test or a front end may listen to. */
export interface EngineEvents {
  ended(workflow: number): void;
  /** results of a workflow became durable */
  committed(workflow: number, batch: FinishedBatch): void;
  drained(worker: number): void;
  storage(error: HoldallError | null): void;
  /** what a turn decided is durable and sent */
  turn(): void;
}

export class Engine {
  readonly ledger: Ledger;
  readonly core: Core;
  readonly serving: boolean;
  readonly live: LiveOutput;
  readonly #options: EngineOptions;
  readonly #time: Schedule;
  readonly #sessions = new Map<number, Session>();
  readonly #rows = new Map<number, WorkflowRow>();
  readonly #spill: SpillFiles;
  readonly #listeners = new Set<Partial<EngineEvents>>();
  /** attempts that ended since this process began, by workflow */
  readonly attemptsEnded: Map<number, number> = new Map();
  #inbox: { worker: number; frames: readonly ToServer[] }[] = [];
  #scheduled = false;
  #records: LedgerRecord[] = [];
  #outbox: { session: Session; frame: ToWorker }[] = [];
  #after: (() => void)[] = [];
  #storageError: HoldallError | null = null;
  #closed = false;
  #disarm: (() => void) | null = null;
  #armedMs: number | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#time = options.schedule ?? REAL_TIME;
    this.ledger = options.ledger;
    this.serving = options.serving ?? false;
    this.core = createCore(options.core);
    this.#spill = new SpillFiles(options.stateDir);
    this.live = new LiveOutput((worker, frame) => this.#sessions.get(worker)?.send([frame]));
  }

  get spill(): SpillFiles {
    return this.#spill;
  }

  listen(events: Partial<EngineEvents>): () => void {
    this.#listeners.add(events);
    return () => this.#listeners.delete(events);
  }

  #wall(): number {
    return (this.#options.wall ?? this.#options.now)();
  }

  // ---- workflows

  /** Stores a workflow and takes it up. Nothing remains when it throws. */
  submit(definition: WorkflowDefinition, digest: string, options: WorkflowOptions): WorkflowRow {
    this.#refuseWhenFull();
    const row = this.ledger.insertWorkflow(definition, digest, options, this.#wall());
    this.#rows.set(row.id, row);
    const stored = { ...definition, blocks: withoutBodies(definition) };
    this.event({ type: "workflow", workflow: row.id, definition: stored, restored: null });
    return row;
  }

  /** Takes up a workflow that the ledger holds. `lostWorkers`: attempts in flight when the last owner died are recorded as lost. */
  load(id: number, lostWorkers: boolean): WorkflowRow {
    const row = this.ledger.workflow(id);
    if (!row) throw new HoldallError("not_found", `there is no workflow ${id}`);
    this.#rows.set(id, row);
    const definition = this.ledger.definition(id);
    const { restored, lost } = restoreWorkflow(
      this.ledger,
      row,
      definition.blocks,
      lostWorkers,
      definition.categories,
    );
    if (lost.length > 0) {
      this.ledger.commit(lost);
      this.ledger.clearAssignments(id);
    }
    this.event({ type: "workflow", workflow: id, definition, restored });
    return row;
  }

  /**
   * Adds tasks to a workflow, running or not: those of `more` that wait for nothing in it wait for the tasks `after`.
   * Names have to be new: the caller looks. Durable when it returns, together with `records`.
   */
  extend(
    id: number,
    more: WorkflowDefinition,
    after: readonly number[],
    records: readonly LedgerRecord[] = [],
  ): WorkflowRow {
    this.#refuseWhenFull();
    const { definition, mapping } = withMore(this.ledger, id, more, after);
    const digest = definitionDigest(definition);
    // Whoever takes over the ledger now has to take up a workflow that had ended, too.
    const goesOn = { kind: "ended", workflow: id, atMs: null } as const;
    const row = this.ledger.replaceDefinition(id, definition, digest, mapping, [
      goesOn,
      ...records,
    ]);
    this.#rows.set(id, row);
    const stored = { ...definition, blocks: withoutBodies(definition) };
    this.event({ type: "extend", workflow: id, definition: stored });
    // Nothing of what was added may have to run: all of it is behind failures.
    if (this.core.workflows.get(id)?.ended) this.#ended(id, true);
    return row;
  }

  forget(id: number): void {
    this.event({ type: "forget_workflow", workflow: id });
    this.#rows.delete(id);
  }

  row(id: number): WorkflowRow | undefined {
    return this.#rows.get(id);
  }

  tasks(id: number): Tasks | undefined {
    return this.core.workflows.get(id);
  }

  // ---- workers

  /**
   * Connects a worker, new or returning (known by its `instance`); answers `welcome` and returns its number. Attempts it held when the
   * connection broke go on; those nobody wants any more are killed.
   */
  attach(
    hello: Extract<ToServer, { type: "hello" }>,
    send: (frames: readonly ToWorker[]) => void,
    liveness: Liveness = NO_LIVENESS,
  ): number {
    const { instance, host, pid, offer, held } = hello;
    const worker = this.ledger.addWorker(instance, host, pid, this.#wall());
    this.#sessions.set(worker, { worker, send, templates: new Set() });
    this.#send(worker, { type: "welcome", version: SESSION_VERSION, worker, ...liveness });
    this.event({ type: "worker_joined", worker, capacity: { ...offer, host }, held });
    return worker;
  }

  /** Its connection broke: it keeps what it has and gets nothing new until it is back or lost. */
  detach(worker: number): void {
    this.#sessions.delete(worker);
    this.event({ type: "worker_absent", worker });
  }

  lose(worker: number, outcome: "worker_lost" | "preempted"): void {
    this.#sessions.delete(worker);
    this.live.workerLost(worker);
    this.event({ type: "worker_lost", worker, outcome });
  }

  /** It gets nothing new; what it has not started comes back. */
  drainWorker(worker: number): void {
    this.event({ type: "drain_worker", worker });
  }

  /** Workers that hold attempts and are not connected: after a restart they are waited for, then lost. */
  absentWorkers(): Set<number> {
    const absent = new Set<number>();
    for (const tasks of this.core.workflows.values())
      for (const owner of tasks.owner)
        if (owner !== 0 && !this.#sessions.has(owner) && !this.core.workers.get(owner)?.claim)
          absent.add(owner);
    return absent;
  }

  receive(worker: number, frames: readonly ToServer[]): void {
    this.#inbox.push({ worker, frames });
    this.#schedule();
  }

  // ---- turns

  /** Applies an event of our own in the next turn's transaction. */
  event(event: CoreEvent): readonly Effect[] {
    const effects = apply(this.core, event, this.#options.now());
    this.#perform(effects);
    this.#schedule();
    return effects;
  }

  /** Adds records of our own to the next turn's transaction. */
  record(...records: LedgerRecord[]): void {
    this.#records.push(...records);
    this.#schedule();
  }

  /** Calls back once everything decided so far is durable. */
  whenDurable(): Promise<void> {
    return new Promise((done) => {
      this.#after.push(done);
      this.#schedule();
    });
  }

  /** The same; or, when the disk refuses data, false as soon as that is known. */
  async durableOrFull(): Promise<boolean> {
    if (this.#storageError) return false;
    const full = Promise.withResolvers<false>();
    const unlisten = this.listen({
      storage: (error) => {
        if (error) full.resolve(false);
      },
    });
    try {
      return await Promise.race([this.whenDurable().then(() => true), full.promise]);
    } finally {
      unlisten();
    }
  }

  get storageError(): HoldallError | null {
    return this.#storageError;
  }

  close(): void {
    this.#closed = true;
    this.#disarm?.();
    if (this.#records.length > 0) this.#commit();
    this.#spill.close();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#time.soon(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const { worker, frames } of inbox) for (const frame of frames) this.#frame(worker, frame);
    const now = this.#options.now();
    this.#perform(apply(this.core, { type: "timer" }, now));
    this.#perform(decide(this.core, now));
    this.#arm();
    if (!this.#commit()) return;
    const outbox = this.#outbox;
    this.#outbox = [];
    const after = this.#after;
    this.#after = [];
    sendAll(outbox);
    for (const done of after) done();
    for (const each of this.#listeners) each.turn?.();
  }

  /** Wakes up when the next back-off ends. */
  #arm(): void {
    const next = this.core.timers.nextMs;
    if (next === this.#armedMs) return;
    this.#disarm?.();
    this.#armedMs = next;
    this.#disarm =
      next === null
        ? null
        : this.#time.later(
            () => {
              this.#armedMs = null;
              this.#schedule();
            },
            Math.max(0, next - this.#options.now()),
          );
  }

  #commit(): boolean {
    if (this.#records.length === 0) return true;
    try {
      this.#spill.sync();
      this.ledger.commit(this.#records);
    } catch (error) {
      this.#storageFailed(toHoldallError(error));
      return false;
    }
    this.#records = [];
    if (this.#storageError) {
      this.#storageError = null;
      for (const each of this.#listeners) each.storage?.(null);
    }
    return true;
  }

  /** Nothing is sent until the records are stored: try again in a while. */
  #storageFailed(error: HoldallError): void {
    if (error.code !== "storage") throw error;
    if (!this.#storageError) for (const each of this.#listeners) each.storage?.(error);
    this.#storageError = error;
    this.#time.later(() => this.#schedule(), RETRY_STORAGE_MS);
  }

  #refuseWhenFull(): void {
    if (this.#storageError) throw this.#storageError;
  }

  #frame(worker: number, frame: ToServer): void {
    const now = this.#options.now();
    switch (frame.type) {
      case "finished":
        for (const batch of frame.batches)
          this.#perform(apply(this.core, { type: "finished", worker, batch }, now));
        this.#send(worker, { type: "ack", seq: frame.seq });
        break;
      case "started":
        this.#perform(
          apply(
            this.core,
            {
              type: "started",
              worker,
              workflow: frame.workflow,
              tasks: frame.tasks,
              attempts: frame.attempts,
            },
            now,
          ),
        );
        break;
      case "revoked":
        this.#perform(
          apply(
            this.core,
            {
              type: "revoked",
              worker,
              workflow: frame.workflow,
              tasks: frame.tasks,
              attempts: frame.attempts,
            },
            now,
          ),
        );
        break;
      case "spill":
        this.#spill.append(
          frame.workflow,
          frame.task,
          frame.attempt,
          frame.stream,
          frame.data,
          frame.at ?? null,
        );
        break;
      case "live":
        this.live.arrived(frame);
        break;
      case "drained":
        this.#after.push(() => {
          for (const each of this.#listeners) each.drained?.(worker);
        });
        break;
      case "hello":
      case "leaving":
      case "alive":
        break;
    }
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      switch (effect.type) {
        case "assign":
          this.#assign(effect);
          break;
        case "verdicts":
          this.#verdicts(effect);
          break;
        case "lost":
          this.#lost(effect);
          break;
        case "kill":
        case "revoke": {
          const { worker, ...frame } = effect;
          this.#send(worker, frame);
          break;
        }
        case "drain":
          this.#send(effect.worker, { type: "drain" });
          break;
        case "canceled":
          this.#records.push({
            kind: "canceled",
            workflow: effect.workflow,
            tasks: effect.tasks,
            reason: effect.reason,
            atMs: this.#wall(),
          });
          break;
        case "reset":
          this.#records.push({ kind: "reset", workflow: effect.workflow, tasks: effect.tasks });
          break;
        case "ended":
          this.#ended(effect.workflow, effect.ended);
          break;
      }
    }
  }

  #send(worker: number, frame: ToWorker): void {
    const session = this.#sessions.get(worker);
    if (session) this.#outbox.push({ session, frame });
  }

  #assign(effect: Extract<Effect, { type: "assign" }>): void {
    const { worker, workflow, block, tasks, attempts, cls, width, grant } = effect;
    this.#records.push({ kind: "assigned", workflow, worker, tasks, attempts });
    const session = this.#sessions.get(worker);
    const row = this.#rows.get(workflow);
    const definition = this.core.workflows.get(workflow)?.definition;
    if (!session || !row || !definition) return;
    const key = `${workflow}/${block}`;
    if (!session.templates.has(key)) {
      session.templates.add(key);
      this.#send(worker, {
        type: "template",
        template: workerTemplate(workflow, block, definition, row.options),
      });
    }
    const frame: ToWorker = { type: "run", workflow, block, tasks, attempts, cls, width };
    if (grant) frame.grant = grant;
    if (definition.blocks[block]!.kind === "explicit")
      frame.bodies = this.ledger.bodies(workflow, tasks);
    const { recovery } = this.core.workflows.get(workflow)!;
    if (recovery.size > 0) {
      const first = tasks.flatMap((task, at) => {
        const command = recovery.get(task);
        return command ? [{ at, ...command }] : [];
      });
      if (first.length > 0) frame.recoveries = first;
    }
    this.#send(worker, frame);
  }

  #verdicts(effect: Extract<Effect, { type: "verdicts" }>): void {
    const batch = effect.batch as FinishedBatch;
    const { verdicts } = effect;
    if (effect.reasons.length > 0) explainFailures(batch, effect.reasons);
    const kept = verdicts.includes(VERDICT_SUPERSEDED) ? withoutSuperseded(batch, verdicts) : batch;
    const accepted =
      kept === batch ? verdicts : verdicts.filter((verdict) => verdict !== VERDICT_SUPERSEDED);
    const { workflow } = batch;
    for (const { at } of batch.outputs)
      this.#spill.finish(workflow, batch.tasks[at]!, batch.attempts[at]!);
    if (kept.tasks.length === 0) return;
    const outputs: OutputRow[] = kept.outputs.map(({ at, ...rest }) => ({
      task: kept.tasks[at]!,
      attempt: kept.attempts[at]!,
      ...rest,
    }));
    this.#records.push({
      kind: "finished",
      workflow,
      worker: effect.worker,
      columns: kept,
      accepted,
      messages: kept.messages,
      outputs,
    });
    for (const [at, files] of kept.files)
      if (accepted[at] === VERDICT_ACCEPTED)
        this.#records.push({ kind: "files", workflow, task: kept.tasks[at]!, files });
    this.attemptsEnded.set(workflow, (this.attemptsEnded.get(workflow) ?? 0) + kept.tasks.length);
    if (this.live.any) this.live.finished(workflow, kept.tasks, kept.attempts);
    this.#after.push(() => {
      for (const each of this.#listeners) each.committed?.(workflow, kept);
    });
  }

  #lost(effect: Extract<Effect, { type: "lost" }>): void {
    const { workflow, worker, tasks, attempts, outcome } = effect;
    const number = outcome === "preempted" ? PREEMPTED : WORKER_LOST;
    const record = lostRecord(workflow, worker, tasks, attempts, number);
    tasks.forEach((task, i) => this.#spill.finish(workflow, task, attempts[i]!));
    this.#records.push({ ...record, accepted: effect.verdicts, messages: effect.reasons });
    this.attemptsEnded.set(workflow, (this.attemptsEnded.get(workflow) ?? 0) + tasks.length);
    if (this.live.any) this.live.finished(workflow, tasks, attempts);
  }

  #ended(workflow: number, ended: boolean): void {
    const atMs = ended ? this.#wall() : null;
    const row = this.#rows.get(workflow);
    // One that is loaded again keeps the time at which it ended.
    if (row && ended !== (row.endedMs !== null)) {
      this.#records.push({ kind: "ended", workflow, atMs });
      this.#rows.set(workflow, { ...row, endedMs: atMs });
    }
    if (!ended) return;
    this.#forgetTemplates(workflow);
    this.#after.push(() => {
      for (const each of this.#listeners) each.ended?.(workflow);
    });
  }

  /** Workers live longer than workflows: what they know of one that has ended would only pile up. */
  #forgetTemplates(workflow: number): void {
    for (const [worker, { templates }] of this.#sessions) {
      const known = [...templates].filter((key) => key.startsWith(`${workflow}/`));
      for (const key of known) templates.delete(key);
      if (known.length > 0) this.#send(worker, { type: "forget", workflow });
    }
  }
}
