import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { makespan, outlineOf, stageWidths } from "./outline.ts";
import { anyWorkflow, block, upstreamOf, workflowOf } from "./testing/workflows.ts";
import { DEFAULT_REQUIREMENT, type WorkflowDefinition } from "./workflow.ts";

const ROOMY = { cpus: 1e6, memoryBytes: null, gpus: null };

/** Stages and ends of the paths, task by task; edges of these workflows lead to higher tasks. */
function byHand(
  definition: WorkflowDefinition,
  seconds: (task: number) => number,
): { stage: number[]; end: number[] } {
  const stage: number[] = [];
  const end: number[] = [];
  upstreamOf(definition).forEach((upstream, task) => {
    stage[task] = Math.max(-1, ...upstream.map((up) => stage[up]!)) + 1;
    end[task] = Math.max(0, ...upstream.map((up) => end[up]!)) + seconds(task);
  });
  return { stage, end };
}

const secondsOf = (at: number): number => (at * 7) % 5;

test("stages and the longest path are those of the edges written out", () => {
  fc.assert(
    fc.property(anyWorkflow, (definition) => {
      const { blocks } = definition;
      const of = (task: number): number =>
        secondsOf(blocks.findIndex(({ first, count }) => task >= first && task < first + count));
      const outline = outlineOf(definition, secondsOf);
      const { stage, end } = byHand(definition, of);
      expect([...outline.stage]).toEqual(stage);
      expect([...outline.endSeconds]).toEqual(end);
      expect(outline.criticalSeconds).toBe(Math.max(0, ...end));
      const upstream = upstreamOf(definition);
      const path = outline.criticalPath;
      expect(path.reduce((sum, task) => sum + of(task), 0)).toBe(outline.criticalSeconds);
      for (let i = 1; i < path.length; i++) expect(upstream[path[i]!]!).toContain(path[i - 1]!);
      expect(stageWidths(outline).reduce((sum, width) => sum + width, 0)).toBe(
        definition.taskCount,
      );
    }),
  );
});

test("with room for everything the time is that of the longest path, with one cpu it is the sum", () => {
  fc.assert(
    fc.property(anyWorkflow, (definition) => {
      const outline = outlineOf(definition, secondsOf);
      const sum = definition.blocks.reduce((all, { count }, at) => all + count * secondsOf(at), 0);
      const time = (cpus: number): number | null =>
        makespan(definition, outline, secondsOf, 1, { ...ROOMY, cpus });
      expect(time(1e6)).toBe(outline.criticalSeconds);
      expect(time(1)).toBe(sum);
    }),
  );
});

test("workers are filled by cpus and memory; what fits nowhere has no time", () => {
  const need = (cpus: number, memoryBytes: number) => ({
    ...DEFAULT_REQUIREMENT,
    cpus,
    memoryBytes,
  });
  const definition = workflowOf([
    block(4, { requirement: need(2, 10) }),
    block(2, { requirement: need(1, 60) }),
  ]);
  const time = (workers: number, cpus: number, memoryBytes: number): number | null =>
    makespan(
      definition,
      outlineOf(definition, () => 1),
      () => 1,
      workers,
      {
        cpus,
        memoryBytes,
        gpus: 0,
      },
    );
  expect(time(1, 4, 1000)).toBe(3); // 2+2, 2+2, 1+1
  expect(time(2, 5, 1000)).toBe(1);
  expect(time(1, 10, 100)).toBe(2); // only one of the large ones at a time
  expect(time(1, 1, 1000)).toBeNull();
  expect(time(1, 4, 50)).toBeNull();
});
