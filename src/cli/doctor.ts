/** What is here of what Holdall can use. Looks, never changes anything, starts nothing that takes long. */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { release } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ENGINE_NAMES, engineNamed } from "../worker/executors/engines.ts";
import { detectOffer, type Machine } from "./offer.ts";
import { bytes, plural } from "./output/units.ts";

/** needed: embedded runs do not work without. useful: the examples or full speed. optional: other engines. */
export type Importance = "needed" | "useful" | "optional";

export interface Check {
  name: string;
  importance: Importance;
  ok: boolean;
  /** what was found, or why it is not good enough */
  found: string;
  /** how to get it; null when nothing is to do */
  fix: string | null;
}

export interface DoctorDeps {
  machine: Machine;
  /** absolute path of a program on the PATH, or null */
  which(program: string): string | null;
  /** first line that a program prints, or null */
  firstLine(argv: readonly string[]): string | null;
  exists(path: string): boolean;
  writable(path: string): boolean;
  sqliteVersion(): string;
  kernel: string;
  platform: string;
  bunVersion: string;
  /** where a clone keeps its launcher; null in the single executable, which carries it */
  launcher: string | null;
  /** the clone's folder; null in the single executable */
  clone: string | null;
}

const FREE_BYTES_WANTED = 256 * 1024 ** 2;
/** close_range and pidfd: what lets a launcher end whatever an attempt left. */
const KERNEL_WANTED = [5, 3] as const;
const NETWORK_FILE_SYSTEMS: ReadonlySet<string> = new Set([
  "nfs",
  "nfs4",
  "cifs",
  "smb3",
  "lustre",
  "gpfs",
  "beegfs",
  "ceph",
  "afs",
  "9p",
  "fuse.sshfs",
  "fuse.glusterfs",
  "glusterfs",
  "orangefs",
  "panfs",
]);

export function runChecks(stateDir: string, deps: DoctorDeps): Check[] {
  return [
    ...systemChecks(deps),
    ...stateDirChecks(stateDir, deps),
    ...toolChecks(deps),
    ...engineChecks(deps),
  ];
}

function systemChecks(deps: DoctorDeps): Check[] {
  const offer = detectOffer("/", deps.machine);
  const [major = 0, minor = 0] = deps.kernel.split(/[.-]/).map(Number);
  const recent =
    major > KERNEL_WANTED[0] || (major === KERNEL_WANTED[0] && minor >= KERNEL_WANTED[1]);
  const launcher = deps.launcher === null || deps.exists(deps.launcher);
  return [
    check("bun", "needed", true, deps.bunVersion, null),
    check("sqlite", "needed", true, deps.sqliteVersion(), null),
    check(
      "system",
      "needed",
      deps.platform === "linux",
      `${deps.platform} ${deps.kernel}`,
      "Holdall runs tasks on Linux",
    ),
    check("shell", "needed", deps.exists("/bin/sh"), "/bin/sh", "install a POSIX shell as /bin/sh"),
    check(
      "kernel",
      "useful",
      recent,
      recent ? deps.kernel : `${deps.kernel} is older than ${KERNEL_WANTED.join(".")}`,
      "a newer kernel finds left-over processes more surely",
    ),
    check(
      "launcher",
      "useful",
      launcher,
      launcher ? (deps.launcher ?? "inside this executable") : "not built: tasks start more slowly",
      "install a C compiler (sudo apt-get install -y gcc libc6-dev), then run holdall again",
    ),
    check("cpus", "needed", true, `${offer.cpus} for tasks`, null),
    check("memory", "needed", true, `${bytes(offer.memoryBytes)} for tasks`, null),
    check(
      "gpus",
      "optional",
      offer.gpus > 0,
      offer.gpus > 0 ? plural(offer.gpus, "GPU") : "none",
      null,
    ),
  ];
}

function stateDirChecks(stateDir: string, { machine, writable }: DoctorDeps): Check[] {
  let folder = stateDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const canWrite = writable(folder);
  const free = machine.freeBytes(folder);
  const type = fileSystemType(folder, machine.read("/proc/self/mountinfo") ?? "");
  const network = type !== null && NETWORK_FILE_SYSTEMS.has(type);
  return [
    check(
      "state directory",
      "needed",
      canWrite,
      canWrite ? stateDir : `${stateDir}: ${folder} is not writable`,
      "start in a directory of yours, or give --state-dir DIR",
    ),
    check(
      "free space",
      "needed",
      free >= FREE_BYTES_WANTED,
      `${bytes(free)} below ${folder}`,
      "make room, or give --state-dir DIR on another disk",
    ),
    check(
      "file system",
      "useful",
      !network,
      network ? `${type}: a network file system, every commit waits for it` : (type ?? "unknown"),
      "for speed: --state-dir DIR on a local disk",
    ),
  ];
}

function toolChecks(deps: DoctorDeps): Check[] {
  const header = (file: string): string | null =>
    ["/usr/include", "/usr/local/include"].map((d) => join(d, file)).find(deps.exists) ?? null;
  const program = (name: string, candidates: readonly string[], pkg: string): Check => {
    const path = candidates.map(deps.which).find((found) => found !== null) ?? null;
    const version = path === null ? null : deps.firstLine([path, "--version"]);
    return check(name, "useful", path !== null, version ?? path ?? "not installed", apt(pkg));
  };
  const headers = (name: string, file: string, pkg: string): Check => {
    const path = header(file);
    return check(name, "useful", path !== null, path ?? "not installed", apt(pkg));
  };
  return [
    program("C++ compiler", ["c++", "g++", "clang++"], "g++"),
    program("cmake", ["cmake"], "cmake"),
    program("python3", ["python3"], "python3"),
    headers("zfp", "zfp.h", "libzfp-dev"),
    headers("zlib", "zlib.h", "zlib1g-dev"),
  ];
}

function engineChecks(deps: DoctorDeps): Check[] {
  /** Engines for --executor: what of ours drives them, and their own programs. */
  const bridged = ENGINE_NAMES.map((name) => {
    const { title, parts, programs, install } = engineNamed(name);
    const paths = parts.map((part) => (deps.clone === null ? null : join(deps.clone, part)));
    const built = paths.every((path) => path !== null && deps.exists(path));
    const absent = programs.find((program) => deps.which(program) === null);
    const ok = built && absent === undefined;
    const found = ok ? paths[0] : built ? `${absent} is not on the PATH` : "not installed";
    const fix = deps.clone === null ? "only from a clone of Holdall" : install;
    return check(title.toLowerCase(), "optional", ok, found ?? "", fix);
  });
  const others = (
    [
      ["slurm", "sbatch", apt("slurm-wlm")],
      ["htcondor", "condor_submit", "see https://htcondor.org/downloads"],
    ] as const
  ).filter(([name]) => !bridged.some((each) => each.name === name));
  return [
    ...others.map(([name, program, fix]) => {
      const path = deps.which(program);
      return check(name, "optional", path !== null, path ?? "not installed", fix);
    }),
    ...bridged,
  ];
}

function check(
  name: string,
  importance: Importance,
  ok: boolean,
  found: string,
  fix: string | null,
): Check {
  return { name, importance, ok, found, fix: ok ? null : fix };
}

function apt(name: string): string {
  return `sudo apt-get install -y ${name}`;
}

/** The type of the file system that holds a path, by the longest mount point above it. */
export function fileSystemType(path: string, mountinfo: string): string | null {
  let best = "";
  let type: string | null = null;
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ");
    const encoded = left?.split(" ")[4];
    if (encoded === undefined || right === undefined) continue;
    // Blanks and such are written in octal.
    const mount = encoded.replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    const inside = mount === "/" || path === mount || path.startsWith(`${mount}/`);
    // Of two mounts on one place the later one is seen.
    if (inside && mount.length >= best.length) {
      best = mount;
      type = right.split(" ")[0] ?? null;
    }
  }
  return type;
}

/** `sqliteVersion` is the caller's: opening a database is not this file's business. */
export function realDoctorDeps(
  machine: Machine,
  sqliteVersion: () => string,
  compiled: boolean,
): DoctorDeps {
  return {
    machine,
    which: (program) => Bun.which(program),
    firstLine(argv) {
      try {
        const { stdout } = Bun.spawnSync([...argv], {
          stdin: "ignore",
          stderr: "ignore",
          timeout: 2000,
        });
        return stdout.toString().split("\n")[0]?.trim() || null;
      } catch {
        return null;
      }
    },
    exists: (path) => statSync(path, { throwIfNoEntry: false }) !== undefined,
    writable(path) {
      try {
        accessSync(path, constants.W_OK);
        return true;
      } catch {
        return false;
      }
    },
    sqliteVersion,
    kernel: release(),
    platform: process.platform,
    bunVersion: Bun.version,
    launcher: compiled ? null : resolve(import.meta.dir, "../../build/native/holdall-launcher"),
    clone: compiled ? null : resolve(import.meta.dir, "../.."),
  };
}
