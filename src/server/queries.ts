/** What the API answers about workflows and tasks, from the core's columns and the ledger's rows. */
import { compileCommandText } from "../core/command-text.ts";
import { HoldallError } from "../core/error.ts";
import {
  ASSIGNED,
  BLOCKED,
  CANCELED,
  FAILED,
  OUTCOMES,
  READY,
  RUNNING,
  SKIPPED,
  SUCCEEDED,
  TASK_STATES,
  type TaskState,
} from "../core/states.ts";
import type { Tasks } from "../core/tasks.ts";
import type { ParameterTable } from "../core/workflow.ts";
import type { AttemptRow } from "../ledger/ledger.ts";
import type {
  AttemptItem,
  TaskCounts,
  TaskDetail,
  TaskItem,
  TaskPage,
  WorkflowState,
  WorkflowStatus,
} from "../protocol/api.ts";
import type { Engine } from "./engine.ts";
import { blockOf, createNames, type Names } from "./names.ts";

/** A workflow that an engine has taken up. */
export interface Loaded {
  id: number;
  engine: Engine;
  tasks: Tasks;
  names: Names;
}

export interface PageQuery {
  states: readonly TaskState[];
  /** a name, or a glob with `*` */
  name: string | null;
  /** the task to begin with */
  from: number;
  limit: number;
}

const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "product" };

export function loadedWorkflow(engine: Engine, id: number): Loaded | null {
  const tasks = engine.tasks(id);
  if (!tasks) return null;
  return { id, engine, tasks, names: createNames(engine.ledger, id, tasks.definition) };
}

export function workflowStatus({ id, engine, tasks }: Loaded): WorkflowStatus {
  const counts = taskCounts(tasks);
  return {
    workflow_id: id,
    name: tasks.definition.name,
    state: workflowState(counts, engine.serving || engine.core.workers.size > 0),
    tasks: counts,
  };
}

export function taskCounts({ counts }: Tasks): TaskCounts {
  return {
    blocked: counts[BLOCKED]!,
    ready: counts[READY]!,
    assigned: counts[ASSIGNED]!,
    running: counts[RUNNING]!,
    succeeded: counts[SUCCEEDED]!,
    failed: counts[FAILED]!,
    canceled: counts[CANCELED]!,
    skipped: counts[SKIPPED]!,
  };
}

export function workflowState(counts: TaskCounts, hasWorkers: boolean): WorkflowState {
  const left = counts.blocked + counts.ready + counts.assigned + counts.running;
  if (left > 0) return hasWorkers ? "running" : "interrupted";
  if (counts.failed > 0) return "failed";
  // What depends on a canceled task is skipped: that is no failure.
  if (counts.canceled > 0) return "canceled";
  return counts.skipped > 0 ? "failed" : "succeeded";
}

export async function taskPage(loaded: Loaded, query: PageQuery): Promise<TaskPage> {
  const { tasks, names } = loaded;
  const { from, limit, name } = query;
  const chosen = statesMask(query.states);
  const accepts = (task: number): boolean => chosen[tasks.state[task]!] === 1;
  if (name !== null && !name.includes("*")) {
    const task = names.find(name);
    const there = task !== null && task >= from && accepts(task);
    return { tasks: there ? taskItems(loaded, [task], [name]) : [], next_cursor: null };
  }
  const items: TaskItem[] = [];
  for await (const [numbers, texts] of names.scan(name, from, accepts)) {
    const room = limit - items.length;
    items.push(...taskItems(loaded, numbers.slice(0, room), texts.slice(0, room)));
    if (numbers.length > room) return { tasks: items, next_cursor: String(numbers[room]!) };
  }
  return { tasks: items, next_cursor: null };
}

function statesMask(states: readonly TaskState[]): Uint8Array {
  const mask = new Uint8Array(TASK_STATES.length);
  if (states.length === 0) mask.fill(1);
  for (const state of states) mask[TASK_STATES.indexOf(state)] = 1;
  return mask;
}

function taskItems(
  loaded: Loaded,
  numbers: readonly number[],
  names: readonly string[],
): TaskItem[] {
  const { engine, id } = loaded;
  const rows = engine.ledger.latestAttempts(id, numbers);
  const hostOf = hostFinder(engine);
  return numbers.map((task, i) => taskItem(loaded, task, names[i]!, rows[i]!, hostOf));
}

function taskItem(
  { tasks }: Loaded,
  task: number,
  name: string,
  row: AttemptRow | null,
  hostOf: (worker: number) => string | null,
): TaskItem {
  const state = TASK_STATES[tasks.state[task]!]!;
  if (isLive(tasks, task)) {
    return {
      name,
      state,
      attempts: tasks.attempt[task]!,
      exit_code: null,
      outcome: null,
      host: hostOf(tasks.owner[task]!),
      wall_seconds: null,
      cpu_seconds: null,
      peak_memory_bytes: null,
    };
  }
  return {
    name,
    state,
    attempts: row?.attempt ?? 0,
    exit_code: exitCode(row),
    outcome: row && OUTCOMES[row.outcome]!,
    host: row && hostOf(row.worker),
    ...usage(row),
  };
}

/** An attempt of it is with a worker and has not ended; of a canceled task, it may still be dying. */
export function isLive(tasks: Tasks, task: number): boolean {
  return tasks.owner[task] !== 0;
}

function exitCode(row: AttemptRow | null): number | null {
  return row === null || row.exit === null || row.exit < 0 ? null : row.exit;
}

function usage(
  row: AttemptRow | null,
): Pick<TaskItem, "wall_seconds" | "cpu_seconds" | "peak_memory_bytes"> {
  return {
    wall_seconds: seconds(row?.wallUs ?? null),
    cpu_seconds:
      row === null || row.userUs === null || row.systemUs === null
        ? null
        : seconds(row.userUs + row.systemUs),
    peak_memory_bytes: row?.peakBytes ?? null,
  };
}

function seconds(us: number | null): number | null {
  return us === null ? null : us / 1e6;
}

function hostFinder({ ledger }: Engine): (worker: number) => string | null {
  const known = new Map<number, string | null>();
  return (worker) => {
    let host = known.get(worker);
    if (host === undefined) known.set(worker, (host = ledger.workerHost(worker)));
    return host;
  };
}

export function taskDetail(loaded: Loaded, name: string): TaskDetail {
  const { id, engine, tasks, names } = loaded;
  const task = names.require(name);
  const hostOf = hostFinder(engine);
  const rows = engine.ledger.attemptsOf(id, task);
  const [latest] = engine.ledger.latestAttempts(id, [task]);
  const state = tasks.state[task]!;
  // The ledger's latest row is the accepted one exactly when the task ended by a result.
  const accepted = state === SUCCEEDED || state === FAILED ? latest?.attempt : undefined;
  const block = blockOf(tasks.definition.blocks, task);
  const body = block.kind === "array" ? block.body : engine.ledger.bodies(id, [task])[0]!;
  const table = block.kind === "array" ? block.parameters : NO_PARAMETERS;
  return {
    ...taskItem(loaded, task, name, latest ?? null, hostOf),
    command: compileCommandText(body.command, table)(task - block.first),
    cwd: block.cwd ?? tasks.definition.cwd,
    attempts_detail: rows.map((row) => attemptItem(row, row.attempt === accepted, hostOf)),
  };
}

function attemptItem(
  row: AttemptRow,
  accepted: boolean,
  hostOf: (worker: number) => string | null,
): AttemptItem {
  return {
    attempt: row.attempt,
    outcome: OUTCOMES[row.outcome]!,
    accepted,
    exit_code: exitCode(row),
    signal: row.exit !== null && row.exit < 0 ? -row.exit : null,
    host: hostOf(row.worker),
    started_at: row.startedMs === null ? null : new Date(row.startedMs).toISOString(),
    ...usage(row),
    message: row.message,
  };
}

/** The attempt that is meant: the one asked for, else the one that runs, else the latest. Null when there is none yet. */
export function chooseAttempt(loaded: Loaded, task: number, wanted: number | null): number | null {
  const { id, engine, tasks } = loaded;
  const live = isLive(tasks, task) ? tasks.attempt[task]! : null;
  if (wanted === null) return live ?? engine.ledger.latestAttempts(id, [task])[0]?.attempt ?? null;
  if (wanted === live) return wanted;
  const ended = engine.ledger.attemptsOf(id, task).map((row) => row.attempt);
  if (ended.includes(wanted)) return wanted;
  const there = live === null ? ended : [...ended, live];
  throw new HoldallError("not_found", `${loaded.names.of(task)} has no attempt ${wanted}`, {
    fix: there.length === 0 ? "none has started" : `there is ${there.join(", ")}`,
  });
}
