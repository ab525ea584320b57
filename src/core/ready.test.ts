import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { RangeQueue } from "./ready.ts";

/** What a queue says of itself, task by task. */
function listed(queue: RangeQueue): number[] {
  const all: number[] = [];
  for (const [first, end] of queue.entries())
    for (let task = first; task < end; task++) all.push(task);
  return all;
}

type Step = { push: number; count: number } | { front: true } | { shift: number } | { clear: true };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ push: fc.nat({ max: 3 }), count: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 3, arbitrary: fc.constant({ front: true as const }) },
    { weight: 5, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 6 }) }) },
    { weight: 1, arbitrary: fc.constant({ clear: true as const }) },
  ),
  { maxLength: 80 },
);

test("serves what an array would: in order of arrival, what was put back first", () => {
  fc.assert(
    fc.property(steps, (given) => {
      const queue = new RangeQueue();
      // What was put back is served by runs of ascending numbers, the latest run first: as plain unshifts would.
      let expected: number[] = [];
      const served: number[] = [];
      let next = 0;
      for (const step of given) {
        if ("push" in step) {
          next += step.push;
          queue.push(next, step.count);
          for (let i = 0; i < step.count; i++) expected.push(next++);
        } else if ("front" in step) {
          const task = served.pop();
          if (task === undefined) continue;
          queue.pushFront(task);
          expected.unshift(task);
        } else if ("clear" in step) {
          queue.clear();
          expected = [];
        } else {
          const run = queue.shift(step.shift);
          if (run === null) expect(expected).toEqual([]);
          else {
            expect(run.count).toBeGreaterThanOrEqual(1);
            expect(run.count).toBeLessThanOrEqual(step.shift);
            const taken = expected.splice(0, run.count);
            expect(taken).toEqual(Array.from({ length: run.count }, (_, i) => run.first + i));
            served.push(...taken);
          }
        }
        expect(listed(queue)).toEqual(expected);
      }
    }),
    { numRuns: 500 },
  );
});

test("a million consecutive tasks are one entry, also after parts of it were served", () => {
  const queue = new RangeQueue();
  for (let task = 0; task < 1_000_000; task++) queue.push(task);
  expect([...queue.entries()]).toEqual([[0, 1_000_000]]);
  expect(queue.shift(3)).toEqual({ first: 0, count: 3 });
  queue.push(1_000_000, 5);
  expect([...queue.entries()]).toEqual([[3, 1_000_005]]);
});

test("what was served is not kept", () => {
  const queue = new RangeQueue();
  const entries = 100_000;
  for (let i = 0; i < entries; i++) queue.push(i * 2);
  for (let i = 0; i < entries; i++) expect(queue.shift(10)).toEqual({ first: i * 2, count: 1 });
  expect(queue.shift(1)).toBeNull();
  expect(listed(queue)).toEqual([]);
});
