/** Watches a core from outside: after every step each task must have taken an edge of the table, or none. */
import type { Core } from "../core.ts";
import { TASK_STATES, TRANSITIONS } from "../states.ts";
import type { Tasks } from "../tasks.ts";

/** Every edge of the table as "from→to". */
export const ALL_EDGES: ReadonlySet<string> = new Set(
  TRANSITIONS.flatMap(({ from, to }) => from.map((state) => `${state}→${to}`)),
);

/** One step may take two edges or three: what is seen from outside, and what it is made of. */
const COMPOSITE: ReadonlyMap<string, readonly string[]> = new Map([
  // reset, and something further up has not succeeded
  ["failed→skipped", ["failed→blocked", "blocked→skipped"]],
  ["canceled→skipped", ["canceled→blocked", "blocked→skipped"]],
  ["succeeded→skipped", ["succeeded→blocked", "blocked→skipped"]],
  // lost, and something upstream was reset meanwhile
  ["assigned→blocked", ["assigned→ready", "ready→blocked"]],
  ["running→blocked", ["running→ready", "ready→blocked"]],
  ["assigned→skipped", ["assigned→ready", "ready→skipped"]],
  ["running→skipped", ["running→ready", "ready→skipped"]],
]);

export class EdgeWatch {
  readonly seen: Set<string>;
  readonly #last = new Map<number, { tasks: Tasks; states: Uint8Array }>();

  constructor(seen: Set<string> = new Set()) {
    this.seen = seen;
  }

  /** To be called after every step. */
  look(core: Core): void {
    for (const tasks of core.workflows.values()) {
      const last = this.#last.get(tasks.workflow);
      if (last?.tasks !== tasks) {
        this.#last.set(tasks.workflow, { tasks, states: tasks.state.slice() });
        continue;
      }
      // Tasks that were added began as blocked ones.
      if (tasks.state.length > last.states.length) {
        const { states } = last;
        last.states = new Uint8Array(tasks.state.length);
        last.states.set(states);
      }
      const { states } = last;
      for (let task = 0; task < states.length; task++) {
        const now = tasks.state[task]!;
        if (states[task] === now) continue;
        this.#edge(tasks, task, states[task]!, now);
        states[task] = now;
      }
    }
  }

  #edge(tasks: Tasks, task: number, from: number, to: number): void {
    const edge = `${TASK_STATES[from]}→${TASK_STATES[to]}`;
    const parts = ALL_EDGES.has(edge) ? [edge] : COMPOSITE.get(edge);
    if (!parts) throw new Error(`workflow ${tasks.workflow}, task ${task}: ${edge} is no edge`);
    for (const part of parts) this.seen.add(part);
  }
}
