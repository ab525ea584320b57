import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { BLOCKED, CANCELED, FAILED, READY, SKIPPED, SUCCEEDED, TASK_STATES } from "./states.ts";
import { createClass } from "./ready.ts";
import {
  createCategory,
  createTasks,
  derive,
  leaveReady,
  propagate,
  setState,
  type Tasks,
} from "./tasks.ts";
import { anyWorkflow, block, upstreamOf, workflowOf } from "./testing/workflows.ts";
import type { WorkflowDefinition } from "./workflow.ts";
import { DEFAULT_REQUIREMENT } from "./workflow.ts";

const SINK = { becameReady: (): void => {} };

function load(definition: WorkflowDefinition): Tasks {
  const cls = createClass({
    id: 0,
    workflow: 1,
    requirement: DEFAULT_REQUIREMENT,
    priority: 0,
    workflowPriority: 0,
    scheduler: null,
    placement: null,
    algorithm: null,
    category: createCategory("c"),
  });
  return createTasks(
    1,
    definition,
    definition.blocks.map(() => cls),
  );
}

function statesOf(tasks: Tasks): string[] {
  return Array.from(tasks.state, (state) => TASK_STATES[state]!);
}

/** What blocked, ready and skipped mean, said without counters: `given` = the tasks that ended by themselves. */
function expected(definition: WorkflowDefinition, given: Uint8Array): string[] {
  const upstream = upstreamOf(definition);
  const states = Array.from(given);
  // Edges lead upwards, so one pass is enough.
  for (let task = 0; task < states.length; task++) {
    if (states[task] !== BLOCKED) continue;
    const policy = definition.blocks.find((each) => task < each.first + each.count)!;
    const before = upstream[task]!.map((each) => states[each]!);
    if (policy.onUpstreamFailure === "skip" && before.some((state) => state > SUCCEEDED))
      states[task] = SKIPPED;
    else if (before.every((state) => state >= SUCCEEDED)) states[task] = READY;
  }
  return states.map((state) => TASK_STATES[state]!);
}

const withEndings = anyWorkflow.chain((definition) =>
  fc.tuple(
    fc.constant(definition),
    fc.array(
      fc.tuple(
        fc.nat({ max: definition.taskCount - 1 }),
        fc.constantFrom(SUCCEEDED, SUCCEEDED, FAILED, CANCELED),
      ),
      { maxLength: 25 },
    ),
  ),
);

test("derived at once, told step by step, and said in words: all three are the same", () => {
  fc.assert(
    fc.property(withEndings, ([definition, endings]) => {
      const stepwise = load(definition);
      derive(stepwise, SINK);
      const given = new Uint8Array(definition.taskCount);
      for (const [task, state] of endings) {
        const now = stepwise.state[task]!;
        // Only what is ready can run; what waits can be canceled.
        const possible = now === READY || (now === BLOCKED && state === CANCELED);
        if (!possible) continue;
        if (now === READY) leaveReady(stepwise, task);
        setState(stepwise, task, state);
        propagate(stepwise, task, SINK);
        given[task] = state;
        const wanted = expected(definition, given);
        expect(statesOf(stepwise)).toEqual(wanted);

        const derived = load(definition);
        given.forEach((each, at) => {
          if (each !== BLOCKED) setState(derived, at, each);
        });
        derive(derived, SINK);
        expect(statesOf(derived)).toEqual(wanted);
        expect(derived.counts).toEqual(stepwise.counts);
        expect(derived.setLeft).toEqual(stepwise.setLeft);
        expect(derived.setFailed).toEqual(stepwise.setFailed);
        expect(derived.classes[0]!.ready).toBe(stepwise.classes[0]!.ready);
      }
    }),
    { numRuns: 500 },
  );
});

test("deriving again changes nothing", () => {
  fc.assert(
    fc.property(withEndings, ([definition, endings]) => {
      const tasks = load(definition);
      for (const [task, state] of endings) setState(tasks, task, state);
      derive(tasks, SINK);
      const before = {
        states: statesOf(tasks),
        counts: tasks.counts.slice(),
        waiting: tasks.waiting.slice(),
      };
      derive(tasks, SINK);
      expect({ states: statesOf(tasks), counts: tasks.counts, waiting: tasks.waiting }).toEqual(
        before,
      );
    }),
  );
});

test("a bag enters the queue as ranges around what has ended", () => {
  const tasks = load(workflowOf([block(10)]));
  for (const task of [0, 4, 5]) setState(tasks, task, SUCCEEDED);
  derive(tasks, SINK);
  expect([...tasks.classes[0]!.queue.entries()]).toEqual([
    [1, 4],
    [6, 10],
  ]);
});

test("a failure is told through any number of levels without recursion", () => {
  const count = 100_000;
  const edges: number[] = [];
  for (let task = 1; task < count; task++) edges.push(task - 1, task);
  const tasks = load(workflowOf([block(count)], { edges }));
  derive(tasks, SINK);
  setState(tasks, 0, FAILED);
  propagate(tasks, 0, SINK);
  expect(tasks.counts[SKIPPED]).toBe(count - 1);
});
