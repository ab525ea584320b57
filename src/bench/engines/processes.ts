/** What the kernel says of processes that are not ours, and of those somebody of ours left behind. */
import { readdirSync, readFileSync } from "node:fs";

const CLOCK_TICKS_PER_SECOND = 100;

export interface ProcessUse {
  cpuSeconds: number;
  peakBytes: number;
}

/** Of several processes together; null when one of them is gone. */
export function useOf(pids: readonly number[]): ProcessUse | null {
  if (pids.length === 0) return null;
  let cpuSeconds = 0;
  let peakBytes = 0;
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`);
    const status = read(`/proc/${pid}/status`);
    if (stat === null || status === null) return null;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    cpuSeconds += (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
    peakBytes += Number(/^VmHWM:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }
  return { cpuSeconds, peakBytes };
}

/** Processes whose environment has this entry, zombies excluded. */
export function withEntry(entry: string): number[] {
  const found: number[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = /^\d+$/.test(name) ? Number(name) : 0;
    if (pid === 0 || pid === process.pid) continue;
    const environment = read(`/proc/${pid}/environ`);
    if (environment?.split("\0").includes(entry) === true) found.push(pid);
  }
  return found;
}

/** Again and again, because what is ended may have started more; gives up on what cannot be ended. Answers how many there were. */
export async function endAllWith(entry: string): Promise<number> {
  const seen = new Set<number>();
  for (let turn = 0; turn < 200; turn++) {
    const left = withEntry(entry);
    if (left.length === 0) break;
    for (const pid of left) {
      seen.add(pid);
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It is gone, or somebody else's.
      }
    }
    await Bun.sleep(5);
  }
  return seen.size;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}
