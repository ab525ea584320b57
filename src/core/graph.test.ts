import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { blockOf, buildGraph, downstream, inDegrees, visitDependents } from "./graph.ts";
import { anyWorkflow, block, upstreamOf, workflowOf } from "./testing/workflows.ts";

const RUNS = { numRuns: 500 };

/** Per task those that directly wait for it, one entry per edge, in ascending order. */
function dependentsOf(upstream: readonly (readonly number[])[]): number[][] {
  const dependents: number[][] = upstream.map(() => []);
  upstream.forEach((list, task) => list.forEach((each) => dependents[each]!.push(task)));
  return dependents;
}

test("the dependents of a task are those of its edges, runs and sets", () => {
  fc.assert(
    fc.property(anyWorkflow, (definition) => {
      const graph = buildGraph(definition);
      const expected = dependentsOf(upstreamOf(definition));
      for (let task = 0; task < definition.taskCount; task++) {
        const found: number[] = [];
        visitDependents(
          graph,
          task,
          (dependent) => found.push(dependent),
          (set) => {
            for (const [first, count] of graph.setDependents[set]!)
              for (let i = 0; i < count; i++) found.push(first + i);
          },
        );
        expect(found.toSorted((a, b) => a - b)).toEqual(expected[task]!);
      }
      expect(graph.empty).toBe(
        definition.edges.length + definition.runs.length + definition.sets.length === 0,
      );
    }),
    RUNS,
  );
});

test("a set is as large as what announces itself to it", () => {
  fc.assert(
    fc.property(anyWorkflow, (definition) => {
      const graph = buildGraph(definition);
      const announced = new Uint32Array(graph.setSize.length);
      for (let task = 0; task < graph.size; task++)
        visitDependents(
          graph,
          task,
          () => {},
          (set) => {
            announced[set]!++;
          },
        );
      expect([...announced]).toEqual([...graph.setSize]);
    }),
    RUNS,
  );
});

test("a task waits for its edges, the upstream of its runs and its sets that have members", () => {
  fc.assert(
    fc.property(anyWorkflow, (definition) => {
      const expected = new Int32Array(definition.taskCount);
      upstreamOf({ ...definition, sets: [] }).forEach((list, task) => {
        expected[task] = list.length;
      });
      for (const set of definition.sets) {
        if (set.members.length === 0) continue;
        for (const [first, count] of set.dependents)
          for (let task = first; task < first + count; task++) expected[task]!++;
      }
      expect(inDegrees(buildGraph(definition))).toEqual(expected);
    }),
    RUNS,
  );
});

test("downstream is everything that can be reached", () => {
  const withStart = anyWorkflow.chain((definition) =>
    fc.tuple(fc.constant(definition), fc.array(fc.nat({ max: definition.taskCount - 1 }))),
  );
  fc.assert(
    fc.property(withStart, ([definition, start]) => {
      const dependents = dependentsOf(upstreamOf(definition));
      const reached = new Set(start);
      for (const task of reached) for (const next of dependents[task]!) reached.add(next);
      expect(downstream(buildGraph(definition), start)).toEqual(
        [...reached].toSorted((a, b) => a - b),
      );
    }),
    RUNS,
  );
});

test("a dependency of a whole block on another costs entries, not edges", () => {
  const count = 10_000;
  const definition = workflowOf([block(count), block(count), block(count)], {
    sets: [{ members: [[0, count]], dependents: [[count, count]] }],
    runs: [{ upstream: count, dependent: 2 * count, count }],
  });
  const graph = buildGraph(definition);
  expect(graph.edgeTo).toHaveLength(0);
  expect(graph.blockSets[0]).toEqual([0]);
  expect(graph.blockRuns[1]).toEqual([count]);
});

test("empty blocks own nothing", () => {
  const { blocks } = workflowOf([block(0), block(2), block(0), block(3)]);
  const firsts = Uint32Array.from(blocks, (each) => each.first);
  expect([0, 1, 2, 3, 4].map((task) => blockOf(firsts, task))).toEqual([1, 1, 3, 3, 3]);
});
