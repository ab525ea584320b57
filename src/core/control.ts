/** What users do to a workflow while it runs: cancel, and run again. */
import type { Core } from "./core.ts";
import { checkEnded } from "./core.ts";
import { downstream } from "./graph.ts";
import { BLOCKED, CANCELED, FAILED, isTerminal, READY, SKIPPED } from "./states.ts";
import { watchedClosed } from "./watch.ts";
import { dismissSpare } from "./spares.ts";
import { derive, leaveReady, ownAttempt, propagate, setState } from "./tasks.ts";

/** `list` null = all tasks. What runs is killed; what is downstream is skipped. */
export function cancel(
  core: Core,
  workflow: number,
  list: readonly number[] | null,
  reason: string,
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  const canceled: number[] = [];
  const ended: number[] = [];
  const kills = new Map<number, { tasks: number[]; attempts: number[] }>();
  const one = (task: number): void => {
    const now = tasks.state[task]!;
    if (isTerminal(now)) {
      // That it is to run again is on record, and has to be taken back there.
      if (tasks.again.delete(task)) {
        canceled.push(task);
        ended.push(task);
      }
      return;
    }
    if (now === READY) leaveReady(tasks, task);
    const owner = tasks.owner[task]!;
    if (owner !== 0) {
      const kill = kills.get(owner) ?? { tasks: [], attempts: [] };
      kill.tasks.push(task);
      kill.attempts.push(ownAttempt(tasks, task));
      kills.set(owner, kill);
    }
    dismissSpare(core, tasks, task, "canceled");
    watchedClosed(tasks, task);
    setState(tasks, task, CANCELED);
    canceled.push(task);
    ended.push(task);
  };
  if (list) list.forEach(one);
  else for (let task = 0; task < tasks.state.length; task++) one(task);
  if (canceled.length === 0) {
    checkEnded(core, tasks);
    return;
  }
  core.effects.push({ type: "canceled", workflow, tasks: canceled, reason });
  for (const [worker, kill] of kills)
    core.effects.push({ type: "kill", worker, workflow, reason: "canceled", ...kill });
  for (const task of ended) propagate(tasks, task, core.sink);
  checkEnded(core, tasks);
}

/** Sets ended tasks back so that they run again; with `rebuild` everything downstream too. */
export function retry(
  core: Core,
  workflow: number,
  list: readonly number[],
  rebuild: boolean,
): void {
  const tasks = core.workflows.get(workflow);
  if (!tasks) return;
  const chosen = rebuild ? downstream(tasks.graph, list) : list;
  const reset: number[] = [];
  for (const task of chosen) {
    const now = tasks.state[task]!;
    if (!isTerminal(now) || now === SKIPPED) continue;
    if (tasks.owner[task] !== 0) {
      // Its killed attempt is still dying: two of them must never be alive at once. That it is wanted again is recorded now: for a
      // restarted server the dying attempt is the one that lives.
      if (!tasks.again.has(task)) reset.push(task);
      tasks.again.add(task);
      continue;
    }
    reset.push(task);
    tasks.failures.delete(task);
    tasks.recovery.delete(task);
    tasks.notBefore.delete(task);
    setState(tasks, task, BLOCKED);
  }
  tasks.forgiven = Math.min(tasks.forgiven, tasks.counts[FAILED]!);
  if (reset.length > 0) core.effects.push({ type: "reset", workflow, tasks: reset });
  derive(tasks, core.sink);
  checkEnded(core, tasks);
}
