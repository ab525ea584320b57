/** What the API changes: cancel and retry. Answers come once the change is durable. */
import { HoldallError } from "../core/error.ts";
import { CANCELED, isTerminal, TASK_STATES, type TaskState } from "../core/states.ts";
import type { Tasks } from "../core/tasks.ts";
import type { CancelBody, RetryBody } from "./bodies.ts";
import type { Loaded } from "./queries.ts";

export async function cancelTasks(
  loaded: Loaded,
  { tasks: names, reason }: CancelBody,
): Promise<{ canceled: number }> {
  const { id, engine, tasks } = loaded;
  const chosen = names === undefined ? null : await loaded.names.select(names);
  refuseWhenFull(loaded);
  const before = tasks.counts[CANCELED]!;
  engine.event({ type: "cancel", workflow: id, tasks: chosen, reason: reason ?? "canceled" });
  const canceled = tasks.counts[CANCELED]! - before;
  await engine.whenDurable();
  return { canceled };
}

const RETRIED: readonly TaskState[] = ["failed", "canceled", "skipped"];

export async function retryTasks(
  loaded: Loaded,
  { tasks: names, states = [...RETRIED], downstream = false }: RetryBody,
): Promise<{ reset: number }> {
  const { id, engine, tasks } = loaded;
  const live = states.find((state) => !isTerminal(TASK_STATES.indexOf(state)));
  if (live !== undefined) {
    throw new HoldallError("usage", `tasks that are ${live} cannot be tried again`, {
      fix: `choose from ${RETRIED.join(", ")}, succeeded`,
    });
  }
  const wanted = new Set(states.map((state) => TASK_STATES.indexOf(state)));
  const named = names === undefined ? null : await loaded.names.select(names);
  refuseWhenFull(loaded);
  const chosen: number[] = [];
  const consider = (task: number): void => {
    if (wanted.has(tasks.state[task]!)) chosen.push(task);
  };
  if (named) named.forEach(consider);
  else for (let task = 0; task < tasks.state.length; task++) consider(task);
  const before = ended(tasks);
  engine.event({ type: "retry", workflow: id, tasks: chosen, rebuild: downstream });
  const reset = before - ended(tasks);
  await engine.whenDurable();
  return { reset };
}

/** Tasks that will not run by themselves any more. */
function ended({ counts, again }: Tasks): number {
  let sum = -again.size;
  counts.forEach((count, state) => {
    if (isTerminal(state)) sum += count;
  });
  return sum;
}

/** Nothing is changed that could not be stored. */
function refuseWhenFull({ engine }: Loaded): void {
  if (engine.storageError) throw engine.storageError;
}
