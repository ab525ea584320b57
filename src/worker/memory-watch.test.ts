import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "bun:test";
import { createMemoryWatch, type Proc, thisProc } from "./memory-watch.ts";

const MIB = 2 ** 20;

const children: Bun.Subprocess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      child.kill("SIGKILL");
    }
    await child.exited;
  }
});

/** A session of its own, as executors make them. */
function session(script: string): Bun.Subprocess<"ignore", "pipe", "inherit"> {
  const child = Bun.spawn(["python3", "-c", script], {
    detached: true,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  children.push(child);
  return child;
}

const LOADED = (bytes: number): string =>
  `import time; a = bytearray(b"x") * ${bytes}; print("here", flush=True); time.sleep(60)`;

async function said(child: Bun.Subprocess<"ignore", "pipe", "inherit">): Promise<void> {
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toStartWith("here");
}

test("a process above its limit is told, once, with what it has", async () => {
  const child = session(LOADED(64 * MIB));
  await said(child);
  const told: [number, number, number][] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = createMemoryWatch({
    everyMs: 5,
    exceeded(...what) {
      told.push(what);
      resolve();
    },
  });
  watch.add(3, child.pid, 32 * MIB);
  await promise;
  expect(told).toHaveLength(1);
  const [id, bytes, limit] = told[0]!;
  expect([id, limit]).toEqual([3, 32 * MIB]);
  expect(bytes).toBeGreaterThan(64 * MIB);
  expect(bytes).toBeLessThan(128 * MIB);
  expect(watch.remove(3)!).toBeGreaterThanOrEqual(bytes);
  expect(watch.remove(3)).toBeNull();
});

test("children count, also in a process group of their own", async () => {
  const child = session(
    "import os, sys, time\n" +
      "pid = os.fork()\n" +
      'if pid == 0: os.setpgid(0, 0); a = bytearray(b"x") * (64 << 20); print("here", flush=True)\n' +
      "time.sleep(60)",
  );
  await said(child);
  const { promise, resolve } = Promise.withResolvers<number>();
  const watch = createMemoryWatch({ everyMs: 5, exceeded: (_id, bytes) => resolve(bytes) });
  watch.add(1, child.pid, 48 * MIB);
  expect(await promise).toBeGreaterThan(64 * MIB);
  watch.remove(1);
});

/** Processes by number: session, resident MiB, proportional MiB. */
function fake(
  processes: Record<number, [number, number, number | null]>,
): Proc & { reads: number } {
  const proc = {
    reads: 0,
    pids: () => Object.keys(processes).map(Number),
    stat(pid: number) {
      proc.reads++;
      const process = processes[pid];
      return process ? { session: process[0], residentBytes: process[1] * MIB } : null;
    },
    proportionalBytes(pid: number) {
      const share = processes[pid]?.[2] ?? null;
      return share === null ? null : share * MIB;
    },
  };
  return proc;
}

async function looks(proc: { reads: number }, more: number): Promise<void> {
  const from = proc.reads;
  while (proc.reads < from + more) await new Promise((done) => setImmediate(done));
}

test("shared pages count once where the kernel tells, and with nothing to go by each time", async () => {
  const told: number[] = [];
  const proc = fake({ 10: [10, 60, 40], 11: [10, 60, 40], 20: [20, 60, null], 21: [20, 60, null] });
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = createMemoryWatch({
    proc,
    everyMs: 1,
    exceeded(id) {
      told.push(id);
      resolve();
    },
  });
  watch.add(1, 10, 100 * MIB);
  watch.add(2, 20, 100 * MIB);
  await promise;
  await looks(proc, 20);
  expect(told).toEqual([2]);
  expect(watch.remove(1)).toBe(80 * MIB);
  expect(watch.remove(2)).toBe(120 * MIB);
});

test("without a limit it is only measured; others are read rarely, and nothing once all are gone", async () => {
  const others = Object.fromEntries(
    Array.from({ length: 100 }, (_, i) => [i + 100, [1, 1, 1]] as const),
  ) as Record<number, [number, number, number]>;
  const proc = fake({ ...others, 10: [10, 60, 60] });
  const watch = createMemoryWatch({
    proc,
    everyMs: 1,
    exceeded: () => {
      throw new Error("nothing to exceed");
    },
  });
  watch.add(1, 10, 0);
  await looks(proc, 101);
  const before = proc.reads;
  // Ten looks at the one that matters.
  await looks(proc, 10);
  expect(proc.reads - before).toBeLessThan(50);
  expect(watch.remove(1)).toBe(60 * MIB);
  const after = proc.reads;
  await Bun.sleep(20);
  expect(proc.reads).toBe(after);
});

test("what is read of a process is what it has", async () => {
  // A session of its own: the session of this process has no number inside a pid namespace that began later.
  // It writes once it has started: before that its memory still changes.
  const child = Bun.spawn(["sh", "-c", "echo up; read -r x"], {
    detached: true,
    stdin: "pipe",
    stdout: "pipe",
  });
  try {
    await child.stdout.getReader().read();
    const stat = thisProc().stat(child.pid)!;
    expect(stat.session).toBe(child.pid);
    const kib = Number(
      /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))![1],
    );
    // The kernel counts the two in batches of its own.
    expect(stat.residentBytes / (kib * 1024)).toBeGreaterThan(0.7);
    expect(stat.residentBytes / (kib * 1024)).toBeLessThan(1.4);
    expect(thisProc().stat(2 ** 22 + 1)).toBeNull();
  } finally {
    child.kill(9);
  }
});
