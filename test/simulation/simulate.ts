/** One seed from start to end: everything that goes wrong, then quiet, then the promise is checked. */
import { drainMicrotasks } from "bun:jsc";
import { ClaimBook } from "./claim-book.ts";
import { Clock } from "./clock.ts";
import { History } from "./history.ts";
import { createDisk } from "./memory-ledger.ts";
import type { Mutant } from "./mutants.ts";
import { Connection } from "./network.ts";
import { type EventKind, type Fault, type FaultKind, makePlan, type Plan } from "./plan.ts";
import { SimPoller } from "./poller.ts";
import { type Random, random } from "./random.ts";
import { LOSS_MS, SimServer } from "./server.ts";
import { NO_OUTPUT, Users } from "./users.ts";
import { type SimAttempt, SimWorker } from "./worker.ts";

export interface SimulationOptions {
  seed: number;
  /** size of the workflow; a second one of a sixth may be added on the way */
  tasks?: number;
  /** only these faults, by their place in the plan; all unless told otherwise */
  faults?: readonly number[] | null;
  mutant?: Mutant | null;
  log?: (line: string) => void;
}

export interface SimulationReport {
  /** null: every promise was kept */
  failure: string | null;
  edges: Set<string>;
  /** how many times each kind of fault took effect */
  faults: Map<FaultKind, number>;
  /** the same of what followed */
  events: Map<EventKind, number>;
  planned: number;
  steps: number;
  attempts: number;
  accepted: number;
}

export const DEFAULT_TASKS = 200;
/** Simulated happenings after which something goes round in circles. */
const PATIENCE = 300_000;

export function simulate(options: SimulationOptions): SimulationReport {
  const world = new World(options);
  let failure: string | null = null;
  try {
    world.run();
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
    if (options.log && error instanceof Error) options.log(error.stack ?? "");
  }
  return { failure, ...world.report() };
}

class World {
  readonly #options: SimulationOptions;
  readonly #plan: Plan;
  readonly #clock = new Clock();
  readonly #draw: Random;
  readonly #disk = createDisk("simulated");
  readonly #edges = new Set<string>();
  readonly #effective = new Map<FaultKind, number>();
  readonly #events = new Map<EventKind, number>();
  readonly #history: History;
  readonly #server: SimServer;
  readonly #users: Users;
  /** the process in each slot */
  readonly #processes: SimWorker[] = [];
  readonly #connections = new Set<Connection>();
  /** the runner in each place, and those before it */
  readonly #pollers: SimPoller[] = [];
  /** how attempts really ended, and which began */
  readonly #truth = new Map<string, number>();
  readonly #began = new Set<string>();
  /** those that never ran because their recovery command failed */
  readonly #unrepaired = new Set<string>();
  readonly #startMs: number;
  #spawned = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#plan = makePlan(options.seed, options.tasks ?? DEFAULT_TASKS);
    this.#draw = random(options.seed, "network");
    this.#startMs = this.#clock.nowMs;
    const key = (workflow: number, task: number, attempt: number): string =>
      `${workflow}/${task}/${attempt}`;
    const note = (kind: EventKind): void => this.#note(kind);
    const book = new ClaimBook({
      assigned: (...attempt) => this.#history.wasAssigned(...attempt),
      ended: (...attempt) => this.#history.knows(...attempt),
      note,
    });
    this.#history = new History({
      outcome: (...attempt) => this.#truth.get(key(...attempt)),
      started: (...attempt) => this.#began.has(key(...attempt)),
      exists: (...attempt) =>
        this.#processes.some((process) => process.has(...attempt)) ||
        this.#pollers.some((poller) => poller.has(...attempt)),
      recoveryFailed: (...attempt) => this.#unrepaired.has(key(...attempt)),
      knownRunning: (...attempt) => this.#server.knowsRunning(...attempt),
      held: (...attempt) => this.#server.decisions.grantOf(...attempt) !== null,
      objection: (...what) => this.#server.decisions.objection(...what),
      lost: (...what) => book.lost(...what, this.#clock.nowMs),
      note,
    });
    this.#server = new SimServer({
      clock: this.#clock,
      draw: random(options.seed, "server"),
      disk: this.#disk,
      history: this.#history,
      book,
      note,
      edges: this.#edges,
      embedded: this.#plan.embedded,
      mutant: options.mutant ?? null,
      onDrained: (process) => this.#leave(process),
    });
    this.#users = new Users({
      plan: this.#plan,
      clock: this.#clock,
      server: this.#server,
      disk: this.#disk,
      note,
    });
  }

  run(): void {
    const { definition, offers, faults } = this.#plan;
    this.#server.start();
    this.#server.engine!.submit(definition, "digest", NO_OUTPUT);
    offers.forEach((_, slot) => this.#spawn(slot));
    this.#plan.pollers.forEach((_, at) => this.#startPoller(at));
    const chosen = this.#options.faults ? new Set(this.#options.faults) : null;
    for (const fault of faults)
      if (!chosen || chosen.has(fault.index))
        this.#clock.after(fault.atMs, () => this.#strike(fault));
    for (let happenings = 0; this.#step(); happenings++)
      if (happenings > PATIENCE) throw new Error("it goes round in circles");
    this.#finish();
  }

  #step(): boolean {
    try {
      const more = this.#clock.step();
      drainMicrotasks();
      this.#server.look();
      return more;
    } catch (error) {
      if (!this.#server.dying) throw error;
      this.#crash(this.#draw.between(1, 40));
      return true;
    }
  }

  #finish(): void {
    this.#server.check();
    this.#history.finish();
    this.#users.finish();
    const { engine } = this.#server;
    if (!engine) throw new Error("the server never came back");
    for (const { id, endedMs } of engine.ledger.workflows()) {
      const stored = new Map<number, number>();
      for (const [task, , outcome] of engine.ledger.history(id).results) stored.set(task, outcome);
      const expected = this.#history.results(id);
      if (
        stored.size !== expected.size ||
        [...expected].some(([task, o]) => stored.get(task) !== o)
      )
        throw new Error(`the ledger does not hold what was committed of workflow ${id}`);
      if (endedMs === null)
        throw new Error(`the ledger does not say that workflow ${id} has ended`);
    }
    for (const process of this.#processes)
      if (process.unacknowledgedCount > 0)
        throw new Error(`${process.instance} waits for acknowledgements for ever`);
  }

  report(): Omit<SimulationReport, "failure"> {
    return {
      edges: this.#edges,
      faults: this.#effective,
      events: this.#events,
      planned: this.#plan.faults.length,
      steps: this.#server.steps,
      attempts: this.#began.size,
      accepted: this.#history.accepted,
    };
  }

  // ---- workers

  #spawn(slot: number): void {
    const { seed, failureRate, offers } = this.#plan;
    const process = new SimWorker(slot, `w${slot}.${this.#spawned++}`, offers[slot]!, {
      clock: this.#clock,
      seed,
      failureRate,
      observer: {
        arrived: (attempt) => this.#checkGrant(attempt),
        began: (attempt) => {
          this.#began.add(`${attempt.workflow}/${attempt.task}/${attempt.attempt}`);
        },
        ended: (_, attempt, outcome) => this.#noteTruth(attempt, outcome),
      },
      flaws: this.#options.mutant?.worker ?? {},
    });
    this.#processes[slot] = process;
    this.#connect(process);
  }

  /** What had too little gets more. */
  #checkGrant({ workflow, task, attempt, grant, template }: SimAttempt): void {
    if (!grant || !this.#server.decisions.grantOf(workflow, task, attempt)) return;
    const least = this.#history.leastMemory(workflow, task, attempt);
    if (least === null) {
      if (grant.memoryBytes !== template.requirement.memoryBytes) this.#note("learned_allocation");
      return;
    }
    if (grant.memoryBytes <= least)
      throw new Error(
        `attempt ${attempt} of task ${task} is given ${grant.memoryBytes} bytes, ${least} were too little`,
      );
    this.#note("exhausted_tried_larger");
  }

  #note(kind: EventKind): void {
    this.#events.set(kind, (this.#events.get(kind) ?? 0) + 1);
  }

  #startPoller(at: number): void {
    const { seed, failureRate, pollers } = this.#plan;
    const name = `p${at}.${this.#spawned++}`;
    this.#pollers[at] = new SimPoller(name, pollers[at]!, {
      clock: this.#clock,
      seed,
      failureRate,
      has: (workflow) => this.#server.engine?.row(workflow) !== undefined,
      taskOf: (job) => this.#server.taskOf(job).task,
      send: (...call) => this.#server.request(...call),
      began: (workflow, task, attempt) => this.#began.add(`${workflow}/${task}/${attempt}`),
      ended: (workflow, task, attempt, outcome) =>
        this.#noteTruth({ workflow, task, attempt, recoveryFailed: false }, outcome),
    });
  }

  #noteTruth(
    {
      workflow,
      task,
      attempt,
      recoveryFailed,
    }: Pick<SimAttempt, "workflow" | "task" | "attempt" | "recoveryFailed">,
    outcome: number,
  ): void {
    const key = `${workflow}/${task}/${attempt}`;
    if (recoveryFailed) this.#unrepaired.add(key);
    if (this.#truth.has(key)) throw new Error(`attempt ${attempt} of task ${task} ended twice`);
    this.#truth.set(key, outcome);
  }

  #connect(process: SimWorker): void {
    process.whenAwake(() => {
      if (process.connection) return;
      const again = (): void =>
        this.#clock.after(this.#draw.between(3, 20), () => this.#connect(process));
      if (!this.#server.engine || this.#clock.nowMs < process.cutOffUntilMs) {
        again();
        return;
      }
      const connection: Connection = new Connection(this.#clock, this.#draw, {
        atServer: (frames) => this.#server.arrive(process, connection, frames),
        atWorker: (frames) => {
          if (process.connection === connection) process.receive(frames);
        },
        closedAtServer: () => {
          this.#connections.delete(connection);
          this.#server.closed(connection);
        },
        closedAtWorker: () =>
          process.whenAwake(() => {
            if (process.connection !== connection) return;
            process.disconnected();
            again();
          }),
      });
      this.#connections.add(connection);
      process.connected(connection);
    });
  }

  /** A process ends in good order: once its results are acknowledged, or after some patience. */
  #leave(process: SimWorker): void {
    if (process.leaving) return;
    process.leaving = true;
    const untilMs = this.#clock.nowMs + 100;
    const look = (): void => {
      if (!process.alive) return;
      if (process.unacknowledgedCount > 0 && this.#clock.nowMs < untilMs) {
        this.#clock.after(2, look);
        return;
      }
      this.#replace(process, this.#draw.between(1, 20));
    };
    look();
  }

  #replace(process: SimWorker, afterMs: number): void {
    if (!process.alive) return;
    process.die();
    this.#clock.after(afterMs, () => {
      if (this.#server.engine || !this.#plan.embedded) this.#spawn(process.slot);
    });
  }

  // ---- the server

  #crash(downMs: number): void {
    this.#server.stop();
    for (const connection of this.#connections) connection.cut();
    if (this.#plan.embedded) for (const process of this.#processes) process.die();
    const start = (): void => {
      if (this.#server.engine) return;
      if (!this.#server.start()) {
        this.#clock.after(20, start);
        return;
      }
      if (this.#plan.embedded) this.#processes.forEach(({ slot }) => this.#spawn(slot));
    };
    this.#clock.after(downMs, start);
  }

  // ---- what goes wrong

  #strike(fault: Fault): void {
    const took = this.#apply(fault);
    if (took) this.#effective.set(fault.kind, (this.#effective.get(fault.kind) ?? 0) + 1);
    this.#options.log?.(
      `${(this.#clock.nowMs - this.#startMs).toFixed(1)} ms: fault ${fault.index} ${fault.kind}${took ? "" : " (not possible)"}`,
    );
  }

  /** False when it could not happen just then. */
  #apply(fault: Fault): boolean {
    const process = this.#processes[fault.worker % this.#processes.length]!;
    const { connection } = process;
    const { engine } = this.#server;
    const { forMs } = fault;
    switch (fault.kind) {
      case "server_crash":
        if (!engine) return false;
        this.#crash(forMs);
        return true;
      case "crash_before_commit":
      case "crash_after_commit":
        if (!engine) return false;
        this.#server.crashAt(
          fault.kind === "crash_before_commit" ? "before_commit" : "after_commit",
        );
        return true;
      case "disk_full":
        this.#server.fillDisk(forMs * 2);
        return true;
      case "worker_death":
        if (!process.alive) return false;
        this.#replace(process, forMs);
        return true;
      case "submit_more":
        return this.#users.submitMore();
      case "extend":
        return this.#users.extend(fault.index);
      case "block_host":
        return this.#users.blockHost(fault);
      case "poller_death":
      case "poller_stall":
      case "lossy_network":
        return this.#disturbPoller(fault);
      case "cancel_tasks":
      case "cancel_all":
      case "retry":
      case "rebuild":
      case "undo":
        return this.#users.interfere(fault);
      case "drain":
        return process.alive && this.#server.drain(process);
      default:
        return process.alive && connection !== null && this.#disturb(fault, process, connection);
    }
  }

  /** Faults of a worker that is connected. */
  #disturb({ kind, forMs, draw }: Fault, process: SimWorker, connection: Connection): boolean {
    const untilLost = LOSS_MS + forMs;
    switch (kind) {
      case "worker_pause":
        process.pause(forMs);
        return true;
      case "worker_pause_beyond_loss":
        process.pause(untilLost);
        this.#clock.after(LOSS_MS, () => this.#silence(process, connection));
        return true;
      case "worker_slow":
        process.slowness = 2 + (draw % 8);
        this.#clock.after(forMs * 3, () => {
          process.slowness = 1;
        });
        return true;
      case "disconnect":
        connection.cut();
        return true;
      case "disconnect_late_frames":
        connection.cut({ lateFrames: true });
        return true;
      case "half_open":
        connection.cut({ silentForMs: forMs });
        return true;
      case "partition":
        connection.stall(forMs);
        process.cutOffUntilMs = this.#clock.nowMs + forMs;
        return true;
      case "partition_beyond_loss":
        connection.stall(untilLost);
        process.cutOffUntilMs = this.#clock.nowMs + untilLost;
        this.#clock.after(LOSS_MS, () => this.#silence(process, connection));
        return true;
      case "duplicate_frame":
        return process.repeatLastFrame();
      case "executor_failure":
        process.failExecutor();
        return true;
      case "preempt":
        if (process.leaving) return false;
        process.stop();
        this.#leave(process);
        return true;
      default:
        throw new Error(`nobody knows how to make ${kind} happen`);
    }
  }

  /** The server has heard nothing for too long, and gives up on the connection; what is on its way arrives late. */
  #silence(process: SimWorker, connection: Connection): void {
    if (connection.isCut || !process.alive) return;
    this.#server.silent(connection);
    connection.cut({ lateFrames: true });
  }

  #disturbPoller({ kind, worker, forMs }: Fault): boolean {
    const poller = this.#pollers[worker % Math.max(1, this.#pollers.length)];
    if (!poller?.alive) return false;
    if (kind === "poller_stall") poller.stall(forMs * 25);
    else if (kind === "lossy_network") poller.loseMost(forMs * 5);
    // One that has no lease would be waited for for ever.
    else if (poller.plan.leaseMs === null) return false;
    else {
      poller.die();
      const at = this.#pollers.indexOf(poller);
      this.#clock.after(forMs, () => this.#startPoller(at));
    }
    return true;
  }
}
