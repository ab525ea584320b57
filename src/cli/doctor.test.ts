import { expect, test } from "bun:test";
import { doctorText } from "./commands/doctor.ts";
import { type DoctorDeps, fileSystemType, runChecks } from "./doctor.ts";
import { NO_COLORS } from "./output/colors.ts";

const MOUNTS = [
  "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
  "2 1 0:30 / /data rw shared:1 - nfs4 server:/export rw",
  "3 2 8:2 / /data/a\\040b rw - xfs /dev/sdb rw",
].join("\n");

function deps(more: Partial<DoctorDeps> = {}): DoctorDeps {
  return {
    machine: {
      read: (path) => (path === "/proc/self/mountinfo" ? MOUNTS : null),
      list: () => [],
      freeBytes: () => 1024 ** 3,
      parallelism: () => 4,
      totalMemoryBytes: () => 1024 ** 3,
      env: {},
    },
    which: (program) => `/usr/bin/${program}`,
    firstLine: () => "version 1",
    exists: () => true,
    writable: () => true,
    sqliteVersion: () => "3.53.4",
    kernel: "6.1.0-18-amd64",
    platform: "linux",
    bunVersion: "1.4.4",
    launcher: "/clone/launcher",
    clone: "/clone",
    ...more,
  };
}

const failed = (stateDir: string, more: Partial<DoctorDeps>): string[] =>
  runChecks(stateDir, deps(more))
    .filter((check) => !check.ok)
    .map((check) => `${check.importance} ${check.name}: ${check.fix}`);

test("everything there", () => {
  expect(failed("/", {})).toEqual(["optional gpus: null"]);
});

test("what is missing says how to get it", () => {
  const missing = failed("/", {
    which: () => null,
    exists: (path) => path === "/bin/sh",
    writable: () => false,
    kernel: "4.19.0",
  });
  expect(missing).toContain("useful kernel: a newer kernel finds left-over processes more surely");
  expect(missing).toContain("useful C++ compiler: sudo apt-get install -y g++");
  expect(missing).toContain("useful zfp: sudo apt-get install -y libzfp-dev");
  expect(missing).toContain("optional slurm: sh scripts/setup --engines");
  expect(missing).toContain("optional work queue: sh scripts/setup --engines");
  expect(missing).toContain("optional ray: sh scripts/setup --engines");
  expect(missing).toContain(
    "needed state directory: start in a directory of yours, or give --state-dir DIR",
  );
});

test("a single executable carries its launcher", () => {
  const [launcher] = runChecks("/", deps({ launcher: null, exists: () => false })).filter(
    (check) => check.name === "launcher",
  );
  expect(launcher).toMatchObject({ ok: true, found: "inside this executable" });
});

test("file systems by the longest mount point", () => {
  expect(fileSystemType("/tmp", MOUNTS)).toBe("ext4");
  expect(fileSystemType("/data", MOUNTS)).toBe("nfs4");
  expect(fileSystemType("/datas", MOUNTS)).toBe("ext4");
  expect(fileSystemType("/data/a b/c", MOUNTS)).toBe("xfs");
  expect(fileSystemType("/", "")).toBeNull();
});

test("the text marks what is missing", () => {
  const bare = deps({ which: () => null, exists: (path) => !path.startsWith("/clone/.venv") });
  const text = doctorText(runChecks("/", bare), NO_COLORS);
  expect(text).toContain(
    "  MISSING  cmake         not installed; get it: sudo apt-get install -y cmake\n",
  );
  expect(text).toMatch(/^ {2}-- {2}ray +not installed; get it: /m);
});
