/**
 * Actions of workflows: after every turn it is looked whether one is due. It is claimed in the ledger, and done once the claim
 * is durable: nothing is done twice, and what was claimed by an owner that died is not done again. What became of it is
 * recorded, too; it never changes how the workflow ends.
 */
import { BLOCKED, CANCELED, isTerminal, SKIPPED } from "../core/states.ts";
import type { Tasks } from "../core/tasks.ts";
import type { Trigger, WorkflowAction } from "../core/workflow.ts";
import type { WorkflowRow } from "../ledger/ledger.ts";
import type { Engine } from "./engine.ts";

export interface ActionDone {
  /** null when nothing was executed */
  exitCode: number | null;
  /** for people: the end of what was printed, or what was asked for */
  message: string;
}

/** What carries actions out. Neither throws. */
export interface ActionHost {
  run(commands: readonly string[], workflow: number, cwd: string): Promise<ActionDone>;
  /** absent: nodes cannot be asked for here, and such actions stay unclaimed */
  schedule?: (
    what: Extract<WorkflowAction["what"], { kind: "schedule_nodes" }>,
    workflow: number,
  ) => Promise<ActionDone>;
}

export interface ActionRunner {
  /** what is due when the workflow starts has been done when this resolves */
  begun(workflow: number): Promise<void>;
  /** the same when a worker of this process starts or ends. `worker`: counts from 1 in this workflow */
  worker(workflow: number, trigger: WorkerTrigger, worker: number): Promise<void>;
  /** a number for the next worker of this workflow */
  nextWorker(workflow: number): number;
  /** a workflow that ended with actions that nobody has taken on */
  unfinished(row: WorkflowRow): boolean;
  /** nothing is under way any more */
  settled(workflow: number): Promise<void>;
  close(): void;
}

type WorkerTrigger = Extract<Trigger, "on_worker_start" | "on_worker_complete">;

interface Watched {
  tasks: Tasks;
  /** "action/worker" */
  claimed: Set<string>;
  /** actions that a turn may make due */
  waiting: Waiting[];
  running: Set<Promise<void>>;
}

/** An action with the place up to which its tasks are known to be as far as they should. */
interface Waiting {
  index: number;
  action: WorkflowAction;
  range: number;
  offset: number;
}

/** Nobody waits for the actions of a workflow that ended longer ago. */
const LATE_MS = 24 * 3600 * 1000;

export function startActions(
  engine: Engine,
  host: ActionHost,
  options: { wall(): number; note(text: string): void },
): ActionRunner {
  const watched = new Map<number, Watched | null>();
  let closed = false;

  function watch(workflow: number): Watched | null {
    const tasks = engine.tasks(workflow);
    if (!tasks) return null;
    const known = watched.get(workflow);
    // a workflow that was forgotten and taken up again, or has more tasks now
    if (known !== undefined && (known === null || known.tasks === tasks)) return known;
    const { actions = [] } = tasks.definition;
    if (actions.length === 0) {
      watched.set(workflow, null);
      return null;
    }
    const rows = engine.ledger.actions(workflow);
    const claimed = new Set(rows.map(({ action, worker }) => `${action}/${worker}`));
    const waiting = actions.flatMap((action, index) =>
      claimed.has(`${index}/0`) || action.trigger.startsWith("on_worker")
        ? []
        : [{ index, action, range: 0, offset: 0 }],
    );
    const fresh = { tasks, claimed, waiting, running: known?.running ?? new Set<Promise<void>>() };
    watched.set(workflow, fresh);
    return fresh;
  }

  function look(): void {
    if (closed) return;
    for (const workflow of engine.core.workflows.keys()) {
      const found = watch(workflow);
      if (!found || found.waiting.length === 0) continue;
      found.waiting = found.waiting.filter((each) => {
        if (!isDue(found.tasks, each)) return true;
        if (!canDo(each.action)) return false;
        take(workflow, found, each.index, each.action, 0);
        return false;
      });
    }
    for (const workflow of watched.keys())
      if (!engine.core.workflows.has(workflow)) watched.delete(workflow);
  }

  function canDo(action: WorkflowAction): boolean {
    return action.what.kind === "run_commands" || host.schedule !== undefined;
  }

  function take(
    workflow: number,
    found: Watched,
    index: number,
    action: WorkflowAction,
    worker: number,
  ): void {
    found.claimed.add(`${index}/${worker}`);
    const running = carryOut(workflow, found.tasks.definition.cwd, index, action, worker).finally(
      () => found.running.delete(running),
    );
    found.running.add(running);
  }

  async function carryOut(
    workflow: number,
    cwd: string,
    index: number,
    action: WorkflowAction,
    worker: number,
  ): Promise<void> {
    engine.record({ kind: "action_taken", workflow, action: index, worker, atMs: options.wall() });
    await engine.whenDurable();
    if (closed) return;
    const { what, trigger } = action;
    const done =
      what.kind === "run_commands"
        ? await host.run(what.commands, workflow, cwd)
        : await host.schedule!(what, workflow);
    if (closed) return;
    if (done.exitCode !== 0 && what.kind === "run_commands")
      options.note(
        `action ${index + 1} (${trigger}) of workflow ${workflow} failed: ${done.message}`,
      );
    engine.record({
      kind: "action_ended",
      workflow,
      action: index,
      worker,
      endedMs: options.wall(),
      ...done,
    });
    await engine.whenDurable();
  }

  const unlisten = engine.listen({ turn: look });
  look();
  const settled = async (workflow: number): Promise<void> => {
    look();
    for (;;) {
      const running = watched.get(workflow)?.running;
      if (!running || running.size === 0) return;
      await Promise.all(running);
    }
  };
  return {
    settled,
    begun: settled,
    nextWorker: (workflow) =>
      1 + Math.max(0, ...engine.ledger.actions(workflow).map(({ worker }) => worker)),
    unfinished({ id, endedMs }) {
      if (endedMs === null || options.wall() - endedMs > LATE_MS) return false;
      const { actions = [] } = engine.ledger.definition(id);
      if (!actions.some(({ trigger }) => trigger === "on_workflow_complete")) return false;
      const taken = new Set(engine.ledger.actions(id).map(({ action }) => action));
      return actions.some(
        ({ trigger }, index) => trigger === "on_workflow_complete" && !taken.has(index),
      );
    },
    async worker(workflow, trigger, number) {
      const found = watch(workflow);
      for (const [index, action] of found?.tasks.definition.actions?.entries() ?? []) {
        const worker = action.persistent ? number : 0;
        if (action.trigger !== trigger || found!.claimed.has(`${index}/${worker}`)) continue;
        if (canDo(action)) take(workflow, found!, index, action, worker);
      }
      await settled(workflow);
    },
    close() {
      closed = true;
      unlisten();
    },
  };
}

function isDue(tasks: Tasks, waiting: Waiting): boolean {
  switch (waiting.action.trigger) {
    case "on_workflow_start":
      return true;
    case "on_workflow_complete":
      return tasks.ended;
    case "on_jobs_ready":
      return reached(waiting, (task) => isReady(tasks.state[task]!));
    case "on_jobs_complete":
      return reached(waiting, (task) => isTerminal(tasks.state[task]!));
    default:
      return false;
  }
}

/** It waits for nothing any more. One that is skipped or canceled never was ready. */
function isReady(state: number): boolean {
  return state !== BLOCKED && state !== SKIPPED && state !== CANCELED;
}

/** Goes on where it stopped the last time: all turns together look at every task once. */
function reached(waiting: Waiting, far: (task: number) => boolean): boolean {
  const ranges = waiting.action.tasks ?? [];
  for (; waiting.range < ranges.length; waiting.range++) {
    const [first, count] = ranges[waiting.range]!;
    for (; waiting.offset < count; waiting.offset++) if (!far(first + waiting.offset)) return false;
    waiting.offset = 0;
  }
  return true;
}
