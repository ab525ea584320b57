/** A core driven by hand: every step is validated, and every edge that a task takes is looked up in the table. */
import { apply, type Core, type CoreConfig, createCore, decide } from "../core.ts";
import type { Capacity, CoreEvent, Effect, Restored } from "../events.ts";
import { type Outcome, outcomeIndex, TASK_STATES, type TaskState } from "../states.ts";
import type { Tasks } from "../tasks.ts";
import { validate } from "../validate.ts";
import type { WorkflowDefinition } from "../workflow.ts";
import { EdgeWatch } from "./edge-watch.ts";
import { CAPACITY } from "./workflows.ts";

type EffectOf<T extends Effect["type"]> = Extract<Effect, { type: T }>;

/** An attempt that was handed out: `worker` runs `task` for the `attempt`-th time. */
export interface Handed {
  worker: number;
  task: number;
  attempt: number;
  cls: number;
}

export class DrivenCore {
  readonly core: Core;
  readonly edges: EdgeWatch = new EdgeWatch();
  /** all effects so far, in order */
  readonly effects: Effect[] = [];
  nowMs = 1000;

  constructor(config: Partial<CoreConfig> = {}) {
    this.core = createCore(config);
  }

  /** Applies one event and decides; returns what both want done. */
  step(event: CoreEvent): Effect[] {
    const applied = apply(this.core, event, this.nowMs);
    this.#look();
    const decided = decide(this.core, this.nowMs);
    this.#look();
    this.effects.push(...applied, ...decided);
    return [...applied, ...decided];
  }

  #look(): void {
    validate(this.core);
    this.edges.look(this.core);
  }

  submit(definition: WorkflowDefinition, restored: Restored | null = null, workflow = 1): Effect[] {
    return this.step({ type: "workflow", workflow, definition, restored });
  }

  join(worker: number, capacity: Partial<Capacity> = {}): Effect[] {
    return this.step({
      type: "worker_joined",
      worker,
      capacity: { ...CAPACITY, ...capacity },
      held: [],
    });
  }

  /** Time passes. */
  later(ms: number): Effect[] {
    this.nowMs += ms;
    return this.step({ type: "timer" });
  }

  lose(worker: number): Effect[] {
    return this.step({ type: "worker_lost", worker, outcome: "worker_lost" });
  }

  start(...attempts: readonly Handed[]): Effect[] {
    return attempts.flatMap(({ worker, task, attempt }) =>
      this.step({ type: "started", worker, workflow: 1, tasks: [task], attempts: [attempt] }),
    );
  }

  /** The attempts end, in one batch. */
  finish(attempts: readonly Handed[], outcome: Outcome = "ok", wallUs = 1000): Effect[] {
    const first = attempts[0]!;
    return this.step({
      type: "finished",
      worker: first.worker,
      batch: {
        workflow: 1,
        cls: first.cls,
        tasks: attempts.map(({ task }) => task),
        attempts: attempts.map(({ attempt }) => attempt),
        outcomes: attempts.map(() => outcomeIndex(outcome)),
        wallUs: attempts.map(() => wallUs),
      },
    });
  }

  revoked(...attempts: readonly Handed[]): Effect[] {
    return attempts.flatMap(({ worker, task, attempt }) =>
      this.step({ type: "revoked", worker, workflow: 1, tasks: [task], attempts: [attempt] }),
    );
  }

  cancel(tasks: number[] | null): Effect[] {
    return this.step({ type: "cancel", workflow: 1, tasks, reason: "test" });
  }

  retry(tasks: number[], rebuild = false): Effect[] {
    return this.step({ type: "retry", workflow: 1, tasks, rebuild });
  }

  get tasks(): Tasks {
    return this.core.workflows.get(1)!;
  }

  state(task: number): TaskState {
    return TASK_STATES[this.tasks.state[task]!]!;
  }

  states(): TaskState[] {
    return Array.from(this.tasks.state, (state) => TASK_STATES[state]!);
  }
}

export function only<T extends Effect["type"]>(effects: readonly Effect[], type: T): EffectOf<T>[] {
  return effects.filter((effect): effect is EffectOf<T> => effect.type === type);
}

/** The attempts that these effects hand out, in order. */
export function handed(effects: readonly Effect[]): Handed[] {
  return only(effects, "assign").flatMap(({ worker, cls, tasks, attempts }) =>
    tasks.map((task, i) => ({ worker, task, attempt: attempts[i]!, cls })),
  );
}

/** The verdicts on a finished batch, as numbers. */
export function verdicts(effects: readonly Effect[]): number[] {
  return only(effects, "verdicts").flatMap((effect) => Array.from(effect.verdicts));
}
