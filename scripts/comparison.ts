// The figures of docs/comparison.md, from the committed results in docs/results, and the lines of the drivers.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { engineEntry } from "../src/bench/engines/catalog.ts";
import type { EngineId, Environment, Sample, Workload } from "../src/bench/engines/samples.ts";
import { medianOf } from "../src/bench/engines/statistics.ts";
import { summarize, type WorkloadSummary } from "../src/bench/engines/summary.ts";
import { markdownTable } from "./spec-keys.ts";

const RESULTS = "docs/results";
const TITLES = {
  engines: "One bag on every engine",
  small: "The second study's bag",
  empty: "Empty tasks",
  baseline: "The bags of the two studies, and a longer one",
  overhead: "What distribution costs",
  slurm: "On Slurm",
  spot: "Workers that are killed",
  scale: "Larger bags",
} as const;
type Scenario = keyof typeof TITLES;

/** Tables of every scenario that was measured and committed. */
export function figures(folder: string = RESULTS): string {
  const parts = (Object.keys(TITLES) as Scenario[])
    .filter((name) => existsSync(join(folder, name, "samples.jsonl")))
    .map((name) => scenarioText(name, join(folder, name)));
  if (parts.length === 0) return "Nothing was measured and committed yet.";
  return parts.join("\n\n");
}

function scenarioText(name: Scenario, folder: string): string {
  const samples = readFileSync(join(folder, "samples.jsonl"), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Sample);
  const environment = JSON.parse(
    readFileSync(join(folder, "environment.json"), "utf8"),
  ) as Environment;
  const head = [
    `### ${TITLES[name]}`,
    `\`${environment.command}\` at commit ${environment.commit?.slice(0, 12) ?? "?"}, ${environment.at.slice(0, 10)}: ${environment.cpu}, ${plural(environment.cores, "core")}, ${(environment.memory_bytes / 2 ** 30).toFixed(0)} GiB, ${environment.os}, Linux ${environment.kernel}. Every run, and plots: \`${folder}\` (\`report.html\`).`,
  ];
  const body =
    name === "spot" ? [spotTable(samples)] : summarize(samples).map((each) => workloadTable(each));
  return [...head, ...body].join("\n\n");
}

function workloadTable(summary: WorkloadSummary): string {
  const { workload, warm, rounds, engines } = summary;
  const own = engines.find(({ name }) => name === "holdall")?.wall_s.median;
  const memory = engines.some(({ manager_peak_bytes }) => manager_peak_bytes !== null);
  const rows = engines.map((engine) => [
    label(engine.name),
    engine.version,
    String(engine.done) + (engine.failed > 0 ? ` (${engine.failed} failed)` : ""),
    seconds(engine.startup_s),
    `${seconds(engine.wall_s.median)} (${seconds(engine.wall_s.min)}–${seconds(engine.wall_s.max)})`,
    number(engine.tasks_per_s),
    own === undefined ? "" : (engine.wall_s.median / own).toFixed(2),
    ...(memory ? [cost(engine.manager_cpu_s, engine.manager_peak_bytes)] : []),
  ]);
  const title = `${workloadText(workload)}, ${workload.workers} at a time, ${warm ? "warm" : "cold"}, median of ${rounds} (least–most):`;
  return `${title}\n\n${markdownTable([
    [
      "engine",
      "version",
      "done",
      "start-up, s",
      "wall, s",
      "tasks/s",
      "wall ÷ Holdall's",
      ...(memory ? ["manager: cpu s, peak MiB"] : []),
    ],
    ...rows,
  ])}`;
}

function spotTable(samples: readonly Sample[]): string {
  const groups = Map.groupBy(samples, ({ engine, spot, workload }) =>
    JSON.stringify([engine, spot?.by ?? null, spot?.warning_s ?? null, workload.tasks]),
  );
  const wallOf = (list: readonly Sample[]): number => medianOf(list.map(({ wall_s }) => wall_s));
  const rows = [...groups.values()]
    .filter(([first]) => first!.spot !== null && first!.spot.warning_s !== null)
    .map((list) => {
      const { engine, spot, workload } = list[0]!;
      const calm = samples.filter(
        (each) =>
          each.engine === engine &&
          each.workload.tasks === workload.tasks &&
          (each.spot?.warning_s ?? null) === null &&
          (each.spot?.by === "slurm") === (spot!.by === "slurm"),
      );
      const sum = (of: (sample: Sample) => number): number =>
        list.reduce((total, sample) => total + of(sample), 0);
      const kills = sum((each) => each.spot!.kills);
      return [
        label(engine),
        spot!.by === "slurm" ? "preempted by Slurm" : "killed",
        spot!.warning_s === 0 ? "none" : `${spot!.warning_s} s`,
        String(list.length),
        String(kills),
        String(sum((each) => each.spot!.lost + each.failed)),
        kills === 0 ? "–" : (sum((each) => each.spot!.reexecuted_s) / kills).toFixed(2),
        calm.length === 0 ? "–" : (wallOf(list) / wallOf(calm)).toFixed(2),
      ];
    });
  return markdownTable([
    [
      "engine",
      "how",
      "warning",
      "runs",
      "kills",
      "tasks lost or failed",
      "task-seconds executed again, per kill",
      "wall ÷ undisturbed",
    ],
    ...rows,
  ]);
}

function workloadText({ kind, tasks, n, tolerance, bytes, level, sleep_ms }: Workload): string {
  const of = number(tasks);
  switch (kind) {
    case "zfp":
      return `${of} zfp tasks of ${number(n!)} float32 values, tolerance ${tolerance}`;
    case "zlib":
      return `${of} zlib tasks of ${number(bytes! / 2 ** 20)} MiB, level ${level}`;
    case "sleep":
      return `${of} tasks of ${sleep_ms} ms`;
    case "empty":
      return `${of} empty tasks`;
  }
}

const COMMENT: Readonly<Record<string, RegExp>> = {
  py: /^\s*(#|"""|''')/,
  ts: /^\s*(\/\/|\/?\*)/,
  cpp: /^\s*(\/\/|\/?\*)/,
};

/** Lines of each driver that are neither blank nor a comment. */
export function effort(folder = "drivers"): string {
  const rows = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
    .map(({ name }) => name)
    .toSorted()
    .map((name) => {
      const files = readdirSync(join(folder, name)).filter((file) => /\.(py|ts|cpp)$/.test(file));
      const lines = files.flatMap((file) => codeLines(join(folder, name, file)));
      return [
        name === "slurm" ? "Slurm" : label(name as EngineId),
        files.join(", "),
        String(lines.length),
      ];
    });
  return markdownTable([["engine", "driver", "lines"], ...rows]);
}

function codeLines(file: string): string[] {
  const comment = COMMENT[file.split(".").at(-1)!]!;
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !comment.test(line));
}

function label(engine: EngineId): string {
  return engineEntry(engine).title;
}

function seconds(value: number): string {
  return value < 10 ? value.toFixed(value < 1 ? 3 : 2) : value.toFixed(1);
}

function number(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString("en-US")
    : String(Number(value.toPrecision(3)));
}

function plural(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? "" : "s"}`;
}

function cost(cpuS: number | null, peakBytes: number | null): string {
  if (cpuS === null && peakBytes === null) return "";
  return `${cpuS === null ? "?" : cpuS.toFixed(2)}, ${peakBytes === null ? "?" : Math.round(peakBytes / 2 ** 20)}`;
}
