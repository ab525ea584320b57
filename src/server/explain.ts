/** `explain`: why a task is not running and what would change it, in words and as JSON. */
import { explain, type Reason, type WorkerObstacle } from "../core/explain.ts";
import { SUCCEEDED, TASK_STATES } from "../core/states.ts";
import { formatBytes, formatDuration } from "../core/units.ts";
import type { TaskExplanation } from "../protocol/api.ts";
import type { Loaded } from "./queries.ts";

export function explainTask(loaded: Loaded, name: string, nowMs: number): TaskExplanation {
  const task = loaded.names.require(name);
  const { engine, tasks, id } = loaded;
  const reasons = explain(engine.core, id, task, nowMs);
  const state = TASK_STATES[tasks.state[task]!]!;
  return {
    task: name,
    state,
    reasons: reasons.flatMap((reason) => wordsOf(loaded, task, reason, nowMs)),
  };
}

type Worded = TaskExplanation["reasons"][number];

function wordsOf(loaded: Loaded, task: number, reason: Reason, nowMs: number): Worded[] {
  const named = (list: readonly number[]): string => loaded.names.all(list).join(", ");
  switch (reason.kind) {
    case "ended":
      return [
        {
          kind: "ended",
          text: `it has ended: ${TASK_STATES[loaded.tasks.state[task]!]}`,
          fix:
            loaded.tasks.state[task] === SUCCEEDED
              ? null
              : `holdall retry ${refOf(loaded, task)} runs it again`,
        },
      ];
    case "running": {
      const where = hostOf(loaded, reason.worker);
      return [
        {
          kind: "running",
          text: reason.started
            ? `it runs on ${where}`
            : `it was handed to ${where} and is about to start`,
          fix: null,
        },
      ];
    }
    case "upstream": {
      const more = reason.waiting > reason.tasks.length ? ", among others" : "";
      return [
        {
          kind: "upstream",
          text: `it waits for what comes before it: ${named(reason.tasks)}${more}`,
          fix: `it starts when these have ended: holdall explain ${refOf(loaded, reason.tasks[0])}`,
        },
      ];
    }
    case "upstream_failed":
      return [
        {
          kind: "upstream_failed",
          text: `something before it did not succeed: ${named(reason.tasks)}`,
          fix: "holdall retry runs those again, and this after them; on_upstream_failure: run would start it anyway",
        },
      ];
    case "back_off":
      return [
        {
          kind: "back_off",
          text: `it failed and backs off for another ${formatDuration((reason.untilMs - nowMs) / 1000)}`,
          fix: "the task's backoff decides how long",
        },
      ];
    case "no_workers":
      return [
        {
          kind: "no_workers",
          text: "no worker is connected",
          fix: `start one with holdall worker, or work on it here with holdall run ${loaded.id}`,
        },
      ];
    case "workers":
      return workerWords(loaded, reason.obstacles, nowMs);
    case "category_limit":
      return [
        {
          kind: "category_limit",
          text: `as many tasks of category '${reason.category}' run as may at a time: ${reason.limit}`,
          fix: "it starts when one of them ends; max_concurrent of the category allows more",
        },
      ];
    case "behind":
      return [
        {
          kind: "behind",
          text: [
            ...(reason.higher > 0 ? [`behind ${tasksOf(reason.higher)} of a higher priority`] : []),
            ...(reason.same > 0 ? [`behind ${tasksOf(reason.same)} of its own kind`] : []),
          ].join(", and "),
          fix:
            reason.higher > 0
              ? "a higher priority in the document moves it forward; more workers shorten the queue"
              : "more workers shorten the queue",
        },
      ];
  }
}

function hostOf({ engine }: Loaded, worker: number): string {
  const host = engine.ledger.workerHost(worker);
  return host === null ? `worker ${worker}` : `worker ${worker} on ${host}`;
}

/** Workers with the same obstacle are told together. */
function workerWords(
  loaded: Loaded,
  obstacles: readonly { worker: number; obstacle: WorkerObstacle }[],
  nowMs: number,
): Worded[] {
  const [first] = obstacles;
  if (
    first?.obstacle.kind === "scheduler" &&
    obstacles.every(({ obstacle }) => obstacle.kind === "scheduler")
  ) {
    const { bound } = first.obstacle;
    return [
      {
        kind: "scheduler",
        text: `it is bound to scheduler '${bound}', and no worker of it is connected`,
        fix: `start one with holdall worker --scheduler ${bound}, or one that takes any with --flexible`,
      },
    ];
  }
  const none = obstacles.every(({ obstacle }) => obstacle.kind === "too_large")
    ? "too large for every worker known: "
    : "";
  const groups = new Map<string, { workers: number[]; words: Worded }>();
  for (const { worker, obstacle } of obstacles) {
    const words = obstacleWords(obstacle, nowMs);
    const group = groups.get(words.text) ?? { workers: [], words };
    group.workers.push(worker);
    groups.set(words.text, group);
  }
  return [...groups.values()].map(({ workers, words }) => {
    const who = workers.length === 1 ? hostOf(loaded, workers[0]!) : `${workers.length} workers`;
    return { ...words, text: `${none}${who}: ${words.text}` };
  });
}

/** "2 cpus", "1 gpu", "1.5 GiB of memory". */
function amount(resource: string, value: number): string {
  if (resource === "memory" || resource === "disk") return `${formatBytes(value)} of ${resource}`;
  const rounded = Math.round(value * 1000) / 1000;
  const known = resource === "cpus" || resource === "gpus" || resource === "slots";
  return `${rounded} ${known && rounded === 1 ? resource.slice(0, -1) : resource}`;
}

const tasksOf = (count: number): string => (count === 1 ? "1 ready task" : `${count} ready tasks`);

/** As the command line names a task. */
function refOf(loaded: Loaded, task: number | undefined): string {
  return task === undefined ? "TASK" : `${loaded.id}/${loaded.names.of(task)}`;
}

function obstacleWords(obstacle: WorkerObstacle, nowMs: number): Worded {
  const { kind } = obstacle;
  switch (obstacle.kind) {
    case "draining":
      return { kind, text: "drains: it takes nothing new", fix: "start another worker" };
    case "absent":
      return {
        kind,
        text: "is not connected at the moment",
        fix: "it comes back, or is lost after a while",
      };
    case "host_blocked":
      return {
        kind,
        text: "its host is blocked",
        fix: "wait until the block ends, or use another host",
      };
    case "excluded":
      return obstacle.soon
        ? {
            kind,
            text: "was too slow for a task, and waits until another worker has taken that",
            fix: "more workers take it sooner",
          }
        : {
            kind,
            text: `was too slow for two tasks in a row, and is left out for another ${formatDuration(Math.max(0, obstacle.untilMs - nowMs) / 1000)}`,
            fix: "see what is wrong with its host; a worker that is started anew there gets work at once",
          };
    case "borrows":
      return {
        kind,
        text: `takes what is bound to scheduler '${obstacle.bound}' only when nothing else is ready`,
        fix: `start a worker with --scheduler ${obstacle.bound}`,
      };
    case "scheduler":
      return {
        kind,
        text: `belongs to scheduler ${obstacle.has ?? "none"}, and the task is bound to '${obstacle.bound}'`,
        fix: `start a worker with --scheduler ${obstacle.bound}`,
      };
    case "features":
      return {
        kind,
        text: `lacks the feature${obstacle.missing.length > 1 ? "s" : ""} ${obstacle.missing.join(", ")}`,
        fix: `start a worker with --feature ${obstacle.missing[0]}`,
      };
    case "host":
      return {
        kind,
        text: `is on ${obstacle.host ?? "an unknown host"}, and the task requires ${obstacle.required.join(" or ")}`,
        fix: "start a worker there",
      };
    case "time":
      return {
        kind,
        text: `has ${formatDuration(obstacle.leftSeconds)} left, and the task is expected to take ${formatDuration(obstacle.neededSeconds)}`,
        fix: "start a worker with a longer --time-limit, or lower the task's runtime",
      };
    case "too_large":
      return {
        kind,
        text: `offers ${amount(obstacle.resource, obstacle.offered)} in all, and the task needs ${amount(obstacle.resource, obstacle.needed)}`,
        fix: `start a worker with more (${flagOf(obstacle.resource, obstacle.needed)}), or lower the task's requirement`,
      };
    case "busy":
      return {
        kind,
        text: `has ${amount(obstacle.resource, Math.max(0, obstacle.free))} free at the moment, and the task needs ${amount(obstacle.resource, obstacle.needed)}`,
        fix: "it waits for running tasks to end; more workers help",
      };
    case "has_room":
      return { kind, text: "has room for it", fix: "it starts as soon as it is its turn" };
  }
}

/** What to start a worker with, so that it offers so much. */
function flagOf(resource: string, needed: number): string {
  if (resource === "memory" || resource === "disk")
    return `--${resource} ${Math.ceil(needed / 2 ** 20)}m`;
  if (resource === "runtime") return `--time-limit ${formatDuration(needed)}`;
  if (resource === "cpus" || resource === "gpus") return `--${resource} ${needed}`;
  return `--custom ${resource}=${needed}`;
}
