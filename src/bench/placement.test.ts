import { expect, test } from "bun:test";
import { ALGORITHMS } from "../core/workflow.ts";
import { placementBench } from "./placement.ts";
import { PLACEMENT_TRACES, placementLoad } from "./placement-load.ts";

test("a load is the same for its seed, and has what its trace says", () => {
  for (const trace of PLACEMENT_TRACES) {
    const load = placementLoad(trace, 3, 50);
    expect(placementLoad(trace, 3, 50)).toEqual(load);
    expect(load.tasks.some(({ input }) => input >= 0)).toBe(trace.inputs);
    expect(load.tasks.some(({ arrivesMs }) => arrivesMs > 0)).toBe(trace.arrivals === "open");
    expect(load.workers.some(({ leavesMs }) => leavesMs !== Infinity)).toBe(trace.churn);
    expect(new Set(load.workers.map(({ speed }) => speed)).size > 1).toBe(trace.speeds);
  }
});

test("the whole bench, small: every task of every trace ends under every policy", () => {
  const result = placementBench({ tasks: 60, seeds: 1 });
  expect(result.traces.map(({ trace }) => trace)).toEqual(PLACEMENT_TRACES.map(({ name }) => name));
  for (const row of result.traces) {
    expect(row.default).toBeGreaterThan(0);
    for (const algorithm of ALGORITHMS)
      expect(row.algorithms[algorithm]).toBeGreaterThanOrEqual(row.algorithms[row.best]);
    expect(row.against_best).toBeCloseTo(row.default / row.algorithms[row.best], 9);
  }
});
