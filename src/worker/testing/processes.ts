/** What tests need to know about processes; Linux only. */
import { readdirSync, readFileSync } from "node:fs";

/** State letter and parent of a process, or null when it is gone; a zombie counts as gone. */
export function processStat(pid: number): { state: string; parent: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state = "", parent = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? null : { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

export function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && processStat(pid)?.parent === parent);
}

export function openDescriptors(pid: number | "self"): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Resolves once `holds` does; throws after `limitMs`, saying what was waited for. */
export async function until(holds: () => boolean, what: string, limitMs = 5000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await Bun.sleep(5);
  }
}

export function untilGone(pids: readonly number[], limitMs = 2000): Promise<void> {
  return until(
    () => pids.every((pid) => processStat(pid) === null),
    `end of ${pids.join(", ")}`,
    limitMs,
  );
}
