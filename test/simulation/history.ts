/**
 * The promise, checked against what was committed and nothing else: it knows neither core nor engine. Records come in the order in
 * which they were decided, so every decision can be judged by what had been recorded before it.
 */
import { OUTCOME_OK, OUTCOMES, OWN_FAILURES, outcomeIndex } from "../../src/core/states.ts";
import { upstreamOf } from "../../src/core/testing/workflows.ts";
import type { BlockPolicy, WorkflowDefinition } from "../../src/core/workflow.ts";
import type { LedgerRecord } from "../../src/ledger/ledger.ts";

const WORKER_LOST = outcomeIndex("worker_lost");
const PREEMPTED = outcomeIndex("preempted");
const OWN = OUTCOMES.map((outcome) => OWN_FAILURES.has(outcome));

interface TaskHistory {
  /** highest attempt handed out */
  last: number;
  live: { attempt: number; worker: number } | null;
  ended: Set<number>;
  /** outcome of the accepted completion */
  result: number | null;
  canceled: boolean;
  /** own failures since the last reset */
  failures: number;
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

export interface Witness {
  /** how the attempt really ended; undefined while it has not */
  outcome(workflow: number, task: number, attempt: number): number | undefined;
  /** whether it ever ran */
  started(workflow: number, task: number, attempt: number): boolean;
  /** whether it runs or waits on a worker that is alive */
  exists(workflow: number, task: number, attempt: number): boolean;
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
        live: null,
        ended: new Set(),
        result: null,
        canceled: false,
        failures: 0,
      })),
      skipped: null,
      ended: false,
    });
  }

  /** Records that became durable together. */
  committed(records: readonly LedgerRecord[]): void {
    for (const record of records) {
      if (record.kind === "worker" || record.kind === "files") continue;
      const history = this.#workflows.get(record.workflow);
      if (!history) throw new Error(`a record of workflow ${record.workflow}, which is not stored`);
      this.#record(history, record);
    }
  }

  #record(
    history: WorkflowHistory,
    record: Exclude<LedgerRecord, { kind: "worker" | "files" }>,
  ): void {
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
          if (each.live && this.#witness.exists(record.workflow, task, each.live.attempt))
            throw new Error(`task ${task} is reset while an attempt is alive`);
          each.live = null;
          each.result = null;
          each.canceled = false;
          each.failures = 0;
          history.skipped = null;
        }
        return;
      case "ended":
        history.ended = record.atMs !== null;
        if (!history.ended) return;
        this.#forgetUnborn(record.workflow, history);
        history.tasks.forEach((_, task) => {
          if (!this.#hasEnded(history, task))
            throw new Error(`workflow ${record.workflow} is said to have ended, task ${task} has not`);
        });
    }
  }

  /** Attempts that were handed out and never arrived, or were given back before they began, are recorded nowhere. */
  #forgetUnborn(workflow: number, history: WorkflowHistory): void {
    history.tasks.forEach((each, task) => {
      const attempt = each.live?.attempt;
      // That of a canceled task may still be on its way, and will be recorded when it has been killed.
      if (attempt === undefined || each.canceled || this.#witness.started(workflow, task, attempt)) return;
      if (!this.#witness.exists(workflow, task, attempt)) each.live = null;
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
    // One that never arrived, or was given back before it started, is recorded nowhere.
    if (each.live && this.#witness.exists(workflow, task, each.live.attempt))
      throw new Error(`${what} is handed out while ${each.live.attempt} is alive`);
    each.live = null;
    const unused = attempt === each.last && !this.#witness.started(workflow, task, attempt);
    if (attempt <= each.last && !unused)
      throw new Error(`${what} is handed out after ${each.last}`);
    history.skipped = null;
    if (this.#hasEnded(history, task)) throw new Error(`${what} is handed out after its end`);
    const { onUpstreamFailure, scheduler } = history.policies[task]!;
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
    each.live = { attempt, worker };
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
    if (each.live?.attempt !== attempt) {
      // A restarted server cannot know of one that never began that it was given back.
      const never = attempt === each.last && !this.#witness.started(workflow, task, attempt);
      if (!lost || accepted || each.live || each.ended.has(attempt) || !never)
        throw new Error(`${what} is recorded, ${each.live ? each.live.attempt : "none"} is live`);
      each.ended.add(attempt);
      return;
    }
    if (!lost) {
      if (each.live.worker !== worker) throw new Error(`${what} came from another worker`);
      const truth = this.#witness.outcome(workflow, task, attempt);
      if (truth !== outcome)
        throw new Error(`${what} really ended as ${truth === undefined ? "nothing" : OUTCOMES[truth]}`);
    }
    each.live = null;
    each.ended.add(attempt);
    const { retries } = history.policies[task]!;
    const counts = OWN[outcome]! && !each.canceled;
    if (counts) each.failures++;
    if (!accepted) {
      if (outcome === OUTCOME_OK && !each.canceled) throw new Error(`${what} was not accepted`);
      if (each.failures > retries)
        throw new Error(`${what} is to run again, it failed ${each.failures} times already`);
      return;
    }
    if (each.canceled || each.result !== null)
      throw new Error(`${what} is accepted after the end of its task`);
    if (lost) throw new Error(`${what} is accepted as a completion`);
    if (counts && each.failures !== retries + 1)
      throw new Error(`${what} has failed ${each.failures} times, it has ${retries} retries`);
    each.result = outcome;
    history.skipped = null;
    this.accepted++;
  }

  #hasEnded(history: WorkflowHistory, task: number): boolean {
    const each = history.tasks[task]!;
    if (each.result !== null || each.canceled) return true;
    return (history.skipped ??= deriveSkipped(history))[task]!;
  }

  /** Whether the ledger knows how this attempt ended. */
  knows(workflow: number, task: number, attempt: number): boolean {
    return this.#workflows.get(workflow)?.tasks[task]?.ended.has(attempt) ?? false;
  }

  /** When all is over: nothing is left to do, and nothing is alive. */
  finish(): void {
    for (const [workflow, history] of this.#workflows) {
      this.#forgetUnborn(workflow, history);
      history.tasks.forEach(({ live }, task) => {
        if (!this.#hasEnded(history, task))
          throw new Error(`task ${task} of workflow ${workflow} never ended`);
        if (live && this.#witness.started(workflow, task, live.attempt))
          throw new Error(`how attempt ${live.attempt} of task ${task} ended is not recorded`);
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

/** Edges lead to higher tasks, so one pass is enough. A task with a live attempt is not skipped: its end counts. */
function deriveSkipped({ tasks, upstream, policies }: WorkflowHistory): boolean[] {
  const skipped: boolean[] = [];
  for (let task = 0; task < tasks.length; task++) {
    const { result, canceled, live } = tasks[task]!;
    skipped.push(
      result === null &&
        !canceled &&
        live === null &&
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
