/**
 * The promise, checked against what was committed and nothing else: it knows neither core nor engine. Records come in the order in
 * which they were decided, so every decision can be judged by what had been recorded before it.
 */
import { OUTCOME_OK, OUTCOMES, OWN_FAILURES, outcomeIndex } from "../../src/core/states.ts";
import { upstreamOf } from "../../src/core/testing/workflows.ts";
import type { BlockPolicy, WorkflowDefinition } from "../../src/core/workflow.ts";
import { DEFAULT_CRASH_LIMIT } from "../../src/core/faults.ts";
import type { LedgerRecord } from "../../src/ledger/ledger.ts";
import type { EventKind } from "./plan.ts";
import { EXITS } from "./worker.ts";

const WORKER_LOST = outcomeIndex("worker_lost");
const PREEMPTED = outcomeIndex("preempted");
const CANCELED = outcomeIndex("canceled");
const OOM = outcomeIndex("oom");
const DISK = outcomeIndex("disk");

interface TaskHistory {
  /** highest attempt handed out */
  last: number;
  /** attempts that may be alive, with their workers: one, or two where a duplicate was started */
  live: Map<number, number>;
  ended: Set<number>;
  /** attempts that another one of their task was faster than, or that a restart gave up for it: they are answered `superseded` */
  beaten: Set<number>;
  /** outcome of the accepted completion */
  result: number | null;
  canceled: boolean;
  /** it is to run again when its attempt has died of a cancellation */
  again: boolean;
  /** failures since the last reset, by what they drew on */
  used: Map<string, number>;
  /** so much memory was too little */
  tooLittle: number | null;
  /** and attempts handed out since need more */
  needs: Map<number, number>;
}

function newTask(): TaskHistory {
  return {
    last: 0,
    live: new Map(),
    ended: new Set(),
    beaten: new Set(),
    result: null,
    canceled: false,
    again: false,
    used: new Map(),
    tooLittle: null,
    needs: new Map(),
  };
}

/** The end of an attempt as it is recorded. */
interface End {
  attempt: number;
  outcome: number;
  accepted: boolean;
  worker: number;
  /** where it was lost: it had begun, for all the server knows */
  ran: boolean;
  peakBytes: number | null;
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
  /** the server was told that it runs, since it was started */
  knownRunning(workflow: number, task: number, attempt: number): boolean;
  /** it was held to an amount of memory, and ends when that is too little */
  held(workflow: number, task: number, attempt: number): boolean;
  /** why a task must not run on this worker; null = it may */
  objection(worker: number, policy: BlockPolicy): string | null;
  /** an attempt is recorded as lost or preempted */
  lost(workflow: number, task: number, attempt: number, outcome: number): void;
  note(kind: EventKind): void;
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
      tasks: policies.map(newTask),
      skipped: null,
      ended: false,
    });
  }

  /** Tasks were added behind those there are; what waits for nothing among them waits for `after`. */
  extended(workflow: number, given: WorkflowDefinition, after: readonly number[]): void {
    const history = this.#workflows.get(workflow)!;
    const more = structuredClone(given);
    const offset = history.tasks.length;
    for (const waits of upstreamOf(more))
      history.upstream.push(waits.length > 0 ? waits.map((task) => task + offset) : [...after]);
    for (const block of more.blocks)
      for (let i = 0; i < block.count; i++) {
        history.policies.push(block);
        history.tasks.push(newTask());
      }
    const categories = { ...more.categories, ...history.definition.categories };
    history.definition = { ...history.definition, categories };
    history.skipped = null;
  }

  /** Of a task's attempts a restarted server takes up the newest one only: of two at a time the other is ended. */
  restarted(): void {
    for (const { tasks } of this.#workflows.values())
      for (const each of tasks) {
        each.again = false;
        for (const attempt of each.live.keys())
          if (attempt !== each.last) {
            each.live.delete(attempt);
            each.beaten.add(attempt);
          }
      }
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
        for (let row = 0; row < record.columns.tasks.length; row++) {
          const { columns, worker } = record;
          this.#finished(history, record.workflow, columns.tasks[row]!, {
            attempt: columns.attempts[row]!,
            outcome: columns.outcomes[row]!,
            accepted: record.accepted[row] === 1,
            worker,
            ran: columns.startedMs[row] !== null || record.messages.some(([at]) => at === row),
            peakBytes: columns.peakBytes[row] ?? null,
          });
        }
        return;
      case "canceled":
        for (const task of record.tasks)
          if (this.#hasEnded(history, task)) throw new Error(`task ${task} is canceled at its end`);
        for (const task of record.tasks) {
          const each = history.tasks[task]!;
          each.canceled = true;
          // Of two the duplicate is given up for good: nobody has to hear how it ended.
          for (const attempt of [...each.live.keys()].sort((a, b) => a - b).slice(1)) {
            each.live.delete(attempt);
            each.beaten.add(attempt);
          }
        }
        history.skipped = null;
        return;
      case "reset":
        for (const task of record.tasks) {
          const each = history.tasks[task]!;
          if (each.result === null && !each.canceled && !each.again)
            throw new Error(`task ${task} is reset and has not ended`);
          each.again = false;
          for (const attempt of each.live.keys()) {
            const alive = this.#witness.exists(record.workflow, task, attempt);
            if (alive && !each.canceled)
              throw new Error(`task ${task} is reset while attempt ${attempt} is alive`);
            // What dies of a cancellation is waited for, and decides nothing.
            if (each.canceled) each.again = true;
            else each.live.delete(attempt);
          }
          each.result = null;
          each.canceled = false;
          each.used.clear();
          each.tooLittle = null;
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
    const { onUpstreamFailure, category } = history.policies[task]!;
    const duplicates = (history.definition.categories?.[category]?.speculate ?? null) !== null;
    // One that never arrived, or was given back before it started, is recorded nowhere.
    for (const other of each.live.keys()) {
      if (!this.#witness.exists(workflow, task, other)) {
        // A runner may have died before it heard that its start was noted.
        const began =
          this.#witness.started(workflow, task, other) ||
          this.#witness.knownRunning(workflow, task, other);
        if (!duplicates || !began) each.live.delete(other);
      } else if (!duplicates) throw new Error(`${what} is handed out while ${other} is alive`);
    }
    if (each.live.size > 1) throw new Error(`${what} is handed out as the third`);
    const unused = attempt === each.last && !this.#witness.started(workflow, task, attempt);
    if (attempt <= each.last && !unused)
      throw new Error(`${what} is handed out after ${each.last}`);
    history.skipped = null;
    if (this.#hasEnded(history, task)) throw new Error(`${what} is handed out after its end`);
    // One upstream may have been given back, unrecorded, and be skipped since.
    if (history.upstream[task]!.some((before) => !this.#hasEnded(history, before)))
      this.#forgetUnborn(workflow, history);
    for (const before of history.upstream[task]!) {
      if (!this.#hasEnded(history, before))
        throw new Error(`${what} is handed out before task ${before} has ended`);
      if (onUpstreamFailure === "skip" && history.tasks[before]!.result !== OUTCOME_OK)
        throw new Error(`${what} is handed out although task ${before} did not succeed`);
    }
    const objection = this.#witness.objection(worker, history.policies[task]!);
    if (objection !== null) throw new Error(`${what} is handed out, and ${objection}`);
    each.again = false;
    each.last = attempt;
    each.live.set(attempt, worker);
    if (each.live.size > 1) this.#witness.note("duplicate");
    if (each.tooLittle !== null) each.needs.set(attempt, each.tooLittle);
  }

  /** More memory than this an attempt has to be given, if it is given an amount; null = nothing is known. */
  leastMemory(workflow: number, task: number, attempt: number): number | null {
    return this.#workflows.get(workflow)?.tasks[task]?.needs.get(attempt) ?? null;
  }

  #finished(history: WorkflowHistory, workflow: number, task: number, end: End): void {
    const { attempt, outcome, accepted, worker } = end;
    const each = history.tasks[task]!;
    const what = `attempt ${attempt} of task ${task} (${OUTCOMES[outcome]})`;
    const lost = outcome === WORKER_LOST || outcome === PREEMPTED;
    if (lost) this.#witness.lost(workflow, task, attempt, outcome);
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
    // Of one that is lost nobody hears it.
    const recoveryFailed = !lost && this.#witness.recoveryFailed(workflow, task, attempt);
    // While another attempt is alive nothing is decided by a failure, but it counts.
    const beside = !accepted && each.live.size > 0;
    if (beside && outcome !== OUTCOME_OK) this.#witness.note("first_of_two_failed");
    const policy = history.policies[task]!;
    const exhausted = this.#isExhausted(history, workflow, task, end);
    if (exhausted && outcome === OOM)
      each.tooLittle = Math.max(each.tooLittle ?? 0, end.peakBytes ?? 0);
    const dying = each.canceled || each.again;
    const counts = outcome !== OUTCOME_OK && !dying && !recoveryFailed && !exhausted;
    const budget = counts ? budgetOf(policy, outcome, end.ran) : null;
    const used = budget ? (each.used.get(budget.name) ?? 0) + 1 : 0;
    if (budget) each.used.set(budget.name, used);
    if (!accepted) {
      if (outcome === OUTCOME_OK && !dying) throw new Error(`${what} was not accepted`);
      if (beside || dying) return;
      if (budget && used > budget.allowed)
        throw new Error(`${what} is to run again, ${budget.name} allows ${budget.allowed}`);
      if (recoveryFailed) throw new Error(`${what} is to run again, and its recovery has failed`);
      // A worker that dies with what it is known to run counts, whatever else is lost.
      const known = this.#witness.knownRunning(workflow, task, attempt);
      if (outcome === WORKER_LOST && known && !end.ran)
        throw new Error(`${what} is known to have run, and does not count as a crash`);
      return;
    }
    if (dying || each.result !== null)
      throw new Error(`${what} is accepted after the end of its task`);
    const final = recoveryFailed || exhausted || outcome === OUTCOME_OK;
    if (!final && outcome !== CANCELED && (!budget || used <= budget.allowed))
      throw new Error(
        `${what} is final, ${budget?.name ?? "nothing"} allows ${budget?.allowed ?? "any"}, ${used} are used`,
      );
    if (budget?.name === CRASHES) this.#witness.note("crash_limit_reached");
    each.result = outcome;
    for (const other of each.live.keys()) each.beaten.add(other);
    each.live.clear();
    this.accepted++;
  }

  /** It ran out of what it was given, where that is learned: then it gets more, and no budget is asked. */
  #isExhausted(
    { definition, policies }: WorkflowHistory,
    workflow: number,
    task: number,
    { attempt, outcome }: End,
  ): boolean {
    if (outcome !== OOM && outcome !== DISK) return false;
    const allocation = definition.categories?.[policies[task]!.category]?.allocation ?? "fixed";
    return allocation !== "fixed" && this.#witness.held(workflow, task, attempt);
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
    return each !== undefined && (each.ended.has(attempt) || each.beaten.has(attempt));
  }

  /** Whether the ledger has it that this attempt was handed out. */
  wasAssigned(workflow: number, task: number, attempt: number): boolean {
    const each = this.#workflows.get(workflow)?.tasks[task];
    return each !== undefined && (each.live.has(attempt) || each.ended.has(attempt));
  }

  /** When all is over: nothing is left to do, and nothing is alive. */
  finish(): void {
    for (const [workflow, history] of this.#workflows) {
      this.#forgetUnborn(workflow, history);
      history.tasks.forEach(({ live }, task) => {
        if (!this.#hasEnded(history, task))
          throw new Error(`task ${task} of workflow ${workflow} never ended`);
        for (const attempt of live.keys())
          if (this.#witness.started(workflow, task, attempt))
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

const CRASHES = "the crash limit";

/** What a failure draws on, and how many of them may be followed by another attempt; null = it costs nothing. */
function budgetOf(
  { retries, faults }: BlockPolicy,
  index: number,
  ran: boolean,
): { name: string; allowed: number } | null {
  const outcome = OUTCOMES[index]!;
  if (outcome === "preempted" || outcome === "canceled") return null;
  if (outcome === "worker_lost") {
    const limit = faults?.crashLimit ?? DEFAULT_CRASH_LIMIT;
    return ran ? { name: CRASHES, allowed: limit - 1 } : null;
  }
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
