/**
 * Memory of attempts that were given so much and no more. Every process of an attempt is in the session of the process started for it,
 * so what the session has resident is looked up in /proc, four times a second and only while there is such an attempt.
 *
 * Pages that processes of one attempt share (after fork) count once for each of them; before an attempt is ended for taking too
 * much, its processes are asked for their proportional share where the kernel tells it. What comes and goes between two looks is not seen.
 */
import { readdirSync, readFileSync } from "node:fs";

/** Short enough that a task which grows by 1 GiB a second is found 256 MiB above its limit. */
const LOOK_EVERY_MS = 250;
/** Looks until processes of other sessions are read again: their numbers may have been given away. */
const FORGET_EVERY = 20;

export interface MemoryWatch {
  /** `limitBytes` 0 = only measured */
  add(id: number, pid: number, limitBytes: number): void;
  /** the most it was seen to have, bytes; null when it was never looked at */
  remove(id: number): number | null;
}

export interface MemoryWatchOptions {
  /** told once for each attempt that has more than its limit */
  exceeded(id: number, bytes: number, limitBytes: number): void;
  proc?: Proc;
  everyMs?: number;
}

/** What is read of processes; tests give their own. */
export interface Proc {
  pids(): number[];
  /** its session and what it has resident, bytes; null when it is gone */
  stat(pid: number): { session: number; residentBytes: number } | null;
  /** its pages, each divided by how many processes share it; null when that cannot be told */
  proportionalBytes(pid: number): number | null;
}

interface Watched {
  pid: number;
  limitBytes: number;
  peakBytes: number | null;
  told: boolean;
}

export function createMemoryWatch(options: MemoryWatchOptions): MemoryWatch {
  const proc = options.proc ?? thisProc();
  const watched = new Map<number, Watched>();
  let timer: ReturnType<typeof setInterval> | null = null;
  /** in sessions that are nobody's of ours; a process never moves to a session that exists */
  const foreign = new Set<number>();
  let looks = 0;

  function look(): void {
    if (++looks % FORGET_EVERY === 0) foreign.clear();
    const sessions = new Map<number, { bytes: number; pids: number[] }>();
    for (const { pid } of watched.values()) sessions.set(pid, { bytes: 0, pids: [] });
    for (const pid of proc.pids()) {
      if (foreign.has(pid)) continue;
      const stat = proc.stat(pid);
      if (!stat) continue;
      const session = sessions.get(stat.session);
      if (!session) {
        foreign.add(pid);
        continue;
      }
      session.bytes += stat.residentBytes;
      session.pids.push(pid);
    }
    for (const [id, attempt] of watched) judge(id, attempt, sessions.get(attempt.pid)!);
  }

  function judge(id: number, attempt: Watched, found: { bytes: number; pids: number[] }): void {
    const { limitBytes, told } = attempt;
    let { bytes } = found;
    if (limitBytes > 0 && bytes > limitBytes && found.pids.length > 1)
      bytes = proportional(found.pids) ?? bytes;
    if (found.pids.length > 0) attempt.peakBytes = Math.max(attempt.peakBytes ?? 0, bytes);
    if (told || limitBytes === 0 || bytes <= limitBytes) return;
    attempt.told = true;
    options.exceeded(id, bytes, limitBytes);
  }

  function proportional(pids: readonly number[]): number | null {
    let sum = 0;
    for (const pid of pids) {
      const bytes = proc.proportionalBytes(pid);
      if (bytes === null) return null;
      sum += bytes;
    }
    return sum;
  }

  return {
    add(id, pid, limitBytes) {
      watched.set(id, { pid, limitBytes, peakBytes: null, told: false });
      foreign.clear();
      timer ??= setInterval(look, options.everyMs ?? LOOK_EVERY_MS);
    },
    remove(id) {
      const peak = watched.get(id)?.peakBytes ?? null;
      watched.delete(id);
      if (watched.size === 0 && timer) {
        clearInterval(timer);
        timer = null;
      }
      return peak;
    },
  };
}

export function thisProc(): Proc {
  const pageBytes = readPageBytes();
  return {
    pids() {
      try {
        return readdirSync("/proc")
          .map(Number)
          .filter((pid) => pid > 0);
      } catch {
        return [];
      }
    },
    stat(pid) {
      const text = read(`/proc/${pid}/stat`);
      if (text === null) return null;
      // The name in parentheses may hold anything; after it: state, parent, group, session, …; the 22nd is the pages.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      return { session: Number(fields[3]), residentBytes: Number(fields[21]) * pageBytes };
    },
    proportionalBytes(pid) {
      const kib = /^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1];
      return kib === undefined ? null : Number(kib) * 1024;
    },
  };
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** From the auxiliary vector, pairs of machine words: 6 = AT_PAGESZ. */
function readPageBytes(): number {
  try {
    const words = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    for (let i = 0; i + 1 < words.length; i += 2) if (words[i] === 6n) return Number(words[i + 1]);
  } catch {
    // No /proc: nothing is read anyway.
  }
  return 4096;
}
