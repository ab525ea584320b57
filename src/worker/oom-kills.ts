/**
 * Tells a SIGKILL by the kernel for want of memory from any other: the control group of this process, in which its attempts run, counts
 * them. Each counted kill explains one ended attempt. Where there is no such counter, nothing is explained.
 */
import { readFileSync } from "node:fs";
import { posix } from "node:path";

export type ReadText = (path: string) => string | null;

/** Answers true once for every kill since it was made. */
export function createOomKills(read: ReadText = readText): () => boolean {
  const path = counterPath(read);
  const count = (): number => {
    const value = path === null ? null : /^oom_kill (\d+)$/m.exec(read(path) ?? "")?.[1];
    return Number(value ?? 0);
  };
  let explained = count();
  return () => {
    if (path === null || count() <= explained) return false;
    explained++;
    return true;
  };
}

/** In a container the group's own path may not exist below the mount: then the mount is the group. */
function counterPath(read: ReadText): string | null {
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    const unified = controllers === "";
    if (!unified && !controllers.split(",").includes("memory")) continue;
    const root = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const file = unified ? "memory.events" : "memory.oom_control";
    for (const folder of [posix.join(root, path), root]) {
      const at = posix.join(folder, file);
      if (read(at)?.includes("oom_kill ") === true) return at;
    }
  }
  return null;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
