/** Where a process lives, so that another one can tell whether it may look for it by its number: this boot, this pid namespace. */
import { readFileSync, readlinkSync } from "node:fs";

/** Null where it cannot be told. */
export function thisPlace(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

/** Whether there is a process of this number, in this place. A zombie is none. */
export function processExists(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    // Hidden from us is not gone.
    return (error as NodeJS.ErrnoException).code !== "ENOENT" || hidden();
  }
}

/** /proc mounted with hidepid: other users' processes are not shown. */
function hidden(): boolean {
  try {
    return /^proc \/proc proc \S*hidepid=(?!0|off)/m.test(readFileSync("/proc/mounts", "utf8"));
  } catch {
    return true;
  }
}
