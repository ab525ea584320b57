/** Looking at what happens, and waiting for it. */
import { readFileSync } from "node:fs";
import { type Execution, keyOf, readExecutions } from "./executions.ts";

const LOOK_MS = 15;

/** Notes when executions without an end are gone, also of those that begin meanwhile, until `stop`, which looks once more. */
export function watchDeaths(
  marks: string,
  deaths: Map<string, number>,
): { stop(): void; saw(each: Execution): boolean } {
  const alive = new Map<string, Execution>();
  const gone = new Set<string>();
  const look = (): void => {
    for (const each of readExecutions(marks)) {
      const key = keyOf(each);
      if (each.endMs !== null) alive.delete(key);
      else if (!deaths.has(key)) alive.set(key, each);
    }
    for (const [key, each] of alive) {
      if (isAlive(each.pid)) continue;
      alive.delete(key);
      deaths.set(key, Date.now());
      gone.add(key);
    }
  };
  look();
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
