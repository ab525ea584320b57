import { expect, test } from "bun:test";
import { whyVoid } from "./fairness.ts";
import { sampleOf } from "./testing/samples.ts";

test("equal outputs of one program may be compared", () => {
  expect(whyVoid([sampleOf("holdall"), sampleOf("ray"), sampleOf("ray", { round: 1 })])).toBeNull();
  expect(whyVoid([])).toBeNull();
});

test("another output voids the run, and who differs is named", () => {
  const samples = [
    sampleOf("holdall"),
    sampleOf("ray", { checksum: "bad0123456789abcdef" }),
    sampleOf("workqueue"),
  ];
  expect(whyVoid(samples)).toBe(
    "the outputs differ: bad012345678 of ray; c0ffee of holdall, workqueue",
  );
});

test("so does another output of the same engine in another round", () => {
  const samples = [
    sampleOf("ray"),
    sampleOf("ray", { round: 1 }),
    sampleOf("ray", { round: 2, checksum: "other" }),
  ];
  expect(whyVoid(samples)).toBe("the outputs differ: other of ray; c0ffee of ray");
});

test("another program, or one that nobody can tell, voids it too", () => {
  expect(whyVoid([sampleOf("holdall"), sampleOf("dask"), sampleOf("ray", { binary: "b2" })])).toBe(
    "the task programs differ: b2 of ray; b1 of holdall, dask",
  );
  expect(
    whyVoid([sampleOf("holdall"), sampleOf("dask"), sampleOf("ray", { binary: null })]),
  ).toContain("none of ray");
});

test("a bag with failed tasks has no checksum and is not held against the others", () => {
  expect(
    whyVoid([sampleOf("holdall"), sampleOf("ray", { failed: 1, done: 3, checksum: null })]),
  ).toBeNull();
});
