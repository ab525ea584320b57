import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { Timers } from "./timers.ts";

test("timers come in order of time, none before it is due", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.nat(60), (times, now) => {
      const timers = new Timers();
      times.forEach((atMs, task) => timers.add({ atMs, workflow: 1, task }));
      expect(timers.nextMs).toBe(times.length === 0 ? null : Math.min(...times));
      const taken: number[] = [];
      for (let timer = timers.take(now); timer; timer = timers.take(now)) taken.push(timer.atMs);
      expect(taken).toEqual(times.filter((at) => at <= now).toSorted((a, b) => a - b));
    }),
  );
});
