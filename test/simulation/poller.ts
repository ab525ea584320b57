/**
 * A runner that polls: another program that claims jobs, starts and completes them over a network that loses requests and answers. It asks
 * again until it is answered, under the same key where it uses one. It dies and falls silent when told to.
 */
import { OUTCOME_OK, OUTCOMES, outcomeIndex } from "../../src/core/states.ts";
import type { ClaimAnswer, JobModel } from "../../src/protocol/claims.ts";
import type { Completion } from "../../src/server/claim-results.ts";
import type { ClaimRequest } from "../../src/server/claims.ts";
import type { Answer, Call } from "./calls.ts";
import type { Clock } from "./clock.ts";
import type { PollerPlan } from "./plan.ts";
import { type Random, random } from "./random.ts";
import { drawOutcome, EXITS, peakOf } from "./worker.ts";

/** It asks again when nothing was answered for so long. */
const PATIENCE_MS = 12;
/** It asks for nothing new after so long. */
const SHIFT_MS = 900;

export interface PollerWorld {
  clock: Clock;
  seed: number;
  failureRate: number;
  has(workflow: number): boolean;
  taskOf(job: number): number;
  send(call: Call, key: string | null, reply: (answer: Answer) => void): void;
  began(workflow: number, task: number, attempt: number): void;
  ended(workflow: number, task: number, attempt: number, outcome: number): void;
}

interface Job {
  id: number;
  workflow: number;
  task: number;
  attempt: number;
  claim: string;
}

export class SimPoller {
  readonly plan: PollerPlan;
  readonly #world: PollerWorld;
  readonly #draw: Random;
  readonly #name: string;
  readonly #untilMs: number;
  readonly #jobs = new Map<string, Job>();
  #calls = 0;
  #stalledUntilMs = 0;
  #lossyUntilMs = 0;
  #idleMs = 5;
  alive = true;

  constructor(name: string, plan: PollerPlan, world: PollerWorld) {
    this.plan = plan;
    this.#world = world;
    this.#name = name;
    this.#draw = random(world.seed, "poller", name);
    this.#untilMs = world.clock.nowMs + SHIFT_MS;
    this.#later(this.#draw.between(0, 8), () => this.#poll());
  }

  has(workflow: number, task: number, attempt: number): boolean {
    return this.alive && this.#jobs.has(`${workflow}/${task}/${attempt}`);
  }

  die(): void {
    this.alive = false;
    this.#jobs.clear();
  }

  /** It does nothing for a while; what it runs goes on, its leases as well. */
  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#world.clock.nowMs + forMs);
  }

  /** For a while nearly everything gets lost on the way. */
  loseMost(forMs: number): void {
    this.#lossyUntilMs = this.#world.clock.nowMs + forMs;
  }

  #later(delayMs: number, work: () => void): void {
    const { clock } = this.#world;
    const awake = (): void => {
      if (!this.alive) return;
      if (clock.nowMs < this.#stalledUntilMs) clock.at(this.#stalledUntilMs, awake);
      else work();
    };
    clock.after(delayMs, awake);
  }

  #lost(): boolean {
    const { clock } = this.#world;
    return this.#draw.chance(clock.nowMs < this.#lossyUntilMs ? 0.8 : this.plan.loss);
  }

  /** Asks until it is answered. Answers that come after the patience is over count as well, once. */
  #ask(call: Call, done: (answer: Answer) => void): void {
    const { clock, send } = this.#world;
    const key = this.#draw.chance(this.plan.keyed) ? `${this.#name}.${++this.#calls}` : null;
    let answered = false;
    const again = (): void => {
      if (answered) return;
      this.#later(PATIENCE_MS, again);
      if (this.#lost()) return;
      clock.after(this.#draw.between(0.1, 4), () =>
        send(call, key, (answer) => {
          if (this.#lost()) return;
          this.#later(this.#draw.between(0.1, 4), () => {
            // A disk that is full will have space.
            if (answered || ("refused" in answer && answer.refused === "storage")) return;
            answered = true;
            done(answer);
          });
        }),
      );
    };
    again();
  }

  #poll(): void {
    if (this.#world.clock.nowMs >= this.#untilMs) return;
    if (this.#jobs.size >= 2 * this.plan.limit) {
      this.#later(20, () => this.#poll());
      return;
    }
    const workflow = this.#draw.chance(0.2) && this.#world.has(2) ? 2 : 1;
    this.#ask({ kind: "claim", workflow, request: this.#request() }, (answer) => {
      const given = "said" in answer ? (answer.said as ClaimAnswer) : null;
      const claim = given?.claim ?? null;
      this.#idleMs = claim === null ? Math.min(40, this.#idleMs * 2) : 5;
      this.#later(this.#draw.between(1, 2) * this.#idleMs, () => this.#poll());
      if (claim !== null) this.#take(workflow, claim, given!.jobs);
    });
  }

  #request(): ClaimRequest {
    const { by, host, cpus, memoryBytes, limit, features, scheduler, strict, leaseMs } = this.plan;
    const next = by === "next";
    return {
      capacity: {
        cpus: next ? 0 : cpus,
        memoryBytes: next ? 0 : memoryBytes,
        diskBytes: next ? 0 : 2 ** 50,
        gpus: 0,
        maxParallel: next ? limit : null,
        timeLimitSeconds: null,
        scheduler,
        host,
        features,
      },
      nodes: next ? null : 1,
      limit,
      order: this.#draw.pick(["none", "gpus_runtime_memory", "gpus_memory_runtime"]),
      strict,
      leaseMs,
    };
  }

  #take(workflow: number, claim: string, models: readonly JobModel[]): void {
    const jobs = models.map(({ id, attempt_id: attempt }): Job => ({
      id,
      workflow,
      task: this.#world.taskOf(id),
      attempt,
      claim,
    }));
    for (const job of jobs) this.#jobs.set(keyOf(job), job);
    const { leaseMs, renews } = this.plan;
    if (leaseMs !== null && renews) this.#renew(workflow, claim, leaseMs);
    // Some of what it claimed it gives back unseen.
    if (this.#draw.chance(0.05)) {
      for (const job of jobs) this.#jobs.delete(keyOf(job));
      this.#ask({ kind: "release", workflow, claim }, () => {});
      return;
    }
    for (const job of jobs) {
      const laterMs = this.#draw.between(0, this.#draw.chance(0.3) ? 300 : 3);
      this.#later(laterMs, () => this.#start(job));
    }
  }

  #renew(workflow: number, claim: string, leaseMs: number): void {
    this.#later(leaseMs / 3, () => {
      const held = [...this.#jobs.values()].some((job) => job.claim === claim);
      if (!held) return;
      this.#ask({ kind: "renew", workflow, claim }, (answer) => {
        if ("said" in answer) this.#renew(workflow, claim, leaseMs);
      });
    });
  }

  #start(job: Job): void {
    this.#ask({ kind: "start", job: job.id, claim: job.claim }, (answer) => {
      if ("refused" in answer) {
        this.#jobs.delete(keyOf(job));
        return;
      }
      const { clock, seed, failureRate, began } = this.#world;
      const { workflow, task, attempt } = job;
      began(workflow, task, attempt);
      const sinceMs = clock.nowMs;
      const dice = random(seed, "attempt", workflow, task, attempt);
      const drawn = drawOutcome(seed, failureRate, job, dice);
      // It has no way to tell that a command could not be started.
      const outcome = outcomeIndex(drawn === "launch_error" ? "exit" : drawn);
      const workMs = Math.exp(dice.between(Math.log(1), Math.log(600)));
      this.#later(workMs, () => this.#end(job, outcome, clock.nowMs - sinceMs));
    });
  }

  #end(job: Job, outcome: number, wallMs: number): void {
    const { seed, ended } = this.#world;
    const { workflow, task, attempt } = job;
    ended(workflow, task, attempt, outcome);
    this.#jobs.delete(keyOf(job));
    const completion: Completion = {
      outcome,
      exit: outcome === OUTCOME_OK ? 0 : (EXITS[OUTCOMES[outcome]!] ?? 1),
      wallUs: wallMs * 1000,
      meanCpus: 1,
      peakBytes: peakOf(seed, workflow, task),
      attempt,
      message: null,
      output: null,
    };
    const claim = this.#draw.chance(0.7) ? job.claim : null;
    this.#ask({ kind: "complete", job: job.id, claim, completion }, () => {});
  }
}

function keyOf({ workflow, task, attempt }: Job): string {
  return `${workflow}/${task}/${attempt}`;
}
