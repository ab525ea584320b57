import { expect, test } from "bun:test";
import { appendDefinition } from "./append.ts";
import { block, workflowOf } from "./testing/workflows.ts";
import { DrivenCore, handed } from "./testing/driven-core.ts";

test("what is added runs after the tasks it is to wait for, and nothing that runs is disturbed", () => {
  const core = new DrivenCore({ prefetchMs: 0 });
  const base = workflowOf([block(3)]);
  core.submit(base);
  const running = handed(core.join(1, { cpus: 2 }));
  expect(running.map(({ task }) => task)).toEqual([0, 1]);
  const more = workflowOf([block(1), block(2)], {
    sets: [{ members: [[0, 1]], dependents: [[1, 2]] }],
  });
  core.step({
    type: "extend",
    workflow: 1,
    definition: appendDefinition(base, more, [2, 0, 2]),
  });
  expect(core.states()).toEqual(["assigned", "assigned", "ready", "blocked", "blocked", "blocked"]);
  const next = handed(core.finish(running));
  expect(next.map(({ task }) => task)).toEqual([2]);
  expect(handed(core.finish(next)).map(({ task }) => task)).toEqual([3]);
});

test("a workflow that had ended goes on", () => {
  const core = new DrivenCore();
  const base = workflowOf([block(1)]);
  core.submit(base);
  core.finish(handed(core.join(1)));
  expect(core.tasks.ended).toBe(true);
  const effects = core.step({
    type: "extend",
    workflow: 1,
    definition: appendDefinition(base, workflowOf([block(2)]), []),
  });
  expect(handed(effects).map(({ task }) => task)).toEqual([1, 2]);
  expect(core.tasks.ended).toBe(false);
});

test("what is added behind a failure is skipped", () => {
  const core = new DrivenCore();
  const base = workflowOf([block(1)]);
  core.submit(base);
  core.finish(handed(core.join(1)), "exit");
  core.step({
    type: "extend",
    workflow: 1,
    definition: appendDefinition(base, workflowOf([block(1)]), [0]),
  });
  expect(core.states()).toEqual(["failed", "skipped"]);
});
