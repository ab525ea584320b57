/** From samples to what is reported: the value of `bench engines --json`, summary.json, and lines for people. */
import type { CatalogEntry } from "./catalog.ts";
import { engineEntry } from "./catalog.ts";
import { type EngineId, ENGINES, type Sample, type Workload } from "./samples.ts";
import { ascending, meanOf, medianOf, quantile } from "./statistics.ts";

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface EngineSummary {
  name: EngineId;
  version: string;
  /** of each repetition; where they differ, the fewest done and the most failed */
  done: number;
  failed: number;
  startup_s: number;
  wall_s: Spread;
  /** tasks ÷ median wall_s */
  tasks_per_s: number;
  /** the kernel's own time, over all tasks of all repetitions; null for empty and sleeping tasks */
  task_ms: { mean: number; p50: number; p95: number } | null;
  compression_ratio: number | null;
  manager_cpu_s: number | null;
  manager_peak_bytes: number | null;
}

export interface WorkloadSummary {
  workload: Workload;
  warm: boolean;
  rounds: number;
  engines: EngineSummary[];
  /** "a/b": median wall_s of a ÷ that of b */
  ratios: Record<string, number>;
  /** by the engine's name: (wall_s of holdall+X − wall_s of X) ÷ tasks, where both were measured */
  bridge_overhead_ms: Record<string, number>;
}

/** One for each workload, in the order in which they were measured. */
export function summarize(samples: readonly Sample[]): WorkloadSummary[] {
  const groups = Map.groupBy(samples, ({ workload }) => JSON.stringify(workload));
  return [...groups.values()].map(summaryOfWorkload);
}

function summaryOfWorkload(samples: readonly Sample[]): WorkloadSummary {
  const { workload, warm } = samples[0]!;
  const groups = Map.groupBy(samples, ({ engine }) => engine);
  const engines = [...groups]
    .toSorted(([a], [b]) => placeOf(a) - placeOf(b))
    .map(([name, own]) => engineSummary(name, own));
  const ratios: Record<string, number> = {};
  for (const a of engines)
    for (const b of engines)
      if (a !== b) ratios[`${a.name}/${b.name}`] = a.wall_s.median / b.wall_s.median;
  const bridge_overhead_ms: Record<string, number> = {};
  for (const { name, wall_s } of engines) {
    const own = engines.find((each) => name === `holdall+${each.name}`);
    if (own === undefined) continue;
    const seconds = wall_s.median - own.wall_s.median;
    bridge_overhead_ms[own.name] = (seconds / workload.tasks) * 1000;
  }
  const rounds = new Set(samples.map(({ round }) => round)).size;
  return { workload, warm, rounds, engines, ratios, bridge_overhead_ms };
}

function placeOf(id: EngineId): number {
  const [own, bridged] = id.split("+");
  const at = (name: string | undefined): number => ENGINES.findIndex((each) => each === name) + 1;
  return at(own) * 1000 + at(bridged);
}

function engineSummary(name: EngineId, samples: readonly Sample[]): EngineSummary {
  const walls = samples.map(({ wall_s }) => wall_s);
  const median = medianOf(walls);
  const times = ascending(samples.flatMap(({ task_ms }) => task_ms ?? []));
  const last = samples.at(-1)!;
  return {
    name,
    version: last.version,
    done: Math.min(...samples.map(({ done }) => done)),
    failed: Math.max(...samples.map(({ failed }) => failed)),
    startup_s: medianOf(samples.map(({ startup_s }) => startup_s)),
    wall_s: { median, min: Math.min(...walls), max: Math.max(...walls) },
    tasks_per_s: last.workload.tasks / median,
    task_ms:
      times.length === 0
        ? null
        : { mean: meanOf(times), p50: quantile(times, 0.5), p95: quantile(times, 0.95) },
    compression_ratio: last.compression_ratio,
    manager_cpu_s: medianIfAll(samples.map(({ manager_cpu_s }) => manager_cpu_s)),
    manager_peak_bytes: medianIfAll(samples.map(({ manager_peak_bytes }) => manager_peak_bytes)),
  };
}

function medianIfAll(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === values.length ? medianOf(known) : null;
}

/** benchmark_summary.txt. */
export function summaryText(summaries: readonly WorkloadSummary[]): string {
  return summaries.map(textOfWorkload).join("\n");
}

function textOfWorkload(summary: WorkloadSummary): string {
  const { workload, warm, rounds, engines, bridge_overhead_ms } = summary;
  const lines = [
    `# ${workloadText(workload)}; ${warm ? "warm" : "cold"}; median of ${rounds}, start-up apart`,
  ];
  for (const { name, done, failed, wall_s, tasks_per_s } of engines) {
    const figures = `done=${done} failed=${failed} wall_s=${digits(wall_s.median)} tasks_per_s=${digits(tasks_per_s)}`;
    lines.push(`${engineEntry(name).title}: ${figures}`);
  }
  for (const [a, b] of ratioPairs(engines.map(({ name }) => engineEntry(name)))) {
    const ratio = summary.ratios[`${a.id}/${b.id}`]!;
    lines.push(`Wall-time ratio (${a.short}/${b.short}): ${ratio.toFixed(3)}`);
  }
  for (const [name, ms] of Object.entries(bridge_overhead_ms))
    lines.push(`Bridge overhead (${engineEntry(name).short}): ${ms.toFixed(3)} ms a task`);
  return `${lines.join("\n")}\n`;
}

/** Each engine against Holdall, and the pair that the comparison began with. */
function ratioPairs(entries: readonly CatalogEntry[]): [CatalogEntry, CatalogEntry][] {
  const by = (id: EngineId): CatalogEntry | undefined => entries.find((entry) => entry.id === id);
  const pairs: [CatalogEntry, CatalogEntry][] = [];
  const [workqueue, ray, holdall] = [by("workqueue"), by("ray"), by("holdall")];
  if (workqueue && ray) pairs.push([workqueue, ray]);
  if (holdall)
    for (const entry of entries)
      if (entry !== holdall) pairs.push(entry.id === "floor" ? [holdall, entry] : [entry, holdall]);
  return pairs;
}

export function workloadText(workload: Workload): string {
  const { kind, tasks, workers } = workload;
  const what = {
    zfp: `zfp tasks of ${workload.n} float32 values, tolerance ${workload.tolerance}`,
    zlib: `zlib tasks of ${workload.bytes} bytes, level ${workload.level}`,
    empty: "empty tasks",
    sleep: `tasks of ${workload.sleep_ms} ms`,
  }[kind];
  return `${tasks} ${what}, ${workers} at a time`;
}

/** Six significant digits, never with an exponent. */
function digits(value: number): string {
  if (value === 0) return "0";
  const decimals = Math.max(0, 5 - Math.floor(Math.log10(Math.abs(value))));
  return String(Number(value.toFixed(Math.min(decimals, 12))));
}
