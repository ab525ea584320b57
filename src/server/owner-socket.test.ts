import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { listenOnOwnerSocket } from "./owner-socket.ts";
import type { Api } from "./http.ts";
import { openBench } from "./testing/bench.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "holdall-socket-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const api: Api = Object.assign(
  async (request: Request) => Response.json({ path: new URL(request.url).pathname }),
  { close() {} },
);
const owner = (of = dir): Record<string, unknown> =>
  JSON.parse(readFileSync(join(of, "owner.json"), "utf8"));
const ask = (socket: string): Promise<unknown> =>
  fetch("http://localhost/x", { unix: socket }).then((response) => response.json());

test("a socket for the owner alone, written into owner.json beside what is there", async () => {
  writeFileSync(join(dir, "owner.json"), '{"pid":7,"host":"h"}');
  writeFileSync(join(dir, "owner.sock"), "left over");
  const listening = listenOnOwnerSocket(dir, api);
  expect(owner()).toEqual({ pid: 7, host: "h", socket: join(dir, "owner.sock") });
  expect(statSync(listening.path!).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, "owner.json")).mode & 0o777).toBe(0o600);
  expect(await ask(listening.path!)).toEqual({ path: "/x" });
  await listening.close();
  expect(existsSync(listening.path!)).toBe(false);
  expect(owner()).toEqual({ pid: 7, host: "h" });
  const again = listenOnOwnerSocket(dir, api);
  expect(await ask(again.path!)).toEqual({ path: "/x" });
  await again.close();
});

test("a path too long for a socket gets a private folder", async () => {
  const deep = join(dir, "x".repeat(60), "y".repeat(60));
  mkdirSync(deep, { recursive: true });
  const listening = listenOnOwnerSocket(deep, api);
  expect(Buffer.byteLength(listening.path!)).toBeLessThan(100);
  expect(statSync(dirname(listening.path!)).mode & 0o777).toBe(0o700);
  expect(owner(deep)["socket"]).toBe(listening.path);
  expect(await ask(listening.path!)).toEqual({ path: "/x" });
  await listening.close();
  expect(existsSync(dirname(listening.path!))).toBe(false);
});

test("where no socket can be made: a loopback port and a token", async () => {
  mkdirSync(join(dir, "owner.sock", "in the way"), { recursive: true });
  const listening = listenOnOwnerSocket(dir, api);
  expect(listening.path).toBeNull();
  const { url, token } = owner() as { url: string; token: string };
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await fetch(`${url}/x`)).status).toBe(401);
  const wrong = { authorization: `Bearer ${"x".repeat(token.length)}` };
  expect((await fetch(`${url}/x`, { headers: wrong })).status).toBe(401);
  const right = { authorization: `Bearer ${token}` };
  expect(await (await fetch(`${url}/x`, { headers: right })).json()).toEqual({ path: "/x" });
  await listening.close();
  expect(owner()).not.toContainAnyKeys(["url", "token", "socket"]);
});

test("closing gives those who follow the rest, and ends them", async () => {
  const bench = openBench();
  const id = bench.submit(1);
  const worker = await bench.worker();
  const listening = listenOnOwnerSocket(bench.stateDir, bench.api);
  expect(owner(bench.stateDir)).toMatchObject({ pid: process.pid, socket: listening.path });
  await worker.started(id, 0);
  const follow = async (task: string): Promise<string> => {
    const url = `http://localhost/api/v1/workflows/${id}/tasks/${task}/output?follow=1`;
    return (await fetch(url, { unix: listening.path! })).text();
  };
  const texts = [follow("build"), follow("sum")];
  await until(() => worker.frames.some((frame) => frame.type === "follow"));
  await worker.finish(id, [0], { stdout: "to the last byte" });
  await listening.close();
  expect(await Promise.all(texts)).toEqual(["to the last byte", ""]);
  bench.close();
});

test("closing does not wait for ever for one who does not read", async () => {
  const listening = listenOnOwnerSocket(
    dir,
    Object.assign(
      async () => {
        const first = new TextEncoder().encode("x");
        return new Response(new ReadableStream({ start: (to) => to.enqueue(first) }));
      },
      { close() {} },
    ),
  );
  const response = await fetch("http://localhost/", { unix: listening.path! });
  const reader = response.body!.getReader();
  await reader.read();
  await listening.close();
  const end = await reader.read().catch(() => ({ done: true }));
  expect(end.done).toBe(true);
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setImmediate(next));
}
