import { readFileSync } from "node:fs";

/**
 * The soft limit of open files that attempts should have, or null when it is the one they inherit anyway. Bun
 * raises its own to the hard limit at start; programs that close every possible descriptor then take seconds.
 * What ours was can be read no more, but the process that started us still has its own.
 */
export function openFilesLimit(): number | null {
  const ours = softLimit("self");
  const before = softLimit(process.ppid);
  return before !== null && ours !== null && before < ours ? before : null;
}

function softLimit(pid: number | "self"): number | null {
  try {
    const [, soft] =
      /^Max open files +(\d+|unlimited)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8")) ?? [];
    if (soft === undefined) return null;
    return soft === "unlimited" ? Infinity : Number(soft);
  } catch {
    return null;
  }
}
