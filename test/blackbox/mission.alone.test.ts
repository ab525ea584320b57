// The commands of the studies that this continues, as they were written there, on small bags. Each is run from a copy, so that
// results of the clone stay as they are.

import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { engineParts } from "../../src/worker/executors/engines.ts";
import type { Result } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

const COMMANDS = [
  "build.sh",
  "run_workqueue.sh",
  "run_ray.sh",
  "run_slurm_sim.sh",
  "run_spot_sim.sh",
  "summarize_results.py",
];
const setup = "sh scripts/setup --all";
const noWorkQueue = requires("workqueue", setup, engineParts("workqueue").found);
const noRay = requires("ray", setup, engineParts("ray").found);
const noSlurm =
  requires("slurmctld", setup) ||
  requires("munged", setup) ||
  requires("root", "run as root", process.getuid?.() === 0);
const LIMIT_MS = 150_000;

/** A folder with these commands in which everything else is the clone's. */
function copy(): string {
  const folder = scratchDir();
  mkdirSync(join(folder, "scripts"));
  for (const name of COMMANDS)
    copyFileSync(join(root, "scripts", name), join(folder, "scripts", name));
  symlinkSync(join(root, "bin"), join(folder, "bin"));
  return folder;
}

async function call(
  folder: string,
  name: string,
  variables: Record<string, string> = {},
): Promise<Result> {
  const child = Bun.spawn([join(folder, "scripts", name)], {
    cwd: folder,
    env: { ...process.env, ...variables },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { code: child.exitCode, signal: null, stdout, stderr };
}

function written(folder: string, name: string): string {
  return readFileSync(join(folder, "results", name), "utf8");
}

const small = { TASKS: "6", N: "20000", TOLERANCE: "1e-3" };
const FIGURES = String.raw`done=6 failed=0 wall_s=[\d.]+ tasks_per_s=[\d.]+`;

test("each is a wrapper of at most ten lines that can be executed", async () => {
  for (const name of COMMANDS) {
    const file = Bun.file(join(root, "scripts", name));
    expect((await file.text()).trimEnd().split("\n").length).toBeLessThanOrEqual(10);
    expect((await file.stat()).mode & 0o111).toBe(0o111);
  }
});

test(
  "build.sh has nothing to do where all is built",
  async () => {
    const child = Bun.spawn([join(root, "scripts/build.sh")], { stdin: "ignore", stderr: "pipe" });
    const said = await child.stderr.text();
    expect({ code: await child.exited, said }).toMatchObject({ code: 0 });
    expect(existsSync(join(root, "build/kernels/compress_task"))).toBe(true);
  },
  LIMIT_MS,
);

describe.skipIf(noWorkQueue || noRay)("Work Queue and Ray", () => {
  test(
    "the same bag on both, and the summary",
    async () => {
      const folder = copy();
      const probe = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
      const { port } = probe;
      probe.stop();
      const queue = await call(folder, "run_workqueue.sh", {
        ...small,
        WORKERS: "2",
        WQ_PORT: String(port),
      });
      expect(queue.stdout, queue.stderr).toMatch(new RegExp(`^Work Queue: ${FIGURES}$`, "m"));
      expect(queue.stdout).toContain("6 zfp tasks of 20000 float32 values, tolerance 0.001, 2 at");
      const ray = await call(folder, "run_ray.sh", { ...small, CPUS: "2" });
      expect(ray.stdout, ray.stderr).toMatch(new RegExp(`^Ray: ${FIGURES}$`, "m"));
      const { code, stderr } = await call(folder, "summarize_results.py");
      expect(code, stderr).toBe(0);
      const text = written(folder, "benchmark_summary.txt");
      expect(text).toMatch(new RegExp(`^Work Queue: ${FIGURES}$`, "m"));
      expect(text).toMatch(new RegExp(`^Ray: ${FIGURES}$`, "m"));
      const [queueS, rayS] = [...text.matchAll(/wall_s=([\d.]+)/g)].map((found) =>
        Number(found[1]),
      );
      const ratio = /^Wall-time ratio \(WQ\/Ray\): (\d+\.\d{3})$/m.exec(text);
      expect(Number(ratio?.[1])).toBeCloseTo(queueS! / rayS!, 2);
    },
    LIMIT_MS,
  );

  test(
    "workers that are killed",
    async () => {
      const folder = copy();
      const { code, stdout, stderr } = await call(folder, "run_spot_sim.sh");
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const text = written(folder, "spot_sim_summary.txt");
      expect(stdout).toBe(text);
      for (const engine of ["workqueue", "ray"]) expect(text).toMatch(`${engine}_exit=0\n`);
      const kills = [
        ...text.matchAll(/killed, no warning: done=24 failed=0 .* kills=(\d+) lost=0/g),
      ];
      expect(kills.length).toBe(2);
      for (const [, count] of kills) expect(Number(count)).toBeGreaterThan(0);
      expect(existsSync(join(folder, "results/spot_sim/report.html"))).toBe(true);
    },
    LIMIT_MS,
  );

  test("without results there is nothing to sum up, and it says what to do", async () => {
    const { code, stderr } = await call(copy(), "summarize_results.py");
    expect(code).toBe(3);
    expect(stderr).toContain("nothing was measured into");
    expect(stderr).toContain("fix:");
  });

  test(
    "a port that is none, or taken, and a number that is none are named",
    async () => {
      const folder = copy();
      const none = await call(folder, "run_workqueue.sh", { ...small, WQ_PORT: "http" });
      expect(none.code).not.toBe(0);
      expect(none.stderr).toContain("WQ_PORT is not a port, 1 to 65535: http");
      const owner = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data() {} } });
      const taken = await call(folder, "run_workqueue.sh", {
        ...small,
        WQ_PORT: String(owner.port),
      });
      owner.stop();
      expect(taken.code).not.toBe(0);
      expect(taken.stderr).toContain(`port ${owner.port} is taken`);
      const tasks = await call(folder, "run_ray.sh", { TASKS: "many" });
      expect(tasks.code).toBe(2);
      expect(tasks.stderr).toContain("--tasks: 'many' is not an integer from 1");
    },
    LIMIT_MS,
  );
});

test.skipIf(noSlurm)(
  "a bag on Slurm",
  async () => {
    const folder = copy();
    const { code, stderr } = await call(folder, "run_slurm_sim.sh", small);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const text = written(folder, "slurm_sim_summary.txt");
    expect(text).toMatch(/^# Slurm: /);
    expect(text).toMatch(new RegExp(`^Holdall: ${FIGURES}$`, "m"));
  },
  LIMIT_MS,
);
