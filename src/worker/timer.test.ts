import { expect, test } from "bun:test";
import { startTimer } from "./timer.ts";

test("a timer fires when it is due, or not at all", async () => {
  const fired: string[] = [];
  const stop = startTimer(0, () => fired.push("stopped"));
  // Further away than the runtime's own timers reach: those would fire at once.
  const stopLong = startTimer(2 ** 31 + 1000, () => fired.push("long"));
  stop();
  await new Promise<void>((done) => startTimer(20, done));
  stopLong();
  expect(fired).toEqual([]);
});
