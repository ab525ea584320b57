import { expect, test } from "bun:test";
import { makespan, PACKING_RULES, packingBench } from "./packing.ts";
import { packingBound, packingLoad, POOL } from "./packing-load.ts";

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
