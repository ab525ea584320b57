import { expect, test } from "bun:test";
import {
  detectCpus,
  detectGpus,
  detectMemory,
  detectOffer,
  type Machine,
  thisMachine,
} from "./offer.ts";

const GIB = 1024 ** 3;

function machine(files: Record<string, string>, more: Partial<Machine> = {}): Machine {
  return {
    read: (path) => files[path] ?? null,
    list: () => [],
    freeBytes: () => 10 * GIB,
    parallelism: () => 16,
    totalMemoryBytes: () => 64 * GIB,
    env: {},
    ...more,
  };
}

test("without limits: what the machine has", () => {
  expect(detectOffer("/x", machine({}))).toEqual({
    cpus: 16,
    memoryBytes: 64 * GIB,
    diskBytes: 10 * GIB,
    gpus: 0,
    maxParallel: null,
    timeLimitSeconds: null,
    scheduler: null,
  });
});

test("cpus: where this process may be scheduled", () => {
  const status = (list: string) =>
    machine({ "/proc/self/status": `X:\t1\nCpus_allowed_list:\t${list}\n` });
  expect(detectCpus(status("0-3,8"))).toBe(5);
  expect(detectCpus(status("2"))).toBe(1);
  expect(detectCpus(status("0-63"))).toBe(16);
});

test("cgroup version 2: the least of all folders up to the root", () => {
  const files = {
    "/proc/self/cgroup": "0::/user/job\n",
    "/sys/fs/cgroup/user/job/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/user/cpu.max": "250000 100000\n",
    "/sys/fs/cgroup/user/job/memory.max": "max\n",
    "/sys/fs/cgroup/user/memory.max": "8589934592\n",
  };
  expect(detectCpus(machine(files))).toBe(2);
  expect(detectMemory(machine(files))).toBe(8 * GIB);
});

test("cgroup version 1, in a container whose path is not below the mount", () => {
  const files = {
    "/proc/self/cgroup": "9:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
  };
  expect(detectCpus(machine(files))).toBe(1);
  expect(detectMemory(machine(files))).toBe(GIB);
  const none = {
    ...files,
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
  };
  expect(detectCpus(machine(none))).toBe(16);
  expect(detectMemory(machine(none))).toBe(64 * GIB);
});

test("gpus: devices, less what CUDA_VISIBLE_DEVICES hides", () => {
  const gpus = (visible: string | undefined, folders: Record<string, string[]>): number =>
    detectGpus(
      machine(
        {},
        {
          list: (path) => folders[path] ?? [],
          env: visible === undefined ? {} : { CUDA_VISIBLE_DEVICES: visible },
        },
      ),
    );
  const four = { "/proc/driver/nvidia/gpus": ["a", "b", "c", "d"] };
  expect(gpus(undefined, {})).toBe(0);
  expect(gpus(undefined, four)).toBe(4);
  expect(gpus(undefined, { "/dev": ["nvidia0", "nvidia1", "nvidiactl", "null"] })).toBe(2);
  expect(gpus("0,1", four)).toBe(2);
  expect(gpus("", four)).toBe(0);
  expect(gpus("-1", four)).toBe(0);
  expect(gpus("0,-1,1", four)).toBe(1);
});

test("this machine offers something", () => {
  const offer = detectOffer("/tmp/not/there", thisMachine);
  expect(offer.cpus).toBeGreaterThanOrEqual(1);
  expect(offer.memoryBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(offer.diskBytes).toBeGreaterThan(0);
});
