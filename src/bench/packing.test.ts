import { expect, test } from "bun:test";
import { packingBench } from "./packing.ts";
import { packingBound, packingLoad, POOL } from "./packing-load.ts";
import { makespan, PACKING_RULES } from "./packing-simulator.ts";

test("a load is the same for its seed, and has the promised tasks", () => {
  const load = packingLoad(7, 0.5);
  expect(packingLoad(7, 0.5)).toEqual(load);
  expect(load).toHaveLength(1000);
  expect(load.every(({ cpus }) => cpus >= 1 && cpus <= 16)).toBe(true);
  const withGpus = load.filter(({ gpus }) => gpus > 0).length;
  expect(withGpus).toBeGreaterThan(60);
  expect(withGpus).toBeLessThan(140);
  // Wrong estimates are of the same tasks.
  expect(packingLoad(7, 0).map(({ seconds }) => seconds)).toEqual(
    load.map(({ seconds }) => seconds),
  );
  const again = packingLoad(7, 0.5, 1000, 1);
  expect(again.map(({ seconds }) => seconds)).toEqual(load.map(({ seconds }) => seconds));
  expect(again.filter(({ estimate }, i) => estimate === load[i]!.estimate)).toEqual([]);
  const errors = again.map(({ seconds, estimate }) => Math.log(estimate / seconds));
  const spread = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
  expect(spread).toBeGreaterThan(0.45);
  expect(spread).toBeLessThan(0.55);
  for (const { cpus, memoryBytes, gpus } of load)
    expect(
      POOL.some(
        (host) => cpus <= host.cpus && memoryBytes <= host.memoryBytes && gpus <= host.gpus,
      ),
    ).toBe(true);
});

test("the bound: work over room, and the longest task", () => {
  const host = { cpus: 4, memoryBytes: 8, gpus: 0 };
  const task = { cpus: 1, memoryBytes: 1, gpus: 0, seconds: 10, estimate: 10 };
  const eight = Array.from({ length: 8 }, () => task);
  expect(packingBound(eight, [host])).toBe(20);
  const large = eight.map((each) => ({ ...each, memoryBytes: 4 }));
  expect(packingBound(large, [host])).toBe(40);
  expect(packingBound([{ ...task, seconds: 99 }], [host])).toBe(99);
  const gpu = { ...task, gpus: 1 };
  expect(packingBound([gpu, gpu], [host, { ...host, gpus: 1 }])).toBe(20);
});

test("every rule runs every task, none beats the bound, nobody overtakes but who may", () => {
  const load = packingLoad(1, 0, 60);
  const bound = packingBound(load);
  for (const rule of PACKING_RULES)
    expect(makespan(load, rule)).toBeGreaterThanOrEqual(bound * (1 - 1e-9));
  const host = { cpus: 2, memoryBytes: 8, gpus: 0 };
  const task = { memoryBytes: 1, gpus: 0, seconds: 10, estimate: 10 };
  const three = [
    { ...task, cpus: 1 },
    { ...task, cpus: 2 },
    { ...task, cpus: 1 },
  ];
  expect(makespan(three, "fcfs", [host])).toBe(30);
  for (const rule of ["auto", "none", "torc", "workqueue"] as const)
    expect(makespan(three, rule, [host])).toBe(20);
});

test("the whole bench, small", () => {
  const result = packingBench({ tasks: 100, seeds: 2 });
  for (const { rules, worst_against_best } of [result.exact, result.estimated]) {
    expect(rules.auto.mean).toBeGreaterThanOrEqual(1);
    expect(rules.auto.max).toBeGreaterThanOrEqual(rules.auto.mean);
    expect(worst_against_best).toBeGreaterThan(0.5);
  }
});

test("a range of seeds, and errors drawn several times", () => {
  const both = packingBench({ tasks: 150, seeds: 2, firstSeed: 5, draws: 2 });
  const second = packingBench({ tasks: 150, seeds: 1, firstSeed: 6, draws: 2 });
  const first = packingBench({ tasks: 150, seeds: 1, firstSeed: 5 });
  expect(both.first_seed).toBe(5);
  const worst = Math.max(first.exact.worst_against_best, second.exact.worst_against_best);
  expect(both.exact.worst_against_best).toBe(worst);
  expect([5, 6]).toContain(both.exact.worst_seed);
  expect(first.drawn).toBeUndefined();
  // These do not look at estimates.
  for (const rule of ["fcfs", "workqueue"] as const)
    expect(second.drawn!.rules[rule].deviation).toBeLessThan(1e-9);
  expect(both.drawn!.rules.torc.deviation).toBeGreaterThan(0);
  expect(second.drawn!.worst_draw).toBeGreaterThanOrEqual(second.estimated.worst_against_best);
  expect(second.drawn!.rules.workqueue.mean).toBeCloseTo(second.estimated.rules.workqueue.mean, 9);
}, 60_000);
