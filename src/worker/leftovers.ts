import { readdirSync, readFileSync } from "node:fs";
import { signalGroup } from "./executors/checked.ts";

/** The variable that marks every attempt of one worker or run; its value is unique to it. */
export const MARK_VARIABLE = "HOLDALL_MARK";

export interface Leftover {
  pid: number;
  /** process group, equal to `pid` when it leads one */
  group: number;
  /** clock ticks since boot, as in /proc/PID/stat: with `pid` it names one process for good */
  startTicks: number;
  command: string;
}

/** Gives up on what does not die (uninterruptible wait). */
const LIMIT_MS = 2000;

/**
 * SIGKILLs what attempts of an earlier owner left: every process whose initial environment holds
 * `HOLDALL_MARK=<mark>`, with its process group. Looks again until nothing is found, since what is being
 * killed may still fork. Never touches this process, its group or its ancestors. Returns what it ended.
 */
export async function endLeftovers(mark: string): Promise<Leftover[]> {
  const entry = Buffer.from(`\0${MARK_VARIABLE}=${mark}\0`);
  const ended = new Map<string, Leftover>();
  const spared = ownFamily();
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const found = findMarked(entry, spared);
    if (found.length === 0 || performance.now() > deadline) return [...ended.values()];
    for (const leftover of found) {
      ended.set(`${leftover.pid} ${leftover.startTicks}`, leftover);
      // Between reading its environment and now the number may have changed hands.
      if (readStat(leftover.pid)?.startTicks !== leftover.startTicks) continue;
      if (!spared.has(leftover.group)) signalGroup(leftover.group, "SIGKILL");
      try {
        process.kill(leftover.pid, "SIGKILL");
      } catch {
        // Died with its group.
      }
    }
    await Bun.sleep(5);
  }
}

function findMarked(entry: Buffer, spared: ReadonlySet<number>): Leftover[] {
  const found: Leftover[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!(pid > 0) || spared.has(pid)) continue;
    const before = readStat(pid);
    if (before === null) continue;
    const environment = readOrNull(`/proc/${pid}/environ`);
    if (environment === null) continue;
    if (!Buffer.concat([Buffer.of(0), environment, Buffer.of(0)]).includes(entry)) continue;
    const { group, startTicks, command } = before;
    found.push({ pid, group, startTicks, command });
  }
  return found;
}

interface Stat {
  parent: number;
  group: number;
  startTicks: number;
  command: string;
}

/** Null when there is no such process (a zombie is none). */
function readStat(pid: number): Stat | null {
  const text = readOrNull(`/proc/${pid}/stat`)?.toString();
  if (text === undefined) return null;
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return null;
  return {
    parent: Number(fields[1]),
    group: Number(fields[2]),
    startTicks: Number(fields[19]),
    command: text.slice(text.indexOf("(") + 1, end),
  };
}

/** This process, its group and its ancestors: a run inside an attempt of its own mark must not end itself. */
function ownFamily(): Set<number> {
  const family = new Set<number>([1]);
  for (let pid = process.pid; pid > 1;) {
    const stat = readStat(pid);
    if (stat === null) break;
    family.add(pid);
    family.add(stat.group);
    pid = stat.parent;
  }
  return family;
}

function readOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null; // gone, or another user's
  }
}
