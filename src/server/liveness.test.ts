import { expect, test } from "bun:test";
import { createLiveness } from "./liveness.ts";

function bench(): {
  liveness: ReturnType<typeof createLiveness>;
  /** lets time pass in ticks that come in time */
  pass(ms: number): number[];
  /** one tick, after so long */
  tickAfter(ms: number): number[];
} {
  let nowMs = 0;
  const liveness = createLiveness({ limitMs: 1000, intervalMs: 100, now: () => nowMs });
  const tickAfter = (ms: number): number[] => {
    nowMs += ms;
    return liveness.tick();
  };
  return {
    liveness,
    tickAfter,
    pass(ms) {
      const lost: number[] = [];
      for (let passed = 0; passed < ms; passed += 100) lost.push(...tickAfter(100));
      return lost;
    },
  };
}

test("who says nothing is lost once; who is heard is not", () => {
  const { liveness, pass } = bench();
  liveness.watch(1);
  liveness.watch(2);
  expect(pass(900)).toEqual([]);
  expect(liveness.heard(2)).toBe(true);
  expect(pass(900)).toEqual([1]);
  expect(liveness.heard(1)).toBe(false);
  expect(pass(2000)).toEqual([2]);
});

test("nobody is lost at the tick that finds him overdue: what waits in the sockets is read first", () => {
  const { liveness, pass, tickAfter } = bench();
  liveness.watch(1);
  pass(1000);
  expect(tickAfter(100)).toEqual([]);
  liveness.heard(1);
  expect(pass(1000)).toEqual([]);
});

test("our own lateness is added to every deadline", () => {
  const { liveness, pass, tickAfter } = bench();
  liveness.watch(1);
  pass(500);
  // Stopped for an hour.
  expect(tickAfter(3_600_000)).toEqual([]);
  expect(pass(500)).toEqual([]);
  expect(pass(300)).toEqual([1]);
});

test("one that was overdue when we were stopped is looked at anew", () => {
  const { liveness, pass, tickAfter } = bench();
  liveness.watch(1);
  pass(1000);
  expect(tickAfter(100)).toEqual([]);
  expect(tickAfter(60_000)).toEqual([]);
  expect(liveness.heard(1)).toBe(true);
  expect(pass(1000)).toEqual([]);
});
