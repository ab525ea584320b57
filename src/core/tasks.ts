/** The tasks of one workflow, as columns: some ten bytes a task. */
import type { Override } from "./allocate.ts";
import type { FailureCounts } from "./faults.ts";
import type { Graph } from "./graph.ts";
import { buildGraph, inDegrees, visitDependents } from "./graph.ts";
import type { Category, ReadyClass } from "./ready.ts";
import {
  ASSIGNED,
  BLOCKED,
  CANCELED,
  FAILED,
  READY,
  RUNNING,
  SKIPPED,
  SUCCEEDED,
  TASK_STATES,
} from "./states.ts";
import type { WorkflowDefinition } from "./workflow.ts";

export interface Tasks {
  workflow: number;
  definition: WorkflowDefinition;
  graph: Graph;
  state: Uint8Array;
  /** highest attempt number handed out; 0 = none yet */
  attempt: Uint16Array;
  /** worker that holds the live (or dying) attempt; 0 = none */
  owner: Uint32Array;
  /** things each blocked task still waits for; empty when nothing depends on anything */
  waiting: Int32Array;
  /** members of each set that have not ended */
  setLeft: Uint32Array;
  /** 1 when a member of the set did not succeed */
  setFailed: Uint8Array;
  /** failures since the last reset, of tasks that have any */
  failures: Map<number, FailureCounts>;
  /** commands that have to end with 0 before the next attempt of a task, with the exit code they answer */
  recovery: Map<number, Recovery>;
  /** duplicates of running attempts on other workers (speculation); the first result counts */
  spares: Map<number, Spare>;
  /** attempt number of the first of the two, where it is not the highest number handed out */
  older: Map<number, number>;
  /** ready tasks that back off: not before this time, ms */
  notBefore: Map<number, number>;
  /** tasks to run again as soon as their dying attempt has ended */
  again: Set<number>;
  /** tasks in each state, by state number */
  counts: Int32Array;
  /** class of each block's tasks */
  classes: ReadyClass[];
  /** some category learns what its tasks are to be given */
  learns: boolean;
  /** tasks that get more than others of their block, because that was too little */
  override: Map<number, Override>;
  /** class under which live attempts of learning categories were handed out */
  handed: Map<number, ReadyClass>;
  ended: boolean;
  /** failed tasks that do not count any more: it was broken off for them, and what was retried or added since is wanted all the same */
  forgiven: number;
}

export interface Spare {
  worker: number;
  attempt: number;
  /** it was handed out under this class */
  cls: ReadyClass;
}

/** Number of the attempt that the owner of the task has. */
export function ownAttempt(tasks: Tasks, task: number): number {
  return (tasks.older.size > 0 ? tasks.older.get(task) : undefined) ?? tasks.attempt[task]!;
}

export interface Recovery {
  command: string;
  exitCode: number;
}

/** The pieces of the core that readiness touches. */
export interface ReadySink {
  becameReady(tasks: Tasks, cls: ReadyClass): void;
}

export function createTasks(
  workflow: number,
  definition: WorkflowDefinition,
  classes: ReadyClass[],
): Tasks {
  const graph = buildGraph(definition);
  const size = definition.taskCount;
  const tasks: Tasks = {
    workflow,
    definition,
    graph,
    state: new Uint8Array(size),
    attempt: new Uint16Array(size),
    owner: new Uint32Array(size),
    waiting: graph.empty ? new Int32Array(0) : inDegrees(graph),
    setLeft: graph.setSize.slice(),
    setFailed: new Uint8Array(graph.setSize.length),
    failures: new Map(),
    recovery: new Map(),
    spares: new Map(),
    older: new Map(),
    notBefore: new Map(),
    again: new Set(),
    counts: new Int32Array(TASK_STATES.length),
    classes,
    learns: classes.some((cls) => cls.declared !== null),
    override: new Map(),
    handed: new Map(),
    ended: false,
    forgiven: 0,
  };
  tasks.counts[BLOCKED] = size;
  return tasks;
}

/** Puts more tasks behind those there are. Call `derive` after. */
export function extendTasks(
  tasks: Tasks,
  definition: WorkflowDefinition,
  classes: ReadyClass[],
): void {
  const { state, attempt, owner, ...kept } = tasks;
  Object.assign(tasks, createTasks(tasks.workflow, definition, classes));
  tasks.state.set(state);
  tasks.attempt.set(attempt);
  tasks.owner.set(owner);
  kept.counts[BLOCKED]! += definition.taskCount - state.length;
  const { counts, failures, recovery, spares, older, notBefore, again, ended, forgiven } = kept;
  const { override, handed } = kept;
  Object.assign(tasks, { counts, failures, recovery, spares, older, override, handed });
  Object.assign(tasks, { notBefore, again, ended, forgiven });
}

export function setState(tasks: Tasks, task: number, to: number): void {
  tasks.counts[tasks.state[task]!]!--;
  tasks.counts[to]!++;
  tasks.state[task] = to;
}

/** The class that the task waits in, or will be handed out under next. */
export function classOf(tasks: Tasks, task: number): ReadyClass {
  const own = tasks.override.size > 0 ? tasks.override.get(task) : undefined;
  if (own) return own.cls;
  return tasks.classes.length === 1 ? tasks.classes[0]! : tasks.classes[blockIndex(tasks, task)]!;
}

function blockIndex(tasks: Tasks, task: number): number {
  const firsts = tasks.graph.blockFirst;
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (firsts[middle]! <= task) low = middle;
    else high = middle - 1;
  }
  return low;
}

export function makeReady(tasks: Tasks, task: number, front: boolean, sink: ReadySink): void {
  setState(tasks, task, READY);
  if (!tasks.notBefore.has(task)) enqueue(tasks, task, front, sink);
}

/** A ready task may be handed out from now on. */
export function enqueue(tasks: Tasks, task: number, front: boolean, sink: ReadySink): void {
  const cls = classOf(tasks, task);
  if (front) cls.queue.pushFront(task);
  else cls.queue.push(task);
  cls.ready++;
  sink.becameReady(tasks, cls);
}

/** Takes a task out of the ready count; its queue entry is passed over when met. */
export function leaveReady(tasks: Tasks, task: number): void {
  if (!tasks.notBefore.delete(task)) classOf(tasks, task).ready--;
}

function runsAnyway(tasks: Tasks, task: number): boolean {
  return tasks.definition.blocks[blockIndex(tasks, task)]!.onUpstreamFailure === "run";
}

/**
 * Tells everything downstream that `task` has ended: dependents become ready, or are skipped, through as many
 * levels as it takes, in this same step.
 */
export function propagate(tasks: Tasks, task: number, sink: ReadySink): void {
  if (tasks.graph.empty) return;
  const { graph, state, waiting, setLeft, setFailed } = tasks;
  const stack: number[] = [task];
  while (stack.length > 0) {
    const ended = stack.pop()!;
    const succeeded = state[ended] === SUCCEEDED;
    const skip = (dependent: number): void => {
      if (state[dependent] !== BLOCKED) return;
      setState(tasks, dependent, SKIPPED);
      stack.push(dependent);
    };
    // Counted for attempts that are alive too: if one is lost while something upstream runs again, its task has to wait.
    const arrive = (dependent: number): void => {
      if (--waiting[dependent]! === 0 && state[dependent] === BLOCKED)
        makeReady(tasks, dependent, false, sink);
    };
    visitDependents(
      graph,
      ended,
      (dependent) => {
        if (!succeeded && !runsAnyway(tasks, dependent)) skip(dependent);
        else arrive(dependent);
      },
      (set) => {
        const left = --setLeft[set]!;
        if (!succeeded && setFailed[set] === 0) {
          setFailed[set] = 1;
          for (const [first, count] of graph.setDependents[set]!)
            for (let i = 0; i < count; i++) if (!runsAnyway(tasks, first + i)) skip(first + i);
        }
        if (left === 0)
          for (const [first, count] of graph.setDependents[set]!)
            for (let i = 0; i < count; i++)
              if (setFailed[set] === 0 || runsAnyway(tasks, first + i)) arrive(first + i);
      },
    );
  }
}

/**
 * Derives blocked, ready and skipped anew from what has ended (succeeded, failed, canceled); live tasks stay as they are.
 * Used when a workflow is loaded, and after a reset.
 */
export function derive(tasks: Tasks, sink: ReadySink): void {
  const { graph, state, notBefore, override, again } = tasks;
  const alone = (task: number): boolean => notBefore.has(task) || override.has(task);
  for (const cls of tasks.classes) {
    cls.ready = 0;
    cls.queue.clear();
  }
  for (const { cls } of override.values()) {
    cls.ready = 0;
    cls.queue.clear();
  }
  for (let task = 0; task < state.length; task++) {
    const now = state[task]!;
    if (now === READY || now === SKIPPED) setState(tasks, task, BLOCKED);
  }
  if (graph.empty) {
    tasks.definition.blocks.forEach((block, index) => {
      const cls = tasks.classes[index]!;
      const end = block.first + block.count;
      let first = block.first;
      // Runs of blocked tasks enter the queue as ranges.
      while (first < end) {
        while (first < end && state[first] !== BLOCKED) first++;
        if (first < end && alone(first)) makeReady(tasks, first++, false, sink);
        let last = first;
        while (last < end && state[last] === BLOCKED && !alone(last)) last++;
        if (last > first) {
          const count = last - first;
          state.fill(READY, first, last);
          tasks.counts[BLOCKED]! -= count;
          tasks.counts[READY]! += count;
          cls.queue.push(first, count);
          cls.ready += count;
        }
        first = last;
      }
      if (cls.ready > 0) sink.becameReady(tasks, cls);
    });
    return;
  }
  tasks.waiting.set(inDegrees(graph));
  tasks.setLeft.set(graph.setSize);
  tasks.setFailed.fill(0);
  const given = state.slice();
  for (let task = 0; task < given.length; task++) {
    const was = given[task]!;
    // What waits for a dying attempt only to run again has not ended for those after it.
    if (again.size > 0 && again.has(task)) continue;
    if (was === SUCCEEDED || was === FAILED || was === CANCELED) propagate(tasks, task, sink);
  }
  for (let task = 0; task < state.length; task++)
    if (state[task] === BLOCKED && tasks.waiting[task] === 0) makeReady(tasks, task, false, sink);
}

export function hasWorkLeft(tasks: Tasks): boolean {
  const { counts, again } = tasks;
  return counts[BLOCKED]! + counts[READY]! + counts[ASSIGNED]! + counts[RUNNING]! + again.size > 0;
}

export function createCategory(name: string): Category {
  return { name, watch: null, learning: null, samples: 0, meanWallUs: 0, maxConcurrent: null };
}
