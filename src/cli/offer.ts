/** What this machine offers to tasks: what the kernel would let this process use, not what the mainboard carries. */
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, posix } from "node:path";
import type { Offer } from "../protocol/session.ts";

/** The machine as seen by detection; tests give their own. */
export interface Machine {
  /** the file's text, or null */
  read(path: string): string | null;
  /** names in a directory; empty when there is none */
  list(path: string): string[];
  /** bytes free for this user on the file system of the nearest existing directory */
  freeBytes(path: string): number;
  parallelism(): number;
  totalMemoryBytes(): number;
  env: Readonly<Record<string, string | undefined>>;
}

export const thisMachine: Machine = {
  read(path) {
    try {
      return readFileSync(path, "utf8");
    } catch {
      return null;
    }
  },
  list(path) {
    try {
      return readdirSync(path);
    } catch {
      return [];
    }
  },
  freeBytes(path) {
    let folder = path;
    while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
    try {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    } catch {
      return 0;
    }
  },
  parallelism: availableParallelism,
  totalMemoryBytes: totalmem,
  env: process.env,
};

/** Everything a machine offers when the user says nothing. */
export function detectOffer(stateDir: string, machine: Machine = thisMachine): Offer {
  return {
    cpus: detectCpus(machine),
    memoryBytes: detectMemory(machine),
    diskBytes: machine.freeBytes(stateDir),
    gpus: detectGpus(machine),
    maxParallel: null,
    timeLimitSeconds: null,
    scheduler: null,
  };
}

/** The least of: cpus this process may be scheduled on, and its cgroups' quota (at least 1). */
export function detectCpus(machine: Machine): number {
  const allowed = cpuListLength(
    /^Cpus_allowed_list:\s*(\S+)/m.exec(machine.read("/proc/self/status") ?? "")?.[1],
  );
  let cpus = Math.min(machine.parallelism(), allowed ?? Number.POSITIVE_INFINITY);
  for (const folder of cgroupFolders(machine, "")) {
    const [quota, period] = (machine.read(`${folder}/cpu.max`) ?? "").trim().split(" ").map(Number);
    if (quota !== undefined && period !== undefined && quota > 0 && period > 0) {
      cpus = Math.min(cpus, quota / period);
    }
  }
  for (const folder of cgroupFolders(machine, "cpu")) {
    const quota = Number(machine.read(`${folder}/cpu.cfs_quota_us`) ?? "-1");
    const period = Number(machine.read(`${folder}/cpu.cfs_period_us`) ?? "0");
    if (quota > 0 && period > 0) cpus = Math.min(cpus, quota / period);
  }
  return Math.max(1, Math.floor(cpus));
}

/** The least of: the machine's memory and the limits of its cgroups. */
export function detectMemory(machine: Machine): number {
  const limits = [machine.totalMemoryBytes()];
  const add = (text: string | null): void => {
    const value = Number((text ?? "").trim() || "max");
    if (Number.isFinite(value) && value > 0) limits.push(value);
  };
  for (const folder of cgroupFolders(machine, "")) add(machine.read(`${folder}/memory.max`));
  for (const folder of cgroupFolders(machine, "memory")) {
    add(machine.read(`${folder}/memory.limit_in_bytes`));
  }
  return Math.min(...limits);
}

/** NVIDIA devices, less what CUDA_VISIBLE_DEVICES hides. */
export function detectGpus(machine: Machine): number {
  const visible = machine.env["CUDA_VISIBLE_DEVICES"];
  const listed = machine.list("/proc/driver/nvidia/gpus").length;
  const present = listed || machine.list("/dev").filter((name) => /^nvidia\d+$/.test(name)).length;
  if (visible === undefined) return present;
  // CUDA stops at the first id it does not know; "-1" is the usual way to say none.
  const ids = visible.split(",").map((id) => id.trim());
  const stop = ids.findIndex((id) => id === "" || id.startsWith("-") || id === "NoDevFiles");
  const wanted = stop < 0 ? ids.length : stop;
  return present > 0 ? Math.min(present, wanted) : wanted;
}

/**
 * This process's cgroup folders from its own up to the root, of version 2 (controller "") or of a version 1
 * controller. In a container the path named in /proc may not exist below the mount: reading then gives null.
 */
function cgroupFolders(machine: Machine, controller: string): string[] {
  for (const line of (machine.read("/proc/self/cgroup") ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    if (controller === "" ? controllers !== "" : !controllers.split(",").includes(controller)) {
      continue;
    }
    const root = controller === "" ? "/sys/fs/cgroup" : `/sys/fs/cgroup/${controller}`;
    const folders: string[] = [];
    for (let at = path; at !== "/" && at !== "." && at !== ""; at = posix.dirname(at)) {
      folders.push(posix.join(root, at));
    }
    return [...folders, root];
  }
  return [];
}

/** "0-3,8" → 5; null when it says nothing. */
function cpuListLength(list: string | undefined): number | null {
  if (list === undefined || list === "") return null;
  let n = 0;
  for (const range of list.split(",")) {
    const [from, to] = range.split("-").map(Number);
    if (from === undefined || Number.isNaN(from)) return null;
    n += (to ?? from) - from + 1;
  }
  return n > 0 ? n : null;
}
