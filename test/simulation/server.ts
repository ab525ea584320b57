/**
 * The server of a simulation: the real engine over a ledger in memory, in simulated time. What a crash leaves is the disk; a restart
 * goes through the engine's own loading. Sessions follow the rules of the real ones: a broken connection is waited for, silence beyond
 * the loss time-out is not.
 */
import { HoldallError } from "../../src/core/error.ts";
import { EdgeWatch } from "../../src/core/testing/edge-watch.ts";
import { validate } from "../../src/core/validate.ts";
import type { Effect } from "../../src/core/events.ts";
import { RUNNING } from "../../src/core/states.ts";
import { ownAttempt } from "../../src/core/tasks.ts";
import type { WorkflowDefinition } from "../../src/core/workflow.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import type { ClaimAnswer } from "../../src/protocol/claims.ts";
import type { ToServer, ToWorker } from "../../src/protocol/session.ts";
import { refuseClaimed } from "../../src/server/additions.ts";
import { type Answers, createAnswers } from "../../src/server/answers.ts";
import { type Claims, createClaims, TICK_MS } from "../../src/server/claims.ts";
import { Engine } from "../../src/server/engine.ts";
import { createHostBlocks, type HostBlocks } from "../../src/server/host-blocks.ts";
import { type Answer, type Call, pathOf, perform, refusalOf, type Said } from "./calls.ts";
import type { ClaimBook } from "./claim-book.ts";
import type { Clock } from "./clock.ts";
import { Decisions } from "./decisions.ts";
import type { History } from "./history.ts";
import { type Disk, openMemoryLedger } from "./memory-ledger.ts";
import type { Mutant } from "./mutants.ts";
import type { Connection } from "./network.ts";
import type { EventKind } from "./plan.ts";
import type { Random } from "./random.ts";
import type { SimWorker } from "./worker.ts";

/** Silence after which a worker is lost. */
export const LOSS_MS = 60;
/** Until then somebody may still claim something. */
const CLAIMS_MS = 5000;

type CrashPoint = "before_commit" | "after_commit";

interface Session {
  worker: number;
  process: SimWorker;
  connection: Connection;
}

export interface ServerWorld {
  clock: Clock;
  draw: Random;
  disk: Disk;
  history: History;
  book: ClaimBook;
  edges: Set<string>;
  note(kind: EventKind): void;
  embedded: boolean;
  mutant: Mutant | null;
  onDrained(process: SimWorker): void;
}

export class SimServer {
  readonly #world: ServerWorld;
  engine: Engine | null = null;
  /** by number of the worker */
  readonly #sessions = new Map<number, Session>();
  readonly decisions: Decisions;
  #claims: Claims | null = null;
  #answers: Answers | null = null;
  #hostBlocks: HostBlocks | null = null;
  /** tasks that runners know by a number */
  readonly #jobs = new Map<number, { workflow: number; task: number }>();
  /** attempts of which this life has heard that they run; `reports`: not yet looked at */
  readonly #running = new Set<string>();
  #reports: string[] = [];
  /** what is being added */
  #adding: { more: WorkflowDefinition; after: readonly number[] } | null = null;
  /** what went wrong where nobody could be told */
  #failure: unknown = null;
  #crashAt: CrashPoint | null = null;
  #diskFullUntilMs = 0;
  /** counts lives: what an earlier one had planned does not happen */
  #life = 0;
  readonly #bornMs: number;
  steps = 0;
  /** it died in the middle of something; whatever is thrown then is not an error */
  dying = false;
  #effects: Effect[] = [];
  /** so many of them were looked at */
  #judged = 0;
  /** workers of an earlier life that may come back; null while nobody knows */
  #awaited: { has(worker: number): boolean } | null = null;
  #watch: EdgeWatch;

  constructor(world: ServerWorld) {
    this.#world = world;
    this.#bornMs = world.clock.nowMs;
    this.#watch = new EdgeWatch(world.edges);
    this.decisions = new Decisions(world.note);
  }

  /** It was told so, in this life. */
  knowsRunning(workflow: number, task: number, attempt: number): boolean {
    return this.#running.has(`${workflow}/${task}/${attempt}`);
  }

  // ---- life and death

  /** False when the disk refuses: to be tried again. */
  start(): boolean {
    const { clock, draw, disk, mutant } = this.#world;
    const life = ++this.#life;
    const mine = (work: () => void) => (): void => {
      if (this.#life === life) work();
    };
    const ledger = this.#wrap(openMemoryLedger(disk));
    const engine = new Engine({
      ledger: mutant?.ledger?.(ledger) ?? ledger,
      stateDir: "/simulated",
      now: () => clock.nowMs,
      core: { prefetchMs: 10, prefetchMax: 50 },
      schedule: {
        soon: (work) => clock.after(draw.between(0, 0.3), mine(work)),
        later: (work, delayMs) => {
          let wanted = true;
          const still = mine(work);
          clock.after(delayMs, () => {
            if (wanted) still();
          });
          return () => {
            wanted = false;
          };
        },
      },
    });
    this.#awaited = null;
    this.#observe(engine);
    this.engine = engine;
    engine.listen({
      drained: (worker) => {
        const session = this.#sessions.get(worker);
        if (session) this.#world.onDrained(session.process);
      },
      turn: () => {
        for (const key of this.#reports.splice(0)) this.#running.add(key);
      },
    });
    this.#world.history.restarted();
    try {
      for (const { id } of ledger.workflows()) engine.load(id, this.#world.embedded);
    } catch (error) {
      if (!(error instanceof HoldallError) || error.code !== "storage") throw error;
      this.stop();
      return false;
    }
    this.#claims = createClaims(
      engine,
      () => clock.nowMs,
      () => clock.nowMs,
    );
    this.#answers = createAnswers(engine, () => clock.nowMs);
    // What runners had started is on record.
    for (const tasks of engine.core.workflows.values())
      tasks.state.forEach((state, task) => {
        if (state === RUNNING)
          this.#running.add(`${tasks.workflow}/${task}/${ownAttempt(tasks, task)}`);
      });
    this.#hostBlocks = createHostBlocks(
      engine,
      () => clock.nowMs,
      () => clock.nowMs,
    );
    this.#world.book.restarted(clock.nowMs);
    this.#tick(mine);
    this.#awaited = engine.absentWorkers();
    mutant?.loaded?.(engine.core);
    // Workers that held attempts when the last life ended are waited for, then lost.
    clock.after(
      LOSS_MS,
      mine(() => {
        for (const worker of engine.absentWorkers()) this.#lose(worker, "worker_lost");
        this.#awaited = new Set();
      }),
    );
    return true;
  }

  /** Looks whose lease is over. */
  #tick(mine: (work: () => void) => () => void): void {
    const { clock, mutant } = this.#world;
    const tick = (): void => {
      if (!mutant?.forgetsLeases) this.#claims!.tick();
      const open = [...this.engine!.core.workers.values()].some(({ claim }) => claim);
      if (open || clock.nowMs < this.#bornMs + CLAIMS_MS) clock.after(TICK_MS, mine(tick));
    };
    clock.after(TICK_MS, mine(tick));
  }

  /** All memory is gone. */
  stop(): void {
    this.#life++;
    this.engine = null;
    this.#claims = null;
    this.#answers = null;
    this.#hostBlocks = null;
    this.#running.clear();
    this.#reports = [];
    this.decisions.forget();
    this.#effects = [];
    this.#judged = 0;
    this.#crashAt = null;
    this.dying = false;
    this.#watch = new EdgeWatch(this.#world.edges);
    for (const { connection } of this.#sessions.values()) connection.cut();
    this.#sessions.clear();
  }

  crashAt(point: CrashPoint): void {
    this.#crashAt = point;
  }

  fillDisk(forMs: number): void {
    this.#diskFullUntilMs = Math.max(this.#diskFullUntilMs, this.#world.clock.nowMs + forMs);
  }

  /** The ledger as the engine sees it: it can refuse, and the machine can die before or after a commit. */
  #wrap(ledger: Ledger): Ledger {
    const { clock, history } = this.#world;
    const refuse = (): void => {
      if (clock.nowMs < this.#diskFullUntilMs)
        throw new HoldallError("storage", "the simulated disk is full");
    };
    return {
      ...ledger,
      insertWorkflow: (definition, digest, options, nowMs) => {
        refuse();
        const row = ledger.insertWorkflow(definition, digest, options, nowMs);
        history.submitted(row.id, definition);
        return row;
      },
      addWorker: (...values) => {
        refuse();
        return ledger.addWorker(...values);
      },
      addWorkers: (...values) => {
        refuse();
        return ledger.addWorkers(...values);
      },
      replaceDefinition: (id, definition, digest, mapping, records = []) => {
        if (this.#crashAt === "before_commit") this.#die();
        refuse();
        const row = ledger.replaceDefinition(id, definition, digest, mapping, records);
        const { more, after } = this.#adding!;
        history.extended(id, more, after);
        history.committed(records);
        if (this.#crashAt === "after_commit") this.#die();
        return row;
      },
      clearAssignments: (workflow) => {
        refuse();
        ledger.clearAssignments(workflow);
      },
      commit: (records) => {
        this.#judge();
        if (this.#crashAt === "before_commit") this.#die();
        refuse();
        ledger.commit(records);
        history.committed(records);
        this.decisions.committed(records);
        if (this.#crashAt === "after_commit") this.#die();
      },
    };
  }

  #die(): never {
    this.dying = true;
    throw new Crash("the simulated machine dies");
  }

  // ---- what the core does

  /** Each step of the core begins with an empty list of effects: the moment to look at what the one before has left. */
  #observe(engine: Engine): void {
    const { mutant } = this.#world;
    const { core } = engine;
    const change = mutant?.effect;
    Object.defineProperty(core, "effects", {
      get: () => this.#effects,
      set: (list: Effect[]) => {
        this.check();
        this.#effects = list;
        this.#judged = 0;
        if (!change) return;
        list.push = (...effects: Effect[]): number => {
          for (const effect of effects) {
            const changed = change(effect, core);
            if (changed) Array.prototype.push.call(list, changed);
          }
          return list.length;
        };
      },
    });
  }

  /** Looks at what the core has decided since it was asked last. */
  #judge(): void {
    const { engine } = this;
    if (!engine) return;
    for (; this.#judged < this.#effects.length; this.#judged++)
      this.decisions.judge(engine.core, this.#effects[this.#judged]!, this.#world.clock.nowMs);
  }

  check(): void {
    if (!this.engine) return;
    this.#judge();
    this.steps++;
    this.#world.mutant?.stepped?.(this.engine.core);
    this.#watch.look(this.engine.core);
    if (!this.#world.mutant?.blind)
      validate(this.engine.core, { absent: this.#awaited ?? EVERYBODY });
  }

  // ---- sessions

  /** Frames of a connection arrive. */
  arrive(process: SimWorker, connection: Connection, frames: readonly ToServer[]): void {
    const { engine } = this;
    if (!engine) return;
    const { mutant } = this.#world;
    for (const frame of frames) {
      if (frame.type === "hello") {
        this.#attach(engine, process, connection, frame);
        continue;
      }
      const worker = this.#workerOf(process);
      if (worker === null) continue;
      if (frame.type === "leaving") {
        engine.drainWorker(worker);
        continue;
      }
      const given = mutant?.toServer?.(frame, engine.core, worker) ?? frame;
      if (mutant?.acknowledgesEarly && given.type === "finished")
        this.#toWorker(process, connection, [{ type: "ack", seq: given.seq }]);
      if (given.type === "started")
        given.tasks.forEach((task, i) =>
          this.#reports.push(`${given.workflow}/${task}/${given.attempts[i]}`),
        );
      engine.receive(worker, [given]);
    }
  }

  #workerOf(process: SimWorker): number | null {
    for (const [id, known] of this.#world.disk.workers)
      if (known.instance === process.instance) return id;
    return null;
  }

  #attach(
    engine: Engine,
    process: SimWorker,
    connection: Connection,
    hello: Extract<ToServer, { type: "hello" }>,
  ): void {
    if (connection.isCut) return;
    const { mutant } = this.#world;
    try {
      const offer = mutant?.offer?.(hello.offer) ?? hello.offer;
      const held = mutant?.held?.(hello.held) ?? hello.held;
      const id = this.#workerOf(process);
      if (id !== null) this.#sessions.get(id)?.connection.cut();
      const worker = engine.attach({ ...hello, offer, held }, (frames) =>
        this.#toWorker(process, connection, frames),
      );
      this.#sessions.set(worker, { worker, process, connection });
      for (const { workflow, tasks, attempts, started } of held)
        tasks.forEach((task, i) => {
          const known = engine.tasks(workflow);
          const live = known?.owner[task] === worker && ownAttempt(known, task) === attempts[i];
          if (live && started[i]) this.#running.add(`${workflow}/${task}/${attempts[i]}`);
        });
    } catch (error) {
      if (!(error instanceof HoldallError) || error.code !== "storage") throw error;
      connection.cut(); // it will come again
    }
  }

  #toWorker(process: SimWorker, connection: Connection, frames: readonly ToWorker[]): void {
    for (const frame of frames)
      if (frame.type === "ack")
        for (const [workflow, task, attempt] of process.unacknowledged(frame.seq))
          if (!this.#world.history.knows(workflow, task, attempt))
            throw new Error(
              `the result of attempt ${attempt} of task ${task} is acknowledged and not in the ledger`,
            );
    connection.toWorker(frames);
  }

  /** The server learns that a connection is gone; of one that was replaced already it need not care. */
  closed(connection: Connection): void {
    const session = [...this.#sessions.values()].find((each) => each.connection === connection);
    if (!session || !this.engine) return;
    this.#sessions.delete(session.worker);
    const { worker, process } = session;
    if (process.leaving) {
      this.#lose(worker, "preempted");
      return;
    }
    this.engine.detach(worker);
    const life = this.#life;
    this.#world.clock.after(LOSS_MS, () => {
      if (this.#life === life && !this.#sessions.has(worker)) this.#lose(worker, "worker_lost");
    });
  }

  /** Nothing was heard of it for too long. */
  silent(connection: Connection): void {
    for (const session of this.#sessions.values()) {
      if (session.connection !== connection) continue;
      this.#sessions.delete(session.worker);
      this.#lose(session.worker, "worker_lost");
    }
  }

  #lose(worker: number, outcome: "worker_lost" | "preempted"): void {
    if (this.#world.mutant?.forgetsTheLost) return;
    this.engine?.lose(worker, outcome);
  }

  // ---- runners that poll

  /** A request arrives. Whoever is not answered asks again. */
  request(call: Call, key: string | null, reply: (answer: Answer) => void): void {
    const claims = this.#claims;
    const answers = this.#answers;
    if (!claims || !answers) return;
    const { clock, book, mutant } = this.#world;
    const life = this.#life;
    const handledMs = clock.nowMs;
    const path = key === null ? null : `${pathOf(call)} ${key}`;
    const answer = (what: Answer, again: boolean): void => {
      if (this.#life !== life) return;
      const task = (job: number): number => this.taskOf(job).task;
      const workflow = "workflow" in call ? call.workflow : this.taskOf(call.job).workflow;
      try {
        book.answering(call, path, what, again, { handledMs, life, workflow, task });
        reply(what);
      } catch (error) {
        this.#failure = error;
      }
    };
    const act = (): Said => {
      const said = perform(claims, mutant?.call?.(call) ?? call);
      if (call.kind === "claim") this.#noteJobs(call.workflow, said as ClaimAnswer);
      if (call.kind === "start" && "attempt_id" in said) {
        const { workflow, task } = this.taskOf(call.job);
        this.#running.add(`${workflow}/${task}/${said.attempt_id}`);
      }
      if (mutant?.answersEarly) answer({ said }, false);
      return said;
    };
    answers.give(path, act).then(
      ({ body, again }) => {
        if (!mutant?.answersEarly || again) answer({ said: JSON.parse(body) as Said }, again);
      },
      (error: unknown) => {
        const refused = refusalOf(error);
        if (refused === null) this.#failure = error;
        else answer({ refused }, false);
      },
    );
  }

  taskOf(job: number): { workflow: number; task: number } {
    return this.#jobs.get(job)!;
  }

  #noteJobs(workflow: number, { jobs }: ClaimAnswer): void {
    const { firstTaskId } = this.engine!.row(workflow)!;
    for (const { id } of jobs) this.#jobs.set(id, { workflow, task: id - firstTaskId });
  }

  /** Throws what went wrong in an answer. */
  look(): void {
    if (this.#failure) throw this.#failure;
  }

  // ---- what users do

  /** False when it is refused for now. */
  extend(workflow: number, more: WorkflowDefinition, after: readonly number[]): boolean {
    const { engine } = this;
    if (!engine) return false;
    const ended = engine.tasks(workflow)!.ended;
    this.#adding = { more, after };
    try {
      refuseClaimed(engine, workflow);
      engine.extend(workflow, more, this.#world.mutant?.after?.(after) ?? after);
    } catch (error) {
      if (refusalOf(error) === null) throw error;
      return false;
    }
    this.#world.note(ended ? "extended_ended" : "extended_running");
    return true;
  }

  /** `forMs` null = until it is unblocked, which is asked for again until it is done. */
  blockHost(host: string, forMs: number | null): void {
    if (!this.#hostBlocks) return;
    this.#hostBlocks.block(host, forMs === null ? null : forMs / 1000, "");
    const untilMs = forMs === null ? null : this.#world.clock.nowMs + forMs;
    this.decisions.blocked(host, untilMs);
  }

  unblockHost(host: string): void {
    const { clock } = this.#world;
    if (this.#hostBlocks?.list().some((block) => block.host === host)) {
      this.#hostBlocks.unblock(host);
      this.decisions.unblocked(host);
    }
    clock.after(50, () => {
      if (!this.#hostBlocks || this.decisions.isStored(host)) this.unblockHost(host);
    });
  }

  drain(process: SimWorker): boolean {
    const worker = this.#workerOf(process);
    if (!this.engine || worker === null || !this.#sessions.has(worker)) return false;
    this.engine.drainWorker(worker);
    return true;
  }
}

const EVERYBODY: { has(worker: number): boolean } = { has: () => true };

class Crash extends Error {}
