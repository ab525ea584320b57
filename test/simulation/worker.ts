/**
 * A simulated worker process: it follows the session as the real one does (width per class, results kept until acknowledged), and its
 * attempts take simulated time. It dies, pauses and slows down when told to.
 */
import { OUTCOME_OK, type Outcome, OUTCOMES, outcomeIndex } from "../../src/core/states.ts";
import type { Grant } from "../../src/core/events.ts";
import type { Requirement } from "../../src/core/workflow.ts";
import {
  emptyBatch,
  type FinishedBatch,
  type Offer,
  type ToServer,
  type ToWorker,
  type WorkerTemplate,
} from "../../src/protocol/session.ts";
import type { Clock } from "./clock.ts";
import type { Connection } from "./network.ts";
import { type Random, random } from "./random.ts";

const CANCELED = outcomeIndex("canceled");
const PREEMPTED = outcomeIndex("preempted");
const WORKER_LOST = outcomeIndex("worker_lost");
const OOM = outcomeIndex("oom");
/** Share of attempts that take very much longer than others. */
const STRAGGLERS = 0.01;
/** Results wait this long at most for others to share their frame. */
const GATHER_MS = 4;

/** What each outcome leaves as exit code, or -signal. */
export const EXITS: Readonly<Partial<Record<Outcome, number>>> = {
  ok: 0,
  exit: 1,
  signal: -9,
  oom: -9,
  timeout: -15,
  disk: 28,
  output_missing: 0,
  launch_error: 127,
  preempted: -9,
  canceled: -15,
  superseded: -15,
};

export interface SimAttempt {
  workflow: number;
  task: number;
  attempt: number;
  cls: number;
  template: WorkerTemplate;
  /** what it is held to; null = amounts are only reserved */
  grant: Grant | null;
  state: "waiting" | "running" | "over";
  startedMs: number;
  /** a command has to succeed before it */
  recovery: boolean;
  recoveryFailed: boolean;
  /** what it will be reported as when it was ended from outside */
  killedAs: number | null;
}

/** What the world has to know of what really happened. */
export interface Observer {
  arrived(attempt: SimAttempt): void;
  began(attempt: SimAttempt): void;
  ended(worker: SimWorker, attempt: SimAttempt, outcome: number): void;
}

/** Deliberate deviations, for mutants. */
export interface WorkerFlaws {
  ignoresWidth?: boolean;
  neverResends?: boolean;
}

export class SimWorker {
  readonly instance: string;
  readonly slot: number;
  readonly offer: Offer;
  readonly #clock: Clock;
  readonly #seed: number;
  readonly #failureRate: number;
  readonly #observer: Observer;
  readonly #flaws: WorkerFlaws;
  connection: Connection | null = null;
  alive = true;
  /** it is about to end in good order */
  leaving = false;
  /** nothing reaches the server, and it cannot connect either */
  cutOffUntilMs = 0;
  slowness = 1;
  #draining = false;
  #pausedUntilMs = 0;
  readonly #templates = new Map<string, WorkerTemplate>();
  readonly #attempts = new Map<string, SimAttempt>();
  readonly #width = new Map<number, number>();
  #gathered: SimResult[] = [];
  #flushing = false;
  #seq = 0;
  readonly #unacknowledged = new Map<number, FinishedBatch[]>();

  constructor(
    slot: number,
    instance: string,
    offer: Offer,
    world: {
      clock: Clock;
      seed: number;
      failureRate: number;
      observer: Observer;
      flaws: WorkerFlaws;
    },
  ) {
    this.slot = slot;
    this.instance = instance;
    this.offer = offer;
    this.#clock = world.clock;
    this.#seed = world.seed;
    this.#failureRate = world.failureRate;
    this.#observer = world.observer;
    this.#flaws = world.flaws;
  }

  get paused(): boolean {
    return this.#clock.nowMs < this.#pausedUntilMs;
  }

  get draining(): boolean {
    return this.#draining;
  }

  get attempts(): IterableIterator<SimAttempt> {
    return this.#attempts.values();
  }

  /** All entries of frames up to `seq` that wait for their acknowledgement. */
  *unacknowledged(seq: number): Generator<[workflow: number, task: number, attempt: number]> {
    for (const [each, batches] of this.#unacknowledged)
      if (each <= seq)
        for (const { workflow, tasks, attempts } of batches)
          for (let i = 0; i < tasks.length; i++) yield [workflow, tasks[i]!, attempts[i]!];
  }

  get unacknowledgedCount(): number {
    return this.#unacknowledged.size;
  }

  /** Does something as soon as the process is running; never when it has died by then. */
  #awake(work: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#clock.at(this.#pausedUntilMs, () => this.#awake(work));
    else work();
  }

  receive(frames: readonly ToWorker[]): void {
    const { connection } = this;
    this.#awake(() => {
      // What arrived on a connection that was cut meanwhile is gone.
      if (connection === this.connection) for (const frame of frames) this.#frame(frame);
    });
  }

  #frame(frame: ToWorker): void {
    switch (frame.type) {
      case "template":
        this.#templates.set(`${frame.template.workflow}/${frame.template.block}`, frame.template);
        break;
      case "run":
        this.#run(frame);
        break;
      case "kill":
        for (let i = 0; i < frame.tasks.length; i++)
          this.#end(
            this.#find(frame.workflow, frame.tasks[i]!, frame.attempts[i]!),
            frame.reason === "slow" ? PREEMPTED : outcomeIndex(frame.reason as Outcome),
          );
        break;
      case "revoke":
        for (let i = 0; i < frame.tasks.length; i++) {
          const attempt = this.#find(frame.workflow, frame.tasks[i]!, frame.attempts[i]!);
          if (attempt?.state === "waiting") this.#giveBack(attempt);
        }
        break;
      case "ack":
        for (const seq of this.#unacknowledged.keys())
          if (seq <= frame.seq) this.#unacknowledged.delete(seq);
        break;
      case "drain":
        this.#draining = true;
        for (const attempt of [...this.#attempts.values()])
          if (attempt.state === "waiting") this.#giveBack(attempt);
        this.#checkDrained();
        break;
      default:
        break;
    }
  }

  #find(workflow: number, task: number, attempt: number): SimAttempt | undefined {
    return this.#attempts.get(`${workflow}/${task}/${attempt}`);
  }

  #run(frame: Extract<ToWorker, { type: "run" }>): void {
    const template = this.#templates.get(`${frame.workflow}/${frame.block}`);
    if (!template)
      throw new Error(`run frame for unknown template ${frame.workflow}/${frame.block}`);
    if (template.body === null && frame.bodies?.length !== frame.tasks.length)
      throw new Error("run frame of explicit tasks without their bodies");
    this.#width.set(frame.cls, frame.width);
    for (let i = 0; i < frame.tasks.length; i++) {
      const attempt: SimAttempt = {
        workflow: frame.workflow,
        task: frame.tasks[i]!,
        attempt: frame.attempts[i]!,
        cls: frame.cls,
        template,
        grant: frame.grant ?? null,
        state: "waiting",
        startedMs: this.#clock.nowMs,
        recovery: frame.recoveries?.some(({ at }) => at === i) ?? false,
        recoveryFailed: false,
        killedAs: null,
      };
      const key = `${attempt.workflow}/${attempt.task}/${attempt.attempt}`;
      if (this.#attempts.has(key)) throw new Error(`attempt ${key} came twice`);
      this.#attempts.set(key, attempt);
      this.#observer.arrived(attempt);
      if (this.#draining) this.#giveBack(attempt);
      else if (this.#dice(attempt, "input").chance(this.#failureRate / 20))
        this.#over(attempt, outcomeIndex("input_missing"));
    }
    this.#pump();
  }

  #dice(attempt: SimAttempt, what: string): Random {
    return random(this.#seed, what, attempt.workflow, attempt.task, attempt.attempt);
  }

  /** Starts what may run: per class as many at a time as the server said. */
  #pump(): void {
    const running = new Map<number, number>();
    for (const { state, cls } of this.#attempts.values())
      if (state === "running") running.set(cls, (running.get(cls) ?? 0) + 1);
    for (const attempt of this.#attempts.values()) {
      if (attempt.state !== "waiting") continue;
      const count = running.get(attempt.cls) ?? 0;
      if (count >= (this.#width.get(attempt.cls) ?? 0) && !this.#flaws.ignoresWidth) continue;
      running.set(attempt.cls, count + 1);
      this.#start(attempt);
    }
    this.#checkRoom();
  }

  #start(attempt: SimAttempt): void {
    attempt.state = "running";
    this.#observer.began(attempt);
    attempt.startedMs = this.#clock.nowMs;
    const dice = this.#dice(attempt, "attempt");
    const outcome = drawOutcome(this.#seed, this.#failureRate, attempt, dice);
    if (attempt.recovery && dice.chance(0.2)) {
      this.#clock.after(1, () =>
        this.#awake(() => {
          attempt.recoveryFailed = attempt.state === "running" && attempt.killedAs === null;
          this.#over(attempt, outcomeIndex("exit"));
        }),
      );
      return;
    }
    if (outcome === "launch_error") {
      this.#clock.after(0.05, () => this.#awake(() => this.#over(attempt, outcomeIndex(outcome))));
      return;
    }
    const { workflow, task, attempt: number, startedMs } = attempt;
    this.#send([
      { type: "started", workflow, tasks: [task], attempts: [number], startedMs: [startedMs] },
    ]);
    const straggles = dice.chance(STRAGGLERS) ? 60 : 1;
    const workMs = Math.exp(dice.between(Math.log(0.5), Math.log(60))) * this.slowness * straggles;
    const { timeoutSeconds } = attempt.template;
    const timeoutMs = (timeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    const index = workMs > timeoutMs ? outcomeIndex("timeout") : outcomeIndex(outcome);
    const allowed = this.#limitOf(attempt);
    if (allowed > 0 && peakOf(this.#seed, workflow, task) > allowed) {
      this.#clock.after(Math.min(workMs / 2, timeoutMs), () =>
        this.#awake(() => this.#over(attempt, OOM)),
      );
      return;
    }
    this.#clock.after(Math.min(workMs, timeoutMs), () =>
      this.#awake(() => this.#over(attempt, index)),
    );
  }

  /** An attempt is ended from outside: at once when it has not started, else after a grace time. */
  #end(attempt: SimAttempt | undefined, as: number): void {
    if (!attempt || attempt.killedAs !== null) return;
    attempt.killedAs = as;
    if (attempt.state === "waiting") this.#over(attempt, as);
    else {
      const graceMs = this.#dice(attempt, "grace").between(0.1, 10);
      this.#clock.after(graceMs, () => this.#awake(() => this.#over(attempt, as)));
    }
  }

  #over(attempt: SimAttempt, drawn: number): void {
    if (attempt.state === "over" || !this.alive) return;
    const outcome = attempt.killedAs ?? drawn;
    this.#forget(attempt);
    this.#observer.ended(this, attempt, outcome);
    this.#gathered.push({
      attempt,
      outcome,
      wallUs: (this.#clock.nowMs - attempt.startedMs) * 1000,
      peakBytes: this.#peakOf(attempt, outcome),
    });
    this.#pump();
    const idle = this.#attempts.size === 0 || this.#dice(attempt, "idle").chance(0.3);
    if (idle) this.#flush();
    else if (!this.#flushing) {
      this.#flushing = true;
      this.#clock.after(GATHER_MS, () => this.#awake(() => this.#flush()));
    }
    this.#checkDrained();
  }

  /** Memory that it is held to; 0 = to none. */
  #limitOf({ grant }: SimAttempt): number {
    return this.offer.maxParallel === null ? (grant?.memoryBytes ?? 0) : 0;
  }

  /** One that was ended for its memory was seen just above what it was allowed. */
  #peakOf(attempt: SimAttempt, outcome: number): number {
    const peak = peakOf(this.#seed, attempt.workflow, attempt.task);
    const allowed = this.#limitOf(attempt);
    return outcome === OOM && allowed > 0 ? Math.min(peak, allowed + 4096) : peak;
  }

  #forget(attempt: SimAttempt): void {
    attempt.state = "over";
    this.#attempts.delete(`${attempt.workflow}/${attempt.task}/${attempt.attempt}`);
  }

  #giveBack(attempt: SimAttempt): void {
    this.#forget(attempt);
    const { workflow, task, attempt: number } = attempt;
    this.#send([{ type: "revoked", workflow, tasks: [task], attempts: [number] }]);
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#gathered.length === 0) return;
    const batches = toBatches(this.#gathered);
    this.#gathered = [];
    const seq = ++this.#seq;
    this.#unacknowledged.set(seq, batches);
    this.#send([{ type: "finished", seq, batches }]);
  }

  #checkDrained(): void {
    if (!this.#draining || this.#attempts.size > 0) return;
    this.#flush();
    this.#send([{ type: "drained" }]);
  }

  #send(frames: readonly ToServer[]): void {
    this.connection?.toServer(frames);
  }

  /** What runs here, dying attempts included, must fit into what the worker offered. */
  #checkRoom(): void {
    let count = 0;
    const used = { cpus: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 };
    const custom: Record<string, number> = {};
    for (const { state, template, grant } of this.#attempts.values()) {
      if (state !== "running") continue;
      count++;
      const need: Requirement = { ...template.requirement, ...grant };
      for (const name of ["cpus", "memoryBytes", "diskBytes", "gpus"] as const)
        used[name] += need[name];
      for (const [name, amount] of Object.entries(need.custom ?? {}))
        custom[name] = (custom[name] ?? 0) + amount;
    }
    const { offer } = this;
    if (offer.maxParallel !== null) {
      if (count > offer.maxParallel)
        throw new Error(
          `${this.instance} runs ${count}, it offered ${offer.maxParallel} at a time`,
        );
      return;
    }
    for (const name of ["cpus", "memoryBytes", "diskBytes", "gpus"] as const)
      if (used[name] > offer[name] + 1e-6)
        throw new Error(`${this.instance} uses ${used[name]} ${name}, it offered ${offer[name]}`);
    for (const [name, amount] of Object.entries(custom))
      if (amount > (offer.custom?.[name] ?? 0) + 1e-6)
        throw new Error(`${this.instance} uses ${amount} ${name}, it offered fewer`);
  }

  // ---- what happens to it

  /** The process is gone, with everything that ran in it. */
  die(): void {
    this.alive = false;
    for (const attempt of this.#attempts.values()) attempt.state = "over";
    this.#attempts.clear();
    this.connection?.cut();
  }

  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#clock.nowMs + forMs);
  }

  /** The executor dies: all attempts are gone, the worker says so. */
  failExecutor(): void {
    this.#awake(() => {
      for (const attempt of [...this.#attempts.values()]) {
        attempt.killedAs = WORKER_LOST;
        this.#over(attempt, WORKER_LOST);
      }
      this.#flush();
    });
  }

  /** Ends everything at once and reports it as preempted. */
  stop(): void {
    this.#awake(() => {
      this.#draining = true;
      this.#send([{ type: "leaving" }]);
      for (const attempt of [...this.#attempts.values()]) {
        attempt.killedAs ??= PREEMPTED;
        this.#over(attempt, PREEMPTED);
      }
      this.#flush();
    });
  }

  /** The connection was lost: attempts go on, results are kept. */
  disconnected(): void {
    this.connection = null;
  }

  /** Runs once the process is awake. */
  whenAwake(work: () => void): void {
    this.#awake(work);
  }

  /** A new session: what it still has is told, then what is not acknowledged is sent again, in order. */
  connected(connection: Connection): void {
    this.connection = connection;
    const { instance, offer } = this;
    const pid = this.slot + 1;
    const held = this.#held();
    this.#send([{ type: "hello", version: 1, instance, host: `h${pid}`, pid, offer, held }]);
    if (this.#draining) this.#send([{ type: "leaving" }]);
    if (!this.#flaws.neverResends)
      for (const [seq, batches] of this.#unacknowledged)
        this.#send([{ type: "finished", seq, batches }]);
    this.#flush();
    this.#checkDrained();
  }

  #held(): Extract<ToServer, { type: "hello" }>["held"] {
    const held = new Map<number, Extract<ToServer, { type: "hello" }>["held"][number]>();
    const add = (
      workflow: number,
      task: number,
      attempt: number,
      started: boolean,
      grant: Grant | null,
    ): void => {
      const of = held.get(workflow) ?? {
        workflow,
        tasks: [],
        attempts: [],
        started: [],
        grants: [],
      };
      held.set(workflow, of);
      of.tasks.push(task);
      of.attempts.push(attempt);
      of.started.push(started);
      of.grants!.push(grant);
    };
    const before = new Map<number, number>();
    for (const { workflow, task, attempt, cls, grant } of this.#attempts.values()) {
      const place = before.get(cls) ?? 0;
      before.set(cls, place + 1);
      add(workflow, task, attempt, place < (this.#width.get(cls) ?? 0), grant);
    }
    for (const entry of this.unacknowledged(Number.POSITIVE_INFINITY)) add(...entry, false, null);
    for (const { attempt } of this.#gathered)
      add(attempt.workflow, attempt.task, attempt.attempt, false, null);
    return [...held.values()];
  }

  /** Whether this attempt runs, waits or left a result here. */
  has(workflow: number, task: number, attempt: number): boolean {
    return this.alive && this.#attempts.has(`${workflow}/${task}/${attempt}`);
  }

  /** The network, or a mistaken retransmission, repeats the latest frame. */
  repeatLastFrame(): boolean {
    const last = [...this.#unacknowledged].at(-1);
    if (!last || !this.connection) return false;
    this.#send([{ type: "finished", seq: last[0], batches: last[1] }]);
    return true;
  }
}

/** What an attempt ends with by itself. */
export function drawOutcome(
  seed: number,
  failureRate: number,
  { workflow, task }: Pick<SimAttempt, "workflow" | "task">,
  dice: Random,
): Outcome {
  // Some tasks never succeed.
  const hopeless = random(seed, "task", workflow, task).chance(0.01);
  if (!hopeless && !dice.chance(failureRate)) return "ok";
  return dice.pick(["exit", "exit", "signal", "oom", "disk", "output_missing", "launch_error"]);
}

/** Memory that a task needs each time: most need little, some a hundred times as much. */
export function peakOf(seed: number, workflow: number, task: number): number {
  const dice = random(seed, "peak", workflow, task);
  const mib = Math.exp(dice.between(Math.log(20), Math.log(dice.chance(0.1) ? 4000 : 300)));
  return Math.round(mib * 2 ** 20);
}

interface SimResult {
  attempt: SimAttempt;
  outcome: number;
  wallUs: number;
  peakBytes: number;
}

function toBatches(results: readonly SimResult[]): FinishedBatch[] {
  const batches = new Map<string, FinishedBatch>();
  for (const { attempt, outcome, wallUs, peakBytes } of results) {
    const key = `${attempt.workflow}/${attempt.cls}`;
    let batch = batches.get(key);
    if (!batch) {
      batch = emptyBatch(attempt.workflow, attempt.cls);
      batches.set(key, batch);
    }
    if (outcome !== OUTCOME_OK && outcome !== CANCELED)
      batch.messages.push([batch.tasks.length, "it did not work"]);
    batch.tasks.push(attempt.task);
    batch.attempts.push(attempt.attempt);
    batch.outcomes.push(outcome);
    if (attempt.recoveryFailed) batch.recoveryFailed.push(batch.tasks.length - 1);
    batch.exits.push(EXITS[OUTCOMES[outcome]!] ?? null);
    batch.startedMs.push(attempt.startedMs);
    batch.wallUs.push(wallUs);
    batch.userUs.push(wallUs * (0.5 + (attempt.task % 4) / 2));
    batch.systemUs.push(0);
    batch.peakBytes.push(peakBytes);
  }
  return [...batches.values()];
}
