import { expect, test } from "bun:test";
import type { Start } from "../executor.ts";
import { createPools } from "./pools.ts";

function start(id: number, pool: number): Start {
  return {
    id,
    pool,
    argv: ["true"],
    cwd: "/",
    environment: 0,
    extraEnv: [],
    captureStdout: false,
    captureStderr: false,
  };
}

test("keeps the order of each pool over many, without those dropped", () => {
  const pools = createPools();
  for (let id = 0; id < 10_000; id++) pools.add(start(id, id % 2 === 0 ? 70 : 5));
  expect(pools.get(70).index).toBe(0);
  expect(pools.at(1)).toBe(pools.get(5));
  for (let id = 0; id < 10_000; id += 3) expect(pools.drop(id)).toBe(true);
  expect(pools.drop(0)).toBe(false);
  const taken: number[] = [];
  const even = pools.get(70);
  for (let next = pools.take(even); next !== undefined; next = pools.take(even))
    taken.push(next.id);
  const expected = Array.from({ length: 10_000 }, (_, id) => id);
  expect(taken).toEqual(expected.filter((id) => id % 2 === 0 && id % 3 !== 0));
  expect(even.handed).toBe(taken.length);
  expect(pools.drop(taken[0] ?? -1)).toBe(false); // handed on
  expect(pools.get(5).handed).toBe(0);
  pools.add(start(20_000, 70));
  expect(pools.take(even)?.id).toBe(20_000);
});
