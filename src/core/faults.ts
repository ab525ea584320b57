/**
 * What follows from a failed attempt. Exactly one *budget* of further attempts is responsible for a failure, the
 * most specific there is:
 *
 * 1. the first exit rule that names the exit code,
 * 2. `retryOn` for the outcome,
 * 3. the first exit rule for all codes (outcomes that ended the command: exit, signal, oom, timeout),
 * 4. what the outcome itself means: the task's own failures draw on `retries`; an attempt lost with its worker
 *    while it ran draws on the crash limit; preempted, or lost before it ran, costs nothing; a missing input and
 *    a command that cannot be started fail the task, as the same would happen again.
 *
 * A budget counts its own failures only: three lost workers do not use up `retries`, and a rule for code 10
 * leaves those for other codes alone.
 */
import type { Outcome } from "./states.ts";
import { OWN_FAILURES } from "./states.ts";
import type { Backoff, BlockPolicy, ExitRule, WorkflowDefinition } from "./workflow.ts";

/** Outcomes that leave the question whether to try again. */
export type FailedOutcome = Exclude<Outcome, "ok" | "canceled" | "superseded">;

/** Failures of one task so far (since its last reset), by the budget they drew on. */
export interface FailureCounts {
  /** drew on `retries` */
  own: number;
  /** drew on `retryOn` */
  perOutcome: Readonly<Partial<Record<Outcome, number>>>;
  /** lost with their worker while they ran */
  crashes: number;
  /** drew on the exit rule of this index; may be shorter than the rules */
  perRule: readonly number[];
}

export const NO_FAILURES: FailureCounts = { own: 0, perOutcome: {}, crashes: 0, perRule: [] };

/** Attempts that may die together with their worker; the same as HyperQueue's. */
export const DEFAULT_CRASH_LIMIT = 5;

/**
 * From the second retry on. The first retry does not wait: a failure that belongs to one host or moment is
 * cured by trying again, and one that belongs to the task is told all the sooner. Failing twice in a row hints at
 * something shared (a file server, a licence), which hammering would keep down; a minute is the most a repaired
 * one should go unnoticed. Half of the delay is left to chance, so that tasks which failed together come
 * back one by one.
 */
export const DEFAULT_BACKOFF: Backoff = {
  initialSeconds: 1,
  factor: 2,
  maxSeconds: 60,
  jitter: 0.5,
};

export interface Failure {
  policy: Pick<BlockPolicy, "retries" | "faults">;
  outcome: FailedOutcome;
  /** null when the command did not end by itself; 128 + n for signal n where that is known */
  exitCode: number | null;
  /** false when a lost or preempted attempt had only been assigned */
  started: boolean;
  /** before this failure */
  counts: FailureCounts;
  /** of the failed attempt; with `workflow` and `task` it decides the jitter */
  attempt: number;
  task: number;
  workflow: number;
}

export interface Judgement {
  verdict: "retry" | "fail";
  /** before the next attempt may start, milliseconds */
  delayMs: number;
  /** has to end with 0 before the next attempt starts; see `afterRecovery` */
  recovery: string | null;
  counts: FailureCounts;
  /** for people: why it is, or is not, tried again */
  reason: string;
}

type Budget =
  | { kind: "rule"; rule: ExitRule; index: number }
  | { kind: "outcome"; retries: number }
  | { kind: "own"; retries: number }
  | { kind: "crash"; limit: number }
  | { kind: "free" }
  | { kind: "none" };

/** A lost worker is no failure of the task's: the delays that it asks for are not meant. */
const NO_POLICY: Failure["policy"] = { retries: 0 };

const ENDED_COMMAND: ReadonlySet<Outcome> = new Set<Outcome>(["exit", "signal", "oom", "timeout"]);

/** Judges one failed attempt; nothing is changed, the new counts are part of the answer. */
export function judgeFailure(failure: Failure): Judgement {
  const { outcome, counts } = failure;
  const budget = budgetOf(failure);
  switch (budget.kind) {
    case "free":
      return {
        verdict: "retry",
        delayMs: 0,
        recovery: null,
        counts,
        reason: `${outcome}: not the task's doing`,
      };
    case "none":
      return {
        verdict: "fail",
        delayMs: 0,
        recovery: null,
        counts,
        reason: `${outcome} is not retried unless the task asks for it (retry_on)`,
      };
    case "crash": {
      const crashes = counts.crashes + 1;
      const lost = `${crashes} attempt${crashes === 1 ? "" : "s"} lost with the worker while running`;
      const retry = crashes < budget.limit;
      return {
        verdict: retry ? "retry" : "fail",
        // From the second one on they come back apart from each other: what ends workers must not take the same others along each time.
        delayMs: retry ? retryDelayMs({ ...failure, policy: NO_POLICY }, crashes) : 0,
        recovery: null,
        counts: { ...counts, crashes },
        reason: retry
          ? `${lost}, limit ${budget.limit}`
          : `${lost}: the crash limit of ${budget.limit} is reached, the task may be what ends its workers`,
      };
    }
    case "rule": {
      const perRule = [...counts.perRule];
      while (perRule.length <= budget.index) perRule.push(0);
      const used = ++perRule[budget.index]!;
      const { exitCodes, retries, recovery } = budget.rule;
      const by = exitCodes === null ? "the rule for all exit codes" : "the rule for this exit code";
      return decide(failure, { ...counts, perRule }, used, retries, recovery, by);
    }
    case "outcome": {
      const used = (counts.perOutcome[outcome] ?? 0) + 1;
      const perOutcome = { ...counts.perOutcome, [outcome]: used };
      const by = `retry_on.${outcome}`;
      return decide(failure, { ...counts, perOutcome }, used, budget.retries, null, by);
    }
    case "own": {
      const own = counts.own + 1;
      return decide(failure, { ...counts, own }, own, budget.retries, null, "retries");
    }
  }
}

function decide(
  failure: Failure,
  counts: FailureCounts,
  used: number,
  allowed: number,
  recovery: string | null,
  by: string,
): Judgement {
  const what = failure.exitCode === null ? failure.outcome : `exit code ${failure.exitCode}`;
  if (used > allowed) {
    const reason = allowed === 0 ? `${what}, no ${by}` : `${what}, ${by}: all ${allowed} used`;
    return { verdict: "fail", delayMs: 0, recovery: null, counts, reason };
  }
  return {
    verdict: "retry",
    delayMs: retryDelayMs(failure, retriesSoFar(counts)),
    recovery,
    counts,
    reason: `${what}, ${by}: ${used} of ${allowed}`,
  };
}

function budgetOf({ policy, outcome, exitCode, started }: Failure): Budget {
  const rules = policy.faults?.exitRules ?? [];
  const ended = ENDED_COMMAND.has(outcome) || outcome === "launch_error";
  if (ended && exitCode !== null) {
    const index = rules.findIndex((rule) => rule.exitCodes?.includes(exitCode));
    if (index >= 0) return { kind: "rule", rule: rules[index]!, index };
  }
  const lostOrPreempted = outcome === "worker_lost" || outcome === "preempted";
  if (lostOrPreempted && !started) return { kind: "free" };
  const named = policy.faults?.retryOn?.[outcome];
  if (named !== undefined) return { kind: "outcome", retries: named };
  if (ENDED_COMMAND.has(outcome)) {
    const index = rules.findIndex((rule) => rule.exitCodes === null);
    if (index >= 0) return { kind: "rule", rule: rules[index]!, index };
  }
  if (outcome === "preempted") return { kind: "free" };
  if (outcome === "worker_lost")
    return { kind: "crash", limit: policy.faults?.crashLimit ?? DEFAULT_CRASH_LIMIT };
  return OWN_FAILURES.has(outcome) ? { kind: "own", retries: policy.retries } : { kind: "none" };
}

/** A recovery command that did not end with 0 means there is nothing to retry with. */
export function afterRecovery(judgement: Judgement, exitCode: number | null): Judgement {
  if (exitCode === 0) return { ...judgement, recovery: null };
  const how = exitCode === null ? "did not end by itself" : `ended with ${exitCode}`;
  return {
    ...judgement,
    verdict: "fail",
    delayMs: 0,
    recovery: null,
    reason: `${judgement.reason}; its recovery command ${how}`,
  };
}

/** The counts after these failures, oldest first: what a restart makes of the recorded attempts. */
export function recount(
  policy: Failure["policy"],
  failures: Iterable<Pick<Failure, "outcome" | "exitCode" | "started">>,
): FailureCounts {
  let counts = NO_FAILURES;
  for (const each of failures)
    counts = judgeFailure({ ...each, policy, counts, attempt: 0, task: 0, workflow: 0 }).counts;
  return counts;
}

function retriesSoFar(counts: FailureCounts): number {
  let sum = counts.own;
  for (const used of Object.values(counts.perOutcome)) sum += used;
  for (const used of counts.perRule) sum += used;
  return sum;
}

/** Delay before retry number `retry` (from 1) of the task, milliseconds. */
export function retryDelayMs(
  of: Pick<Failure, "policy" | "workflow" | "task" | "attempt">,
  retry: number,
): number {
  const given = of.policy.faults?.backoff;
  if (!given && retry <= 1) return 0;
  const backoff = given ?? DEFAULT_BACKOFF;
  const exponent = given ? retry - 1 : retry - 2;
  // 0 × Infinity is no number, and no delay is what an initial 0 means.
  const grown =
    backoff.initialSeconds === 0 ? 0 : backoff.initialSeconds * backoff.factor ** exponent;
  const seconds = Math.min(backoff.maxSeconds, grown);
  const chance = 2 * fraction(of.workflow, of.task, of.attempt) - 1;
  return Math.max(0, Math.round(1000 * seconds * (1 + backoff.jitter * chance)));
}

/** A number in [0, 1) that looks random but is the same after a restart and in a replay. */
function fraction(workflow: number, task: number, attempt: number): number {
  let hash = 0x811c9dc5;
  for (const word of [workflow, task, attempt]) {
    // Finalizer of MurmurHash3: neighbouring tasks get unrelated delays.
    hash ^= word;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash ^= hash >>> 16;
  }
  return (hash >>> 0) / 2 ** 32;
}

/**
 * Whether a workflow goes on with so many failed tasks. `drain`: nothing more is started, what runs may end
 * (`maxFailures` is reached); `stop`: what runs is ended too (`onFailure: stop`).
 */
export function breaker(
  definition: Pick<WorkflowDefinition, "maxFailures" | "onFailure">,
  counts: { failed: number },
): "go" | "drain" | "stop" {
  if (counts.failed === 0) return "go";
  if (definition.onFailure === "stop") return "stop";
  const { maxFailures } = definition;
  return typeof maxFailures === "number" && counts.failed >= maxFailures ? "drain" : "go";
}
