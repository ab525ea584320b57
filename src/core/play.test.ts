import { expect, test } from "bun:test";
import { drawScenario, play, type Stage } from "./play.ts";

/** One worker of four cpus, classes of single tasks: cpus and seconds. */
function stageOf(
  tasks: readonly (readonly [cpus: number, seconds: number])[],
  running: Stage["running"] = [],
): Stage {
  const used = running.reduce((sum, { need }) => sum + need[0]!, 0);
  return {
    ready: Int32Array.from(tasks, () => 1),
    seconds: Float64Array.from(tasks, ([, seconds]) => seconds),
    need: Float64Array.from(tasks.flatMap(([cpus]) => [cpus, 0, 0, 0])),
    leastCpus: Math.min(...tasks.map(([cpus]) => cpus)),
    workers: 1,
    slowness: Float64Array.of(1),
    offered: Float64Array.of(4, 0, 0, 0),
    free: Float64Array.of(4 - used, 0, 0, 0),
    allowed: null,
    running,
  };
}

function ends(stage: Stage, order: readonly number[]): number {
  return play(stage, drawScenario(stage, 0, 0), Int32Array.from(order));
}

test("tasks start in the given order, and what does not fit is passed over", () => {
  const stage = stageOf([
    [2, 10],
    [2, 30],
    [4, 20],
  ]);
  expect(ends(stage, [0, 1, 2])).toBe(50);
  expect(ends(stage, [2, 0, 1])).toBe(50);
  const narrow = stageOf([
    [3, 10],
    [2, 30],
    [1, 20],
  ]);
  expect(ends(narrow, [0, 1, 2])).toBe(40);
  expect(ends(narrow, [1, 0, 2])).toBe(40);
  const four = stageOf([
    [2, 10],
    [2, 10],
    [2, 20],
    [2, 10],
  ]);
  expect(ends(four, [0, 1, 2, 3])).toBe(30);
  expect(ends(four, [2, 0, 1, 3])).toBe(30);
  expect(ends(four, [0, 1, 3, 2])).toBe(30);
  expect(ends(stageOf([[8, 10]]), [0])).toBe(0);
});

test("several tasks of a class, workers that may not run it, and slow ones", () => {
  const stage = stageOf([[2, 10]]);
  stage.ready[0] = 6;
  expect(ends(stage, [0])).toBe(30);
  stage.slowness[0] = 2;
  expect(ends(stage, [0])).toBe(60);
  expect(ends({ ...stage, allowed: new Uint8Array(1) }, [0])).toBe(0);
});

test("what runs goes on for what is left of its time, and holds its room", () => {
  const running = [{ worker: 0, expected: 100, ran: 40, need: [3, 0, 0, 0] }];
  expect(ends(stageOf([[2, 10]], running), [0])).toBe(70);
  expect(ends(stageOf([[1, 10]], running), [0])).toBe(60);
});

test("a scenario is the same for its number, and around what is expected", () => {
  const stage = stageOf(Array.from({ length: 2000 }, () => [1, 100] as const));
  expect(drawScenario(stage, 0.5, 3)).toEqual(drawScenario(stage, 0.5, 3));
  const seconds = drawScenario(stage, 0.5, 3).seconds;
  expect(seconds).not.toEqual(drawScenario(stage, 0.5, 4).seconds);
  const logs = [...seconds].map((each) => Math.log(each / 100));
  const mean = logs.reduce((sum, each) => sum + each, 0) / logs.length;
  expect(Math.abs(mean)).toBeLessThan(0.05);
  const spread = Math.sqrt(logs.reduce((sum, each) => sum + each ** 2, 0) / logs.length);
  expect(spread).toBeGreaterThan(0.45);
  expect(spread).toBeLessThan(0.55);
});

test("the longer something runs beyond what was expected, the longer it will go on", () => {
  const left = (ran: number, expected = 100): number => {
    const running = Array.from({ length: 2000 }, () => ({
      worker: 0,
      expected,
      ran,
      need: [0, 0, 0, 0],
    }));
    const runs = drawScenario(stageOf([[1, 1]], running), 0.5, 1).running;
    expect(runs.every(({ end }, i) => end >= 1 && end <= (runs[i - 1]?.end ?? Infinity))).toBe(
      true,
    );
    return runs.reduce((sum, { end }) => sum + end, 0) / runs.length;
  };
  // The mean of a lognormal distribution: 100 × e^(0.5² / 2).
  expect(left(0)).toBeGreaterThan(108);
  expect(left(0)).toBeLessThan(119);
  // Its mean residual lives, in closed form.
  for (const [ran, mean] of [
    [50, 69.9],
    [100, 56.7],
    [200, 56.8],
    [400, 69.7],
    [1000, 110.8],
  ] as const) {
    expect(left(ran)).toBeGreaterThan(mean * 0.93);
    expect(left(ran)).toBeLessThan(mean * 1.07);
  }
  expect(left(1e6, 0)).toBeGreaterThan(1);
});
