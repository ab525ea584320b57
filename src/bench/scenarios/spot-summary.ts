/** spot_summary.txt: one line for each engine and disturbance, and one with its outcome as an exit code. */
import type { EngineId, Sample } from "../engines/samples.ts";
import { medianOf } from "../engines/statistics.ts";

export function spotText(
  samples: readonly Sample[],
  broken: readonly { engine: EngineId; error: { message: string } }[],
): string {
  const lines: string[] = [];
  const engines = [...new Set([...samples, ...broken].map(({ engine }) => engine))];
  for (const engine of engines) {
    const own = samples.filter((sample) => sample.engine === engine);
    const failed = own.some((sample) => sample.failed > 0 || (sample.spot?.lost ?? 0) > 0);
    const breaks = broken.filter((each) => each.engine === engine);
    lines.push(`${fieldName(engine)}_exit=${failed || breaks.length > 0 ? 1 : 0}`);
    for (const [how, members] of Map.groupBy(own, howOf))
      lines.push(
        `  ${how}: ${figures(
          members,
          own.filter((each) => isCalmOf(each, members[0]!)),
        )}`,
      );
    for (const { error } of breaks) lines.push(`  broke: ${error.message.split("\n")[0]}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Undisturbed, and otherwise run like `other`: with workers of its own, or with Slurm's jobs. */
function isCalmOf({ spot }: Sample, other: Sample): boolean {
  const calm = spot === null || spot.warning_s === null;
  return calm && (spot?.by === "slurm") === (other.spot?.by === "slurm");
}

function howOf({ spot }: Sample): string {
  if (spot === null || spot.warning_s === null)
    return spot?.by === "slurm" ? "undisturbed on Slurm" : "undisturbed";
  const by = spot.by === "slurm" ? "preempted by Slurm" : "killed";
  return spot.warning_s === 0 ? `${by}, no warning` : `${by}, ${spot.warning_s} s of warning`;
}

function figures(samples: readonly Sample[], calm: readonly Sample[]): string {
  const sum = (of: (sample: Sample) => number): number =>
    samples.reduce((total, sample) => total + of(sample), 0);
  const wall = medianOf(samples.map((sample) => sample.wall_s));
  const done = Math.min(...samples.map((sample) => sample.done));
  const words = [
    `done=${done}`,
    `failed=${Math.max(...samples.map((sample) => sample.failed))}`,
    `wall_s=${wall.toFixed(3)}`,
    `tasks_per_s=${(done / wall).toFixed(2)}`,
  ];
  const kills = sum(({ spot }) => spot?.kills ?? 0);
  if (samples.some(({ spot }) => (spot?.warning_s ?? null) !== null)) {
    const again = sum(({ spot }) => spot?.reexecuted_s ?? 0);
    words.push(
      `kills=${kills}`,
      `lost=${sum(({ spot }) => spot?.lost ?? 0)}`,
      `reexecutions=${sum(({ spot }) => spot?.reexecutions ?? 0)}`,
      `reexecuted_s_per_kill=${kills === 0 ? "-" : (again / kills).toFixed(3)}`,
    );
    if (calm.length > 0) {
      const inflation = wall / medianOf(calm.map((sample) => sample.wall_s));
      words.push(`wall_ratio=${inflation.toFixed(3)}`);
    }
  }
  return words.join(" ");
}

/** As a shell would want it: workqueue_exit, slurm_array_exit. */
function fieldName(engine: string): string {
  return engine.replaceAll(/[^a-z]+/g, "_");
}
