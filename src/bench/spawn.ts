/**
 * `bench spawn`: N trivial commands through `holdall run`, against the floor nobody can beat (posix_spawn and wait in a C loop).
 * Both are whole processes, timed from exec to exit.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { HoldallError } from "../core/error.ts";
import { measurePairs, median } from "./pairs.ts";

export interface SpawnBenchOptions {
  tasks: number;
  slots: number;
  logs: boolean;
  pairs: number;
  /** argv that starts this very Holdall */
  self: readonly string[];
  note(text: string): void;
}

export interface SpawnBenchResult {
  tasks: number;
  slots: number;
  floor_per_second: number;
  run_per_second: number;
  ratio: number;
  logs: boolean;
  samples: { floor_per_second: number[]; run_per_second: number[] };
}

export async function spawnBench(options: SpawnBenchOptions): Promise<SpawnBenchResult> {
  const { tasks, slots, logs } = options;
  const folder = mkdtempSync(join(tmpdir(), "holdall-bench-"));
  const keep = logs ? "capture" : "none";
  try {
    const pairs = await measurePairs(
      options.pairs,
      async () => {
        const seconds = await timed([
          ...options.self,
          ...["run", "--json", "--quiet", "--fresh", "--state-dir", join(folder, "state")],
          ...["--cpus", String(slots), "--stdout", keep, "--stderr", keep],
          ...["--array", `1-${tasks}`, "--", "/bin/true"],
        ]);
        rmSync(join(folder, "state"), { recursive: true, force: true });
        options.note(`holdall ${Math.round(tasks / seconds)}/s`);
        return tasks / seconds;
      },
      async () => {
        const rate = await floorRate(tasks, slots);
        options.note(`floor   ${Math.round(rate)}/s`);
        return rate;
      },
    );
    return {
      tasks,
      slots,
      floor_per_second: median(pairs.b),
      run_per_second: median(pairs.a),
      ratio: pairs.ratio,
      logs,
      samples: { floor_per_second: pairs.b, run_per_second: pairs.a },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Commands a second, `slots` at a time. */
export async function floorRate(tasks: number, slots: number): Promise<number> {
  return tasks / (await timed([floorBinary(), String(tasks), String(slots), "--", "/bin/true"]));
}

/** Seconds from exec to exit. */
export async function timed(argv: readonly string[]): Promise<number> {
  const started = performance.now();
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });
  const [code, text] = await Promise.all([child.exited, new Response(child.stderr).text()]);
  if (code !== 0)
    throw new HoldallError("internal", `${argv.join(" ")} ended with ${code}: ${text.trim()}`);
  return (performance.now() - started) / 1000;
}

function floorBinary(): string {
  const path = resolve(import.meta.dir, "../../build/kernels/spawn_floor");
  if (existsSync(path)) return path;
  throw new HoldallError("not_found", "spawn_floor is not built", {
    fix: "run scripts/setup in the source tree, and this from there",
  });
}
