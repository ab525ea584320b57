/**
 * What users do meanwhile: they submit, add, cancel, retry, and block hosts. Who was told that something will run again is remembered,
 * and asked at the end.
 */
import { HoldallError } from "../../src/core/error.ts";
import { CANCELED, isTerminal, READY, SKIPPED } from "../../src/core/states.ts";
import type { Tasks } from "../../src/core/tasks.ts";
import { upstreamOf } from "../../src/core/testing/workflows.ts";
import type { Clock } from "./clock.ts";
import type { Disk } from "./memory-ledger.ts";
import type { EventKind, Fault, Plan } from "./plan.ts";
import { type Random, random } from "./random.ts";
import type { SimServer } from "./server.ts";

export const NO_OUTPUT = { stdout: "none", stderr: "none", outputDir: null } as const;

export interface UsersWorld {
  plan: Plan;
  clock: Clock;
  server: SimServer;
  disk: Disk;
  note(kind: EventKind): void;
}

export class Users {
  readonly #world: UsersWorld;
  /** additions that are stored */
  readonly #added = new Set<number>();
  #submittedMore = false;
  #commands = 0;
  /** by workflow/task: the last command that asked for it again and was answered, and the last that canceled it */
  readonly #wanted = new Map<string, number>();
  readonly #unwanted = new Map<string, number>();

  constructor(world: UsersWorld) {
    this.#world = world;
  }

  submitMore(): boolean {
    const { engine } = this.#world.server;
    if (this.#submittedMore || !engine) return false;
    try {
      engine.submit(this.#world.plan.more, "more", NO_OUTPUT);
    } catch (error) {
      if (!(error instanceof HoldallError) || error.code !== "storage") throw error;
      return false;
    }
    this.#submittedMore = true;
    return true;
  }

  /** More tasks for the first workflow, behind some of those it has. */
  extend(index: number): boolean {
    const { server, plan, disk } = this.#world;
    const tasks = server.engine?.tasks(1);
    const at = plan.additions.findIndex((_, which) => !this.#added.has(which));
    if (!tasks || at < 0) return false;
    const dice = random(plan.seed, "extend", index);
    const after = new Set<number>();
    for (let i = dice.integer(0, 4); i > 0; i--) after.add(dice.integer(0, tasks.state.length - 1));
    const before = tasks.state.length;
    try {
      const behind = [...after].sort((a, b) => a - b);
      return server.extend(1, plan.additions[at]!, behind);
    } finally {
      // Also where the server died before it could answer.
      if (disk.workflows.get(1)!.row.taskCount > before) this.#added.add(at);
    }
  }

  blockHost({ worker, forMs, draw }: Fault): boolean {
    const { server, clock, plan } = this.#world;
    if (!server.engine) return false;
    const host = draw % 5 === 0 ? "p0" : `h${1 + (worker % plan.offers.length)}`;
    if (draw % 3 > 0) {
      server.blockHost(host, forMs * 4);
      return true;
    }
    // Until somebody thinks better of it.
    server.blockHost(host, null);
    clock.after(forMs * 4, () => server.unblockHost(host));
    return true;
  }

  /** They cancel and retry. */
  interfere({ kind, index, draw, forMs }: Fault): boolean {
    const { server, plan, clock } = this.#world;
    const workflow = this.#submittedMore && draw % 4 === 0 ? 2 : 1;
    const tasks = server.engine?.tasks(workflow);
    if (!tasks) return false;
    const dice = random(plan.seed, "user", index);
    if (kind === "cancel_all") {
      this.#cancel(workflow, null, "enough");
      // Most people think better of it.
      if (dice.chance(0.8)) clock.after(forMs, () => this.#retryAll(workflow));
      return true;
    }
    if (kind === "undo") return this.#undo(workflow, tasks);
    const count = dice.integer(1, kind === "rebuild" ? 3 : 25);
    const list = pickTasks(tasks, count, dice, kind === "cancel_tasks");
    if (list.length === 0) return false;
    if (kind === "cancel_tasks") this.#cancel(workflow, list, "not these");
    else this.#retry(workflow, list, kind === "rebuild");
    return true;
  }

  #retryAll(workflow: number): void {
    const tasks = this.#world.server.engine?.tasks(workflow);
    if (!tasks) return;
    const list = Array.from(tasks.state.keys()).filter((task) => isTerminal(tasks.state[task]!));
    this.#retry(workflow, list, false);
  }

  #cancel(workflow: number, list: readonly number[] | null, reason: string): void {
    const engine = this.#world.server.engine!;
    const tasks = engine.tasks(workflow)!;
    const command = ++this.#commands;
    for (const task of list ?? tasks.state.keys())
      this.#unwanted.set(`${workflow}/${task}`, command);
    engine.event({ type: "cancel", workflow, tasks: list, reason });
  }

  #retry(workflow: number, list: readonly number[], rebuild: boolean): void {
    const engine = this.#world.server.engine!;
    const tasks = engine.tasks(workflow)!;
    const command = ++this.#commands;
    const chosen = list.filter((task) => tasks.state[task] !== SKIPPED);
    engine.event({ type: "retry", workflow, tasks: list, rebuild });
    if (tasks.again.size > 0) this.#world.note("retry_of_dying");
    // It is answered when it is durable.
    void engine.whenDurable().then(() => {
      for (const task of chosen) this.#wanted.set(`${workflow}/${task}`, command);
    });
  }

  /**
   * Three commands in a row: of a task that is ready, something two levels up is to run again, is canceled instead, and then what lies
   * between is to run again. What was ready has to be skipped.
   */
  #undo(workflow: number, tasks: Tasks): boolean {
    const upstream = upstreamOf(tasks.definition);
    const ended = (task: number): boolean => isTerminal(tasks.state[task]!);
    for (let task = 0; task < upstream.length; task++) {
      if (tasks.state[task] !== READY) continue;
      for (const between of upstream[task]!) {
        const top = upstream[between]!.find(ended);
        if (top === undefined || !ended(between)) continue;
        this.#retry(workflow, [top], false);
        this.#cancel(workflow, [top], "not again");
        this.#retry(workflow, [between], false);
        return true;
      }
    }
    return false;
  }

  /** What was to run again, and was not canceled since, is not canceled; unless its workflow breaks off by itself. */
  finish(): void {
    const { engine } = this.#world.server;
    for (const [key, command] of this.#wanted) {
      const [workflow, task] = key.split("/").map(Number) as [number, number];
      const tasks = engine!.tasks(workflow)!;
      const { maxFailures, onFailure } = tasks.definition;
      if ((maxFailures ?? null) !== null || onFailure === "stop") continue;
      if (command > (this.#unwanted.get(key) ?? 0) && tasks.state[task] === CANCELED)
        throw new Error(`task ${task} was to run again, and is canceled`);
    }
  }
}

/** Tasks that have not ended (to be canceled), or that have (to run again), in ascending order. */
function pickTasks(tasks: Tasks, count: number, dice: Random, open: boolean): number[] {
  const picked = new Set<number>();
  for (let tries = count * 4; tries > 0 && picked.size < count; tries--) {
    const task = dice.integer(0, tasks.state.length - 1);
    if (isTerminal(tasks.state[task]!) !== open) picked.add(task);
  }
  return [...picked].sort((a, b) => a - b);
}
