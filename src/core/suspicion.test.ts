import { expect, test } from "bun:test";
import {
  createSuspicion,
  EXCLUDED_MS,
  forgetWorker,
  holdBack,
  isExcluded,
  noteGood,
  noteSlow,
} from "./suspicion.ts";

const WORKER = 7;

test("a second slow task in a row excludes the worker for 15 minutes, then it starts afresh", () => {
  const suspicion = createSuspicion();
  expect(noteSlow(suspicion, WORKER, 0, 4, 1000)).toBeNull();
  expect(noteSlow(suspicion, WORKER, 0, 4, 2000)).toBe(2000 + EXCLUDED_MS);
  expect(isExcluded(suspicion, WORKER, 1999 + EXCLUDED_MS)).toBe(true);
  expect(isExcluded(suspicion, WORKER + 1, 2000)).toBe(false);
  expect(isExcluded(suspicion, WORKER, 2000 + EXCLUDED_MS)).toBe(false);
  expect(noteSlow(suspicion, WORKER, 0, 4, 3000 + EXCLUDED_MS)).toBeNull();
});

test("a good task between them clears it", () => {
  const suspicion = createSuspicion();
  for (let i = 0; i < 10; i++) {
    expect(noteSlow(suspicion, WORKER, 0, 4, i)).toBeNull();
    noteGood(suspicion, WORKER);
  }
});

test("a task that was slow elsewhere before accuses nobody", () => {
  const suspicion = createSuspicion();
  noteSlow(suspicion, WORKER, 0, 4, 0);
  expect(noteSlow(suspicion, WORKER, 1, 4, 0)).toBeNull();
  expect(noteSlow(suspicion, WORKER + 1, 1, 4, 0)).toBeNull();
  expect(noteSlow(suspicion, WORKER + 1, 0, 4, 0)).toBeNull();
});

test("never more than half of the workers at a time", () => {
  for (const workers of [1, 2, 5, 8]) {
    const suspicion = createSuspicion();
    for (let round = 0; round < 4; round++)
      for (let worker = 0; worker < workers; worker++) noteSlow(suspicion, worker, 0, workers, 0);
    const excluded = Array.from({ length: workers }, (_, worker) =>
      isExcluded(suspicion, worker, 1),
    );
    expect(excluded.filter(Boolean).length).toBe(Math.floor(workers / 2));
    expect(noteSlow(suspicion, workers - 1, 0, workers, EXCLUDED_MS) !== null).toBe(workers > 1);
  }
});

test("a worker that left makes room for another to be excluded", () => {
  const suspicion = createSuspicion();
  noteSlow(suspicion, 1, 0, 2, 0);
  noteSlow(suspicion, 1, 0, 2, 0);
  noteSlow(suspicion, 2, 0, 2, 0);
  expect(noteSlow(suspicion, 2, 0, 2, 0)).toBeNull();
  forgetWorker(suspicion, 1);
  expect(noteSlow(suspicion, 2, 0, 2, 0)).toBe(EXCLUDED_MS);
});

test("what was slow is taken by another worker first; two slow tasks at once still exclude", () => {
  const suspicion = createSuspicion();
  const what = { workflow: 1, task: 3, attempt: 1 };
  expect(holdBack(suspicion, WORKER, what, 1, 0, 5000)).toBe(false);
  expect(holdBack(suspicion, WORKER, what, 2, 0, 5000)).toBe(true);
  expect(isExcluded(suspicion, WORKER, 4999)).toBe(true);
  expect(noteSlow(suspicion, WORKER, 0, 2, 10)).toBeNull();
  expect(noteSlow(suspicion, WORKER, 0, 2, 20)).toBe(20 + EXCLUDED_MS);
  expect(isExcluded(suspicion, WORKER, 6000)).toBe(true);
  expect(holdBack(suspicion, WORKER + 1, what, 2, 30, 5000)).toBe(false);
  forgetWorker(suspicion, WORKER);
  expect(suspicion.heldBack.size).toBe(0);
});
