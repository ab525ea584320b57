/** `explain`: why a task is not running and what would change it, in words and as JSON. */
import { explain, type Reason, type WorkerObstacle } from "../core/explain.ts";
import { TASK_STATES } from "../core/states.ts";
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
          fix: "holdall retry runs a failed or canceled task again",
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
          fix: "it starts when these have ended; explain one of them",
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
          fix: "start one with holdall worker, or holdall run ID",
        },
      ];
    case "workers":
      return workerWords(loaded, reason.obstacles);
    case "category_limit":
      return [
        {
          kind: "category_limit",
          text: `${reason.limit} tasks of category '${reason.category}' run already, which is its limit`,
          fix: "raise max_concurrent of the category",
        },
      ];
    case "behind":
      return [
        {
          kind: "behind",
          text: `${reason.higher} ready tasks have a higher priority, ${reason.same} of its own kind come first`,
          fix:
            reason.higher > 0
              ? "a higher priority moves it forward"
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
): Worded[] {
  const groups = new Map<string, { workers: number[]; words: Worded }>();
  for (const { worker, obstacle } of obstacles) {
    const words = obstacleWords(obstacle);
    const group = groups.get(words.text) ?? { workers: [], words };
    group.workers.push(worker);
    groups.set(words.text, group);
  }
  return [...groups.values()].map(({ workers, words }) => {
    const who = workers.length === 1 ? hostOf(loaded, workers[0]!) : `${workers.length} workers`;
    return { ...words, text: `${who}: ${words.text}` };
  });
}

function amount(resource: string, value: number): string {
  return resource === "memory" || resource === "disk" ? formatBytes(value) : String(value);
}

function obstacleWords(obstacle: WorkerObstacle): Worded {
  const { kind } = obstacle;
  switch (obstacle.kind) {
    case "draining":
      return { kind, text: "drains, and takes nothing new", fix: "start another worker" };
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
      return { kind, text: "was too slow twice in a row, and is left out for a while", fix: null };
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
        text: `offers ${amount(obstacle.resource, obstacle.offered)} ${obstacle.resource} in all, and the task needs ${amount(obstacle.resource, obstacle.needed)}`,
        fix: "start a larger worker, or lower the task's requirement",
      };
    case "busy":
      return {
        kind,
        text: `has ${amount(obstacle.resource, Math.max(0, obstacle.free))} ${obstacle.resource} free at the moment, and the task needs ${amount(obstacle.resource, obstacle.needed)}`,
        fix: "it waits for running tasks to end; more workers help",
      };
    case "has_room":
      return { kind, text: "has room for it", fix: "it starts as soon as it is its turn" };
  }
}
