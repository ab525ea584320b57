/** Samples that nobody measured, to look at pages and to test them. The same seed gives the same ones. */
import type {
  EngineId,
  Environment,
  Sample,
  SpotFigures,
  Workload,
} from "../../engines/samples.ts";
import { randomSource } from "../../random.ts";

interface Model {
  startup_s: number;
  /** seconds of distribution a task, on all slots together */
  each_s: number;
  memoryBytes: number;
  bytesATask: number;
  most: number;
  again: number;
}

const MODELS: Readonly<Record<string, Model>> = {
  holdall: model(0.06, 0.0004, 90e6, 60, 1e6, 0.52),
  "holdall+workqueue": model(0.9, 0.0043, 95e6, 80, 1e5, 0.55),
  "holdall+ray": model(2.6, 0.0011, 95e6, 80, 1e5, 0.55),
  workqueue: model(0.35, 0.0037, 12e6, 1800, 1e5, 0.61),
  ray: model(2.3, 0.0008, 150e6, 5000, 1e5, 0.7),
  parsl: model(1.9, 0.0013, 70e6, 9000, 1e5, 0.93),
  dask: model(1.6, 0.0021, 110e6, 7000, 1e5, 0.84),
  htcondor: model(9, 0.16, 40e6, 40_000, 1e3, 1.4),
  slurm: model(0.7, 0.03, 18e6, 3000, 1e3, 1.1),
  "slurm-array": model(0.5, 0.2, 18e6, 3000, 1e3, 1.2),
  parallel: model(0.2, 0.0024, 25e6, 200, 1e5, 0),
  xargs: model(0.002, 0.00044, 2e6, 0, 1e6, 0),
  floor: model(0.002, 0.00026, 2e6, 0, 1e6, 0),
};

function model(
  startup: number,
  each: number,
  memoryBytes: number,
  bytesATask: number,
  most: number,
  again: number,
): Model {
  return { startup_s: startup, each_s: each, memoryBytes, bytesATask, most, again };
}

export const MADE_UP_ENGINES: readonly string[] = Object.keys(MODELS);

const empty: Workload = {
  kind: "empty",
  tasks: 1000,
  n: null,
  tolerance: null,
  bytes: null,
  level: null,
  sleep_ms: null,
  workers: 2,
};

export function madeUp(
  seed: number,
  engines: readonly string[] = MADE_UP_ENGINES,
): {
  run(
    scenario: Sample["scenario"],
    workload: Partial<Workload>,
    rounds: number,
    spot?: Omit<SpotFigures, "reexecuted_s" | "reexecutions">,
  ): Sample[];
  environment: Environment;
} {
  const { normal, uniform, integer } = randomSource(seed);
  const noise = (spread: number): number => Math.exp(normal() * spread);
  const one = (
    scenario: Sample["scenario"],
    engine: string,
    workload: Workload,
    round: number,
    place: number,
    spot: Omit<SpotFigures, "reexecuted_s" | "reexecutions"> | undefined,
  ): Sample => {
    const figures = MODELS[engine]!;
    const taskMs = workload.kind === "zfp" ? 6 : workload.kind === "zlib" ? 105 : null;
    const times =
      taskMs === null
        ? null
        : Array.from(
            { length: workload.tasks },
            () => taskMs * noise(0.08) + (uniform() < 0.04 ? taskMs : 0),
          );
    const work =
      (times?.reduce((sum, each) => sum + each, 0) ?? workload.tasks * (workload.sleep_ms ?? 0)) /
      1000 /
      workload.workers;
    const again = spot === undefined ? 0 : spot.kills * figures.again * noise(0.3);
    return {
      scenario,
      engine: engine as EngineId,
      version: "1.2.3",
      workload,
      round,
      place,
      warm: true,
      startup_s: figures.startup_s,
      wall_s:
        (work + workload.tasks * figures.each_s + 0.004 + again / workload.workers) * noise(0.05),
      done: workload.tasks,
      failed: 0,
      task_ms: times,
      compression_ratio: times === null ? null : workload.kind === "zfp" ? 2.113 : 0.9997,
      checksum: times === null ? null : "ab".repeat(32),
      binary: times === null ? null : "cd".repeat(32),
      manager_cpu_s: workload.tasks * figures.each_s * 0.4 * noise(0.1),
      manager_peak_bytes: Math.round(
        (figures.memoryBytes + workload.tasks * figures.bytesATask) * noise(0.02),
      ),
      spot:
        spot === undefined ? null : { ...spot, reexecuted_s: again, reexecutions: spot.kills * 2 },
      at_ms: 1_760_000_000_000 + round * 60_000 + place * 1000,
    };
  };
  return {
    run: (scenario, changes, rounds, spot) => {
      const workload = { ...empty, ...changes };
      const able = engines.filter(
        (engine) =>
          MODELS[engine]!.most >= workload.tasks &&
          (spot === undefined || MODELS[engine]!.again > 0),
      );
      return Array.from({ length: rounds }, (_, round) => {
        const shift = integer(0, able.length - 1);
        return able.map((_engine, place) =>
          one(scenario, able[(place + shift) % able.length]!, workload, round, place, spot),
        );
      }).flat();
    },
    environment: {
      command: `holdall bench engines --engines ${engines.join(",")} --tasks 24 --n 200000 --workers 2 --reps 7`,
      at: "2026-03-01T12:00:00Z",
      commit: "0123456789abcdef0123456789abcdef01234567",
      cpu: "A processor that nobody measured",
      cores: 2,
      memory_bytes: 8 * 2 ** 30,
      kernel: "6.1.0",
      os: "Debian GNU/Linux 12",
      compiler: "g++ 12.2.0",
      zfp: "zfp 1.0.0",
      zlib: "zlib 1.2.13",
      engines: Object.fromEntries(engines.map((engine) => [engine, "1.2.3, made up"])),
      missing: { "slurm-job": "sbatch is not on the PATH; scripts/setup --engines installs it" },
      load_average: [0.1, 0.2, 0.3],
    },
  };
}
