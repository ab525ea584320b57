/** An Io for tests: written text is kept, time moves only when told to. */
import type { Io, StopSignal } from "./io.ts";

export interface TestIo extends Io {
  out(): string;
  err(): string;
  /** lets time pass, calling what `every` asked for */
  advance(ms: number): void;
  signal(name: StopSignal): void;
  listeners(): number;
  timers(): number;
}

export interface TestIoOptions {
  env?: Record<string, string>;
  cwd?: string;
  tty?: boolean;
  columns?: number;
}

export function testIo(options: TestIoOptions = {}): TestIo {
  const { tty = false, columns = 80 } = options;
  const chunks: Record<"out" | "err", Uint8Array[]> = { out: [], err: [] };
  const output = (kind: "out" | "err") => ({
    write(data: string | Uint8Array) {
      chunks[kind].push(typeof data === "string" ? new TextEncoder().encode(data) : data);
    },
    isTTY: tty,
    columns: () => columns,
    closed: () => false,
  });
  const text = (kind: "out" | "err") => () => Buffer.concat(chunks[kind]).toString();
  let nowMs = 1_000_000;
  const timers = new Set<{ intervalMs: number; nextMs: number; tick: () => void }>();
  const handlers = new Set<{ signal: StopSignal; handler: () => void }>();
  return {
    stdout: output("out"),
    stderr: output("err"),
    out: text("out"),
    err: text("err"),
    env: options.env ?? {},
    cwd: options.cwd ?? "/nowhere",
    now: () => nowMs,
    every(intervalMs, tick) {
      const timer = { intervalMs, nextMs: nowMs + intervalMs, tick };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    onSignal(signal, handler) {
      const entry = { signal, handler };
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
    advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        const next = [...timers].sort((a, b) => a.nextMs - b.nextMs)[0];
        if (next === undefined || next.nextMs > end) break;
        nowMs = next.nextMs;
        next.nextMs += next.intervalMs;
        next.tick();
      }
      nowMs = end;
    },
    signal(name) {
      for (const entry of [...handlers]) if (entry.signal === name) entry.handler();
    },
    listeners: () => handlers.size,
    timers: () => timers.size,
  };
}

/** What a promise rejects with; an error of its own when it does not. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
