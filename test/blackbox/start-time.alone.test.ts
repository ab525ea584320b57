import { expect, test } from "bun:test";
import { join } from "node:path";
import { root, scratchDir } from "../support/scratch.ts";

const limitMs = 50;

test(`bin/holdall starts in less than ${limitMs} ms once installed`, () => {
  const cwd = scratchDir();
  const start = (): number => {
    const begin = performance.now();
    const { exitCode } = Bun.spawnSync([join(root, "bin/holdall"), "--version"], { cwd });
    expect(exitCode).toBe(0);
    return performance.now() - begin;
  };
  start(); // fills the file cache
  const times = Array.from({ length: 11 }, start).sort((a, b) => a - b);
  expect(times[5]).toBeLessThan(limitMs);
});
