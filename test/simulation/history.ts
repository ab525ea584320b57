/**
 * The promise, checked against what was committed and nothing else: it knows neither core nor engine. Records come in the order in
 * which they were decided, so every decision can be judged by what had been recorded before it.
 */
import { OUTCOME_OK, OUTCOMES, OWN_FAILURES, outcomeIndex } from "../../src/core/states.ts";
import { upstreamOf } from "../../src/core/testing/workflows.ts";
import type { BlockPolicy, WorkflowDefinition } from "../../src/core/workflow.ts";
import type { LedgerRecord } from "../../src/ledger/ledger.ts";
import { EXITS } from "./worker.ts";

const WORKER_LOST = outcomeIndex("worker_lost");
const PREEMPTED = outcomeIndex("preempted");

interface TaskHistory {
  /** highest attempt handed out */
  last: number;
  /** attempts that may be alive, with their workers: one, or two where a duplicate was started */
  live: Map<number, number>;
  ended: Set<number>;
  /** attempts that another one of their task was faster than: they are answered `superseded`, and recorded nowhere */
  beaten: Set<number>;
  /** it had two attempts at a time: a restarted server counts failures that decided nothing */
  doubled: boolean;
  /** outcome of the accepted completion */
  result: number | null;
  canceled: boolean;
  /** failures since the last reset, by what they drew on */
  used: Map<string, number>;
}

interface WorkflowHistory {
  definition: WorkflowDefinition;
  upstream: number[][];
  policies: BlockPolicy[];
  tasks: TaskHistory[];
  /** what has not ended but never will run: derived when asked for */
  skipped: boolean[] | null;
  ended: boolean;
}

/** Records of what becomes of tasks. */
type TaskRecord = Extract<
  LedgerRecord,
  { kind: "assigned" | "finished" | "canceled" | "reset" | "ended" }
>;

function isOfTasks(record: LedgerRecord): record is TaskRecord {
  return ["assigned", "finished", "canceled", "reset", "ended"].includes(record.kind);
}

export interface Witness {
  /** how the attempt really ended; undefined while it has not */
  outcome(workflow: number, task: number, attempt: number): number | undefined;
  /** whether it ever ran */
  started(workflow: number, task: number, attempt: number): boolean;
  /** whether it runs or waits on a worker that is alive */
  exists(workflow: number, task: number, attempt: number): boolean;
  /** whether the command that had to succeed before it failed */
  recoveryFailed(workflow: number, task: number, attempt: number): boolean;
  /** the scheduler a worker was started by */
  schedulerOf(worker: number): string | null | undefined;
}

export class History {
  readonly #witness: Witness;
  readonly #workflows = new Map<number, WorkflowHistory>();
  /** accepted completions seen, for the report */
  accepted = 0;

  constructor(witness: Witness) {
    this.#witness = witness;
  }

  submitted(workflow: number, given: WorkflowDefinition): void {
    const definition = structuredClone(given);
    const policies: BlockPolicy[] = [];
    for (const block of definition.blocks)
      for (let i = 0; i < block.count; i++) policies.push(block);
    this.#workflows.set(workflow, {
      definition,
      upstream: upstreamOf(definition),
      policies,
      tasks: policies.map(() => ({
        last: 0,
        live: new Map(),
        ended: new Set(),
        beaten: new Set(),
        doubled: false,
        result: null,
        canceled: false,
        used: new Map(),
      })),
      skipped: null,
      ended: false,
    });
  }

  /** Records that became durable together. */
  committed(records: readonly LedgerRecord[]): void {
    for (const record of records) {
      if (!isOfTasks(record)) continue;
      const history = this.#workflows.get(record.workflow);
      if (!history) throw new Error(`a record of workflow ${record.workflow}, which is not stored`);
      this.#record(history, record);
    }
  }

  #record(history: WorkflowHistory, record: TaskRecord): void {
    switch (record.kind) {
      case "assigned":
        record.tasks.forEach((task, i) =>
          this.#assigned(history, record.workflow, task, record.attempts[i]!, record.worker),
        );
        return;
      case "finished":
        for (let row = 0; row < record.columns.tasks.length; row++)
          this.#finished(
            history,
            record.workflow,
            record.columns.tasks[row]!,
            record.columns.attempts[row]!,
            record.columns.outcomes[row]!,
            record.accepted[row] === 1,
            record.worker,
          );
        return;
      case "canceled":
        for (const task of record.tasks)
          if (this.#hasEnded(history, task)) throw new Error(`task ${task} is canceled at its end`);
        for (const task of record.tasks) history.tasks[task]!.canceled = true;
        history.skipped = null;
        return;
      case "reset":
        for (const task of record.tasks) {
          const each = history.tasks[task]!;
          if (each.result === null && !each.canceled)
            throw new Error(`task ${task} is reset and has not ended`);
          for (const attempt of each.live.keys())
            if (this.#witness.exists(record.workflow, task, attempt))
              throw new Error(`task ${task} is reset while attempt ${attempt} is alive`);
          each.live.clear();
          each.result = null;
          each.canceled = false;
          each.used.clear();
          history.skipped = null;
        }
        return;
      case "ended":
        history.ended = record.atMs !== null;
        if (!history.ended) return;
        this.#forgetUnborn(record.workflow, history);
        history.tasks.forEach((_, task) => {
          if (!this.#hasEnded(history, task))
            throw new Error(
              `workflow ${record.workflow} is said to have ended, task ${task} has not`,
            );
        });
    }
  }

  /** Attempts that were handed out and never arrived, or were given back before they began, are recorded nowhere. */
  #forgetUnborn(workflow: number, history: WorkflowHistory): void {
    history.tasks.forEach((each, task) => {
      // That of a canceled task may still be on its way, and will be recorded when it has been killed.
      if (each.canceled) return;
      for (const attempt of each.live.keys())
        if (
          !this.#witness.started(workflow, task, attempt) &&
          !this.#witness.exists(workflow, task, attempt)
        )
          each.live.delete(attempt);
    });
    history.skipped = null;
  }

  #assigned(
    history: WorkflowHistory,
    workflow: number,
    task: number,
    attempt: number,
    worker: number,
  ): void {
    const each = history.tasks[task]!;
    const what = `attempt ${attempt} of task ${task}`;
    const { onUpstreamFailure, scheduler, category } = history.policies[task]!;
    const duplicates = (history.definition.categories?.[category]?.speculate ?? null) !== null;
    // One that never arrived, or was given back before it started, is recorded nowhere.
    for (const other of each.live.keys()) {
      if (!this.#witness.exists(workflow, task, other)) {
        if (!duplicates || !this.#witness.started(workflow, task, other)) each.live.delete(other);
      } else if (!duplicates) throw new Error(`${what} is handed out while ${other} is alive`);
    }
    if (each.live.size > 1) throw new Error(`${what} is handed out as the third`);
    const unused = attempt === each.last && !this.#witness.started(workflow, task, attempt);
    if (attempt <= each.last && !unused)
      throw new Error(`${what} is handed out after ${each.last}`);
    history.skipped = null;
    if (this.#hasEnded(history, task)) throw new Error(`${what} is handed out after its end`);
    for (const before of history.upstream[task]!) {
      if (!this.#hasEnded(history, before))
        throw new Error(`${what} is handed out before task ${before} has ended`);
      if (onUpstreamFailure === "skip" && history.tasks[before]!.result !== OUTCOME_OK)
        throw new Error(`${what} is handed out although task ${before} did not succeed`);
    }
    const bound = this.#witness.schedulerOf(worker);
    if (scheduler !== null && bound !== scheduler)
      throw new Error(`${what} is bound to ${scheduler}, its worker belongs to ${bound}`);
    each.last = attempt;
    each.live.set(attempt, worker);
    each.doubled ||= each.live.size > 1;
  }

  #finished(
    history: WorkflowHistory,
    workflow: number,
    task: number,
    attempt: number,
    outcome: number,
    accepted: boolean,
    worker: number,
  ): void {
    const each = history.tasks[task]!;
    const what = `attempt ${attempt} of task ${task} (${OUTCOMES[outcome]})`;
    const lost = outcome === WORKER_LOST || outcome === PREEMPTED;
    if (!each.live.has(attempt)) {
      // The slower of two is recorded when its worker says that it has ended; a restarted server takes it for lost.
      if (!accepted && each.beaten.delete(attempt)) {
        each.ended.add(attempt);
        return;
      }
      // A restarted server cannot know of one that never began that it was given back.
      const never = attempt === each.last && !this.#witness.started(workflow, task, attempt);
      if (!lost || accepted || each.live.size > 0 || each.ended.has(attempt) || !never)
        throw new Error(`${what} is recorded, and not live`);
      each.ended.add(attempt);
      return;
    }
    const truth = this.#witness.outcome(workflow, task, attempt);
    // That it was lost is what the server believes; anything else the worker said.
    if (outcome !== WORKER_LOST || truth === outcome) {
      if (truth !== outcome && !lost)
        throw new Error(
          `${what} really ended as ${truth === undefined ? "nothing" : OUTCOMES[truth]}`,
        );
      if (each.live.get(attempt) !== worker) throw new Error(`${what} came from another worker`);
    }
    each.live.delete(attempt);
    each.ended.add(attempt);
    history.skipped = null;
    const recoveryFailed = this.#witness.recoveryFailed(workflow, task, attempt);
    // While a duplicate is alive nothing is decided by a failure.
    const decides = !each.canceled && (accepted || each.live.size === 0);
    const budget =
      outcome === OUTCOME_OK || !decides ? null : budgetOf(history.policies[task]!, outcome);
    const used = budget ? (each.used.get(budget.name) ?? 0) + 1 : 0;
    if (budget) each.used.set(budget.name, used);
    if (!accepted) {
      if (outcome === OUTCOME_OK && !each.canceled) throw new Error(`${what} was not accepted`);
      if (budget && (used > budget.allowed || recoveryFailed))
        throw new Error(`${what} is to run again, ${budget.name} allows ${budget.allowed}`);
      return;
    }
    if (each.canceled || each.result !== null)
      throw new Error(`${what} is accepted after the end of its task`);
    if (budget && used <= budget.allowed && !recoveryFailed && !each.doubled)
      throw new Error(
        `${what} is final, ${budget.name} allows ${budget.allowed}, ${used} are used`,
      );
    each.result = outcome;
    for (const other of each.live.keys()) each.beaten.add(other);
    each.live.clear();
    this.accepted++;
  }

  #hasEnded(history: WorkflowHistory, task: number): boolean {
    const each = history.tasks[task]!;
    if (each.result !== null || each.canceled) return true;
    return (history.skipped ??= deriveSkipped(history))[task]!;
  }

  /** Whether the ledger knows how this attempt ended. */
  knows(workflow: number, task: number, attempt: number): boolean {
    const each = this.#workflows.get(workflow)?.tasks[task];
    // The slower of two attempts of a task is answered `superseded`, and recorded nowhere.
    return (
      each !== undefined && (each.ended.has(attempt) || each.beaten.has(attempt) || each.doubled)
    );
  }

  /** When all is over: nothing is left to do, and nothing is alive. */
  finish(): void {
    for (const [workflow, history] of this.#workflows) {
      this.#forgetUnborn(workflow, history);
      history.tasks.forEach(({ live, doubled }, task) => {
        if (!this.#hasEnded(history, task))
          throw new Error(`task ${task} of workflow ${workflow} never ended`);
        for (const attempt of live.keys())
          if (!doubled && this.#witness.started(workflow, task, attempt))
            throw new Error(`how attempt ${attempt} of task ${task} ended is not recorded`);
      });
      if (!history.ended) throw new Error(`nobody said that workflow ${workflow} has ended`);
    }
  }

  /** Accepted completions per workflow, to be compared with what the ledger says. */
  results(workflow: number): Map<number, number> {
    const results = new Map<number, number>();
    this.#workflows.get(workflow)!.tasks.forEach(({ result }, task) => {
      if (result !== null) results.set(task, result);
    });
    return results;
  }
}

/**
 * What a failure draws on, and how many of them may be followed by another attempt. Lost attempts are limited too, but whether one had
 * begun the server may not have heard, so only the user's own budgets are counted here.
 */
function budgetOf(
  { retries, faults }: BlockPolicy,
  index: number,
): { name: string; allowed: number } | null {
  const outcome = OUTCOMES[index]!;
  if (outcome === "worker_lost" || outcome === "preempted" || outcome === "canceled") return null;
  const exit = EXITS[outcome] ?? null;
  const code = exit !== null && exit < 0 ? 128 - exit : exit;
  const rules = faults?.exitRules ?? [];
  const ended = ["exit", "signal", "oom", "timeout"].includes(outcome);
  for (const [at, { exitCodes, retries: allowed }] of rules.entries())
    if ((ended || outcome === "launch_error") && code !== null && exitCodes?.includes(code))
      return { name: `rule ${at}`, allowed };
  const named = faults?.retryOn?.[outcome];
  if (named !== undefined) return { name: outcome, allowed: named };
  for (const [at, { exitCodes, retries: allowed }] of rules.entries())
    if (ended && exitCodes === null) return { name: `rule ${at}`, allowed };
  return OWN_FAILURES.has(outcome)
    ? { name: "retries", allowed: retries }
    : { name: "no retries", allowed: 0 };
}

/** Edges lead to higher tasks, so one pass is enough. A task with a live attempt is not skipped: its end counts. */
function deriveSkipped({ tasks, upstream, policies }: WorkflowHistory): boolean[] {
  const skipped: boolean[] = [];
  for (let task = 0; task < tasks.length; task++) {
    const { result, canceled, live } = tasks[task]!;
    skipped.push(
      result === null &&
        !canceled &&
        live.size === 0 &&
        policies[task]!.onUpstreamFailure === "skip" &&
        upstream[task]!.some((before) => {
          const each = tasks[before]!;
          return (
            each.canceled ||
            (each.result !== null && each.result !== OUTCOME_OK) ||
            skipped[before]!
          );
        }),
    );
  }
  return skipped;
}
