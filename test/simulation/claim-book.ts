/**
 * What runners that poll were promised, noted where the answers leave the server: which claim holds which attempts and until when, and
 * what was answered under each key. Answers are judged by what was committed.
 */
import { outcomeIndex } from "../../src/core/states.ts";
import type { ClaimAnswer, ClaimState, JobModel } from "../../src/protocol/claims.ts";
import { HELD_MS, TICK_MS } from "../../src/server/claims.ts";
import type { Answer, Call } from "./calls.ts";
import type { EventKind } from "./plan.ts";

/** A lease that is over is noticed at the second tick after it at the latest. */
const NOTICED_MS = 2 * TICK_MS + 1;

interface Known {
  leaseMs: number | null;
  /** nobody may take it back before */
  untilMs: number;
  /** in which life of the server it was given */
  life: number;
}

/** When and in which life of the server a call had its effect, and what it is about. */
interface Where {
  handledMs: number;
  life: number;
  workflow: number;
  task(job: number): number;
}

interface Holder {
  claim: Known;
  started: boolean;
}

export interface BookWitness {
  /** the ledger has it that this attempt was handed out */
  assigned(workflow: number, task: number, attempt: number): boolean;
  /** the ledger knows how it ended */
  ended(workflow: number, task: number, attempt: number): boolean;
  note(kind: EventKind): void;
}

export class ClaimBook {
  readonly #witness: BookWitness;
  readonly #claims = new Map<string, Known>();
  /** by workflow/task/attempt */
  readonly #holders = new Map<string, Holder>();
  /** by path and key: what was answered first, and in which life of the server */
  /** when the server of today was started */
  #bornMs = 0;
  readonly #answers = new Map<string, { text: string; life: number }>();

  constructor(witness: BookWitness) {
    this.#witness = witness;
  }

  /** Nobody could renew while the server was down: each claim gets its whole time again. */
  restarted(nowMs: number): void {
    this.#bornMs = nowMs;
    for (const claim of this.#claims.values()) claim.untilMs = nowMs + (claim.leaseMs ?? HELD_MS);
  }

  /** An answer is about to leave. `handledMs`: when the call had its effect; `again`: it had it earlier. */
  answering(call: Call, key: string | null, answer: Answer, again: boolean, at: Where): void {
    if ("said" in answer && key !== null) this.#compare(key, JSON.stringify(answer.said), at.life);
    if ("refused" in answer) {
      const late = answer.refused === "conflict" && this.#isOver(call, at);
      if (late && call.kind === "start") this.#witness.note("late_start_refused");
      if (late && call.kind === "complete") this.#witness.note("late_complete_refused");
      return;
    }
    switch (call.kind) {
      case "claim":
        this.#given(call, answer.said as ClaimAnswer, at, again);
        return;
      case "renew":
        if (!again) this.#renewed(call.claim, answer.said as ClaimState, at.handledMs);
        return;
      case "release":
        this.#witness.note("claim_released");
        return;
      default:
        this.#ofJob(call, answer.said as JobModel, at, again);
    }
  }

  #compare(key: string, text: string, life: number): void {
    const first = this.#answers.get(key);
    if (!first) {
      this.#answers.set(key, { text, life });
      return;
    }
    this.#witness.note(first.life === life ? "key_repeated" : "key_repeated_after_restart");
    if (first.text !== text)
      throw new Error(`under one key two answers: ${brief(first.text)}, then ${brief(text)}`);
  }

  #renewed(id: string, { held_seconds: held }: ClaimState, handledMs: number): void {
    const claim = this.#claims.get(id)!;
    claim.untilMs = Math.max(claim.untilMs, handledMs + (held ?? 0) * 1000);
    this.#witness.note("lease_renewed");
  }

  #given(
    call: Extract<Call, { kind: "claim" }>,
    { jobs, claim: id, lease_seconds: lease }: ClaimAnswer,
    { handledMs, life, workflow, task }: Where,
    again: boolean,
  ): void {
    if (id === null || this.#claims.has(id)) return;
    this.#witness.note("claim_given");
    const leaseMs = lease === null ? null : lease * 1000;
    // One of an earlier life that nobody was told of has had its time anew.
    const sinceMs = again ? this.#bornMs : handledMs;
    const claim = { leaseMs, untilMs: sinceMs + (leaseMs ?? HELD_MS), life };
    this.#claims.set(id, claim);
    for (const job of jobs) {
      const attempt = job.attempt_id;
      if (!this.#witness.assigned(workflow, task(job.id), attempt))
        throw new Error(`job ${job.id} is given to a runner, and the ledger does not have it`);
      this.#holders.set(`${workflow}/${task(job.id)}/${attempt}`, { claim, started: false });
    }
    checkRoom(call, jobs);
  }

  #ofJob(
    call: Extract<Call, { kind: "start" | "complete" }>,
    said: JobModel,
    at: Where,
    again: boolean,
  ): void {
    if (again) return;
    const task = at.task(call.job);
    const attempt = said.attempt_id;
    if (this.#isOver(call, at))
      throw new Error(`the claim of job ${call.job} is over, and it may ${call.kind} it`);
    const holder = this.#holders.get(`${at.workflow}/${task}/${attempt}`);
    if (holder && call.kind === "start") holder.started = true;
    if (holder && holder.claim.life < at.life) this.#witness.note("claim_after_restart");
    if (call.kind === "complete" && !this.#witness.ended(at.workflow, task, attempt))
      throw new Error(`the end of job ${call.job} is acknowledged and not in the ledger`);
  }

  /** Its time is over for so long that somebody must have noticed. */
  #isOver(call: Call, { handledMs }: { handledMs: number }): boolean {
    const claim = "claim" in call && call.claim !== null ? this.#claims.get(call.claim) : undefined;
    if (!claim || claim.leaseMs === null) return false;
    return handledMs > claim.untilMs + NOTICED_MS;
  }

  /** Attempts are recorded as lost. Those of claims only when the time of their claim is over. */
  lost(workflow: number, task: number, attempt: number, outcome: number, nowMs: number): void {
    const holder = this.#holders.get(`${workflow}/${task}/${attempt}`);
    if (!holder || outcome !== outcomeIndex("worker_lost")) return;
    const { claim, started } = holder;
    if (claim.leaseMs === null && started)
      throw new Error(`attempt ${attempt} of task ${task} is held without a lease, and taken away`);
    if (nowMs < claim.untilMs)
      throw new Error(
        `attempt ${attempt} of task ${task} is taken away ${claim.untilMs - nowMs} ms before its time`,
      );
    this.#witness.note("lease_over");
  }
}

function brief(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

/** What a runner gets has to fit into what it said it has. */
function checkRoom({ request }: Extract<Call, { kind: "claim" }>, jobs: readonly JobModel[]): void {
  const { capacity, limit } = request;
  if (jobs.length > limit) throw new Error(`${jobs.length} jobs given, ${limit} asked for`);
  if (capacity.maxParallel !== null) return;
  const sum = (of: (job: JobModel) => number): number =>
    jobs.reduce((total, job) => total + of(job), 0);
  if (sum((job) => job.resource_requirements.num_cpus) > capacity.cpus + 1e-6)
    throw new Error("jobs given to a runner need more cpus than it has");
  if (sum((job) => job.resource_requirements.memory_bytes) > capacity.memoryBytes)
    throw new Error("jobs given to a runner need more memory than it has");
}
