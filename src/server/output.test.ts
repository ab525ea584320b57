import { afterEach, beforeEach, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { type Bench, type FakeWorker, openBench } from "./testing/bench.ts";

let bench: Bench;
let worker: FakeWorker;
let id: number;
beforeEach(async () => {
  bench = openBench();
  id = bench.submit(2);
  worker = await bench.worker();
});
afterEach(() => bench.close());

const output = (query = "", task = "build"): Promise<Response> =>
  bench.get(`/${id}/tasks/${task}/output${query}`);

/** Reads piece by piece. */
function reader(response: Response): { next(): Promise<string | null>; cancel(): Promise<void> } {
  const source = response.body!.getReader();
  return {
    async next() {
      const { done, value } = await source.read();
      return done ? null : new TextDecoder().decode(value);
    },
    cancel: () => source.cancel(),
  };
}

const follows = (): boolean[] =>
  worker.frames.flatMap((frame) => (frame.type === "follow" ? [frame.on] : []));

test("output of an attempt that has ended, whole and from an offset", async () => {
  await worker.finish(id, [0], { stdout: "hello\n", stderr: "oh\n" });
  const response = await output();
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "holdall-attempt": "1",
    "holdall-bytes-written": "6",
    "holdall-bytes-stored": "6",
  });
  expect(await response.text()).toBe("hello\n");
  expect(await (await output("?offset=4")).text()).toBe("o\n");
  expect(await (await output("?offset=100")).text()).toBe("");
  expect(await (await output("?stream=stderr&follow=1")).text()).toBe("oh\n");
});

test("the latest attempt unless another is asked for", async () => {
  await worker.finish(id, [0], { outcome: "exit", exit: 1, stdout: "first" });
  await bench.get(`/${id}/retry`, { method: "POST", body: "{}" });
  await worker.finish(id, [0], { stdout: "second" }, 2);
  expect(await (await output()).text()).toBe("second");
  expect(await (await output("?attempt=1")).text()).toBe("first");
});

test("large output comes from its file, and says when it was cut", async () => {
  const text = "0123456789".repeat(100_000);
  worker.spill(id, 0, text);
  await worker.finish(id, [0], { stdoutBytes: 2_000_000 });
  const response = await output("?offset=999990");
  expect(response.headers.get("holdall-bytes-written")).toBe("2000000");
  expect(response.headers.get("holdall-bytes-stored")).toBe("1000000");
  expect(await response.text()).toBe("0123456789");
  expect(await (await output()).text()).toBe(text);
  rmSync(bench.engine.spill.path(id, 0, 1, "stdout"));
  expect(await (await output()).text()).toBe("");
});

test("a task that wrote nothing, and one that never ran", async () => {
  await worker.finish(id, [0], { outcome: "exit", exit: 1 });
  expect(await (await output()).text()).toBe("");
  expect(await (await output("?follow=1", "sum")).text()).toBe("");
});

test("following: what it wrote so far, what comes, and the rest once it has ended", async () => {
  await worker.started(id, 0);
  const piece = reader(await output("?follow=1"));
  const first = piece.next();
  worker.live(id, 0, "one\n");
  expect(await first).toBe("one\n");
  worker.live(id, 0, "err\n", "stderr");
  worker.live(id, 0, "two\n");
  expect(await piece.next()).toBe("two\n");
  const rest = piece.next();
  await worker.finish(id, [0], { stdout: "one\ntwo\nthree\n", stderr: "err\n" });
  expect(await rest).toBe("three\n");
  expect(await piece.next()).toBeNull();
  expect(follows()[0]).toBe(true);
});

test("two who follow the same attempt: the worker is asked once, the second gets all of it", async () => {
  await worker.started(id, 0);
  const [a, b] = [
    reader(await output("?follow=1")),
    reader(await output("?follow=1&stream=stderr")),
  ];
  const [fromA, fromB] = [a.next(), b.next()];
  worker.live(id, 0, "out");
  worker.live(id, 0, "err", "stderr");
  expect(await fromA).toBe("out");
  expect(await fromB).toBe("err");
  const c = reader(await output("?follow=1&offset=1"));
  expect(await c.next()).toBe("ut");
  expect(follows()).toEqual([true]);
  await a.cancel();
  await b.cancel();
  expect(follows()).toEqual([true]);
  await c.cancel();
  expect(follows()).toEqual([true, false]);
});

test("following past the size that travels with the result", async () => {
  await worker.started(id, 0);
  const piece = reader(await output("?follow=1"));
  const first = piece.next();
  worker.live(id, 0, "small ");
  expect(await first).toBe("small ");
  const second = piece.next();
  worker.spill(id, 0, "small large ");
  worker.live(id, 0, "large ");
  expect(await second).toBe("large ");
  // One who comes later gets nothing from the worker but what comes from then on: the file has the rest.
  const late = reader(await output("?follow=1&offset=6"));
  expect(await late.next()).toBe("large ");
  const [third, lateThird] = [piece.next(), late.next()];
  worker.spill(id, 0, "end");
  worker.live(id, 0, "end");
  expect([await third, await lateThird]).toEqual(["end", "end"]);
  const last = [piece.next(), late.next()];
  await worker.finish(id, [0], { stdoutBytes: 15 });
  expect(await Promise.all(last)).toEqual([null, null]);
});

test("following a task that has not started waits for it", async () => {
  const piece = reader(await output("?follow=1", "c_001"));
  const first = piece.next();
  await worker.finish(id, [0]);
  worker.live(id, 2, "begun");
  expect(await first).toBe("begun");
  await piece.cancel();
});

test("following ends when the task is canceled before it starts, and when the worker is lost", async () => {
  const waiting = (await output("?follow=1", "sum")).text();
  await worker.started(id, 0);
  const running = (await output("?follow=1")).text();
  await bench.get(`/${id}/cancel`, { method: "POST", body: '{"tasks":["sum"]}' });
  expect(await waiting).toBe("");
  bench.engine.lose(worker.id, "worker_lost");
  expect(await running).toBe("");
});

test("one who goes away while nothing comes is forgotten", async () => {
  await worker.started(id, 0);
  const stop = new AbortController();
  const response = await bench.get(`/${id}/tasks/build/output?follow=1`, { signal: stop.signal });
  const next = reader(response).next();
  stop.abort();
  expect(await next).toBeNull();
  expect(follows()).toEqual([true, false]);
});

test("the listener is asked to keep a connection open for those who follow", async () => {
  await worker.started(id, 0);
  const kept: string[] = [];
  const ask = async (query: string): Promise<void> => {
    const url = `http://localhost/api/v1/workflows/${id}/tasks/build/output${query}`;
    const response = await bench.api(new Request(url), {
      keepOpen: (request) => kept.push(new URL(request.url).search),
    });
    await response.body?.cancel();
  };
  await ask("");
  await ask("?follow=1");
  expect(kept).toEqual(["?follow=1"]);
});

test("without following, a running attempt gives what it has written", async () => {
  await worker.started(id, 0);
  const text = (await output()).text();
  await bench.engine.whenDurable();
  worker.live(id, 0, "so far");
  expect(await text).toBe("so far");
  expect(follows()).toEqual([true, false]);
  expect(await (await output("?stream=stderr")).text()).toBe("");
});
