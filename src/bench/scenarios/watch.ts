/** Looking at what happens, and waiting for it. */
import { readFileSync } from "node:fs";
import { type Execution, keyOf } from "./executions.ts";

const LOOK_MS = 5;

/** Notes when each of these processes is gone, until `stop`, which looks once more. */
export function watchDeaths(
  open: readonly Execution[],
  deaths: Map<string, number>,
): { stop(): void; saw(each: Execution): boolean } {
  const gone = new Set<string>();
  const look = (): void => {
    for (const each of open) {
      const key = keyOf(each);
      if (deaths.has(key) || isAlive(each.pid)) continue;
      deaths.set(key, Date.now());
      gone.add(key);
    }
  };
  const timer = setInterval(look, LOOK_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
    },
    saw: (each) => gone.has(keyOf(each)),
  };
}

/** A zombie has ended. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(")") + 1));
  } catch {
    return false;
  }
}

/** Until a time of performance.now(), or until the signal. */
export async function until(atMs: number, signal: AbortSignal): Promise<void> {
  const leftMs = atMs - performance.now();
  if (leftMs <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, leftMs);
    signal.addEventListener("abort", done);
  });
}

export async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
