/** `bench baseline|overhead|scale|spot|slurm` from flags to results. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { chooseEngines, engineIds } from "../bench/engines/catalog.ts";
import { recordEnvironment } from "../bench/engines/environment.ts";
import { whyVoid } from "../bench/engines/fairness.ts";
import { openResultsFolder } from "../bench/engines/results-folder.ts";
import type { EnginesResult } from "../bench/engines/run-engines.ts";
import type { EngineId, Sample } from "../bench/engines/samples.ts";
import { summaryText, workloadText, type WorkloadSummary } from "../bench/engines/summary.ts";
import { writeReport } from "../bench/report/report.ts";
import { baseline } from "../bench/scenarios/baseline.ts";
import { overhead } from "../bench/scenarios/overhead.ts";
import { runScenario } from "../bench/scenarios/run-scenario.ts";
import { scale } from "../bench/scenarios/scale.ts";
import type { Part, ScenarioName, ScenarioRequest } from "../bench/scenarios/scenario.ts";
import { slurm, SLURM_ENGINES, SLURM_WORKERS } from "../bench/scenarios/slurm.ts";
import { type SlurmSite, useSlurm } from "../bench/scenarios/slurm-site.ts";
import { spotText } from "../bench/scenarios/spot-summary.ts";
import { spot, spotWorkers } from "../bench/scenarios/spot.ts";
import { HoldallError } from "../core/error.ts";
import { EXIT } from "./exit.ts";
import type { Io, StopSignal } from "./io.ts";
import { detectCpus, thisMachine } from "./offer.ts";

export interface ScenarioFlags extends Omit<ScenarioRequest, "workers"> {
  engines: readonly string[] | null;
  workers: number | null;
  out: string | null;
  /** a further place for the summary as text */
  summary: string | null;
  require: boolean;
  quiet: boolean;
}

export interface ScenarioReport {
  scenario: ScenarioName;
  out: string;
  report: string | null;
  missing: Record<string, string>;
  broken: Record<string, string>;
  summaries: WorkloadSummary[];
  text: string;
  exitCode: number;
}

const root = resolve(import.meta.dir, "../..");

/** Throws before anything ran: `usage`, `not_found`, `conflict` (results there already). Afterwards: `void`. */
export async function benchScenario(
  name: ScenarioName,
  flags: ScenarioFlags,
  io: Io,
): Promise<ScenarioReport> {
  const note = (line: string): void => {
    if (!flags.quiet) io.stderr.write(`${line}\n`);
  };
  const wanted = flags.engines ?? defaultEngines(name);
  const { chosen, missing } = chooseEngines(wanted, { root, which: (each) => Bun.which(each) });
  const absent = Object.entries(missing).map(([id, why]) => `${id}: ${why}`);
  if ((flags.require && absent.length > 0) || chosen.length === 0)
    throw new HoldallError("not_found", `not installed:\n  ${absent.join("\n  ")}`, {
      fix: "install what is named, or leave it out of --engines",
    });
  for (const line of absent) note(`left out: ${line}`);

  const workers = flags.workers ?? defaultWorkers(name, flags.quick);
  const request: ScenarioRequest = { ...flags, workers };
  const ids = chosen.map((entry) => entry.id);
  const out = resolve(io.cwd, flags.out ?? join("results", `${name}-${timestamp(io.now())}`));
  const programs = kernels();
  const folder = openResultsFolder(out);
  const environment = recordEnvironment({
    command: ["holdall", ...process.argv.slice(2)].join(" "),
    root,
    compressTask: programs.compressTask,
    missing,
    now: io.now(),
  });
  const stop = new AbortController();
  let stoppedBy = null as StopSignal | null;
  const releases = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    io.onSignal(signal, () => {
      if (stoppedBy === null) note("ending all engines");
      stoppedBy ??= signal;
      stop.abort();
    }),
  );
  const samples: Sample[] = [];
  let result: EnginesResult = { samples, broken: [], interrupted: false };
  let summaries: WorkloadSummary[] = [];
  let site: SlurmSite | null = null;
  try {
    if (name === "slurm" || flags.by === "slurm" || ids.some((id) => id.startsWith("slurm")))
      site = await useSlurm(root, io.env, note);
    if (flags.by !== "processes" && name === "spot" && site?.own === false)
      note("left out: preemption, because nobody but its users may preempt jobs on a site's Slurm");
    result = await runScenario({
      scenario: name,
      engines: chosen,
      parts: partsOf(name, request, ids, site),
      seed: flags.seed,
      programs: {
        compressTask: folder.keepProgram(programs.compressTask),
        sleepTask: folder.keepProgram(programs.sleepTask),
        empty: "/bin/true",
      },
      root,
      workFolder: folder.workFolder,
      env: site?.env ?? io.env,
      signal: stop.signal,
      onSample(sample) {
        samples.push(sample);
        folder.add(sample);
      },
      note,
    });
  } finally {
    for (const { engine, version } of samples) environment.engines[engine] = version;
    if (site !== null) environment.engines["Slurm cluster"] = site.what;
    for (const { engine, workload, error } of result.broken)
      environment.missing[`${engine}, ${workloadText(workload)}`] =
        `broke: ${error.message.split("\n")[0]}`;
    summaries = folder.finish(samples, environment);
    await site?.stop();
    for (const release of releases) release();
  }
  const text =
    (site === null ? "" : `# Slurm: ${site.what}\n`) +
    (name === "spot"
      ? spotText(samples, result.broken)
      : summaryText(summaries) + brokenText(result.broken));
  writeFileSync(join(out, "benchmark_summary.txt"), text);
  if (flags.summary !== null) {
    const path = resolve(io.cwd, flags.summary);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const report = samples.length === 0 ? null : writeReport(out).report;
  for (const group of Map.groupBy(samples, (each) => JSON.stringify(each.workload)).values()) {
    const why = whyVoid(group);
    if (why !== null)
      throw new HoldallError("void", `this run is void: ${why}`, {
        fix: `look at the samples: ${join(out, "samples.jsonl")}`,
      });
  }
  return {
    scenario: name,
    out,
    report,
    missing,
    broken: Object.fromEntries(result.broken.map(({ engine, error }) => [engine, error.message])),
    summaries,
    text,
    exitCode: exitCodeOf(stoppedBy, samples, result),
  };
}

/** An engine without figures has a line too. */
function brokenText(broken: EnginesResult["broken"]): string {
  const lines = broken.map(
    ({ engine, workload, error }) =>
      `${engine} broke (${workloadText(workload)}): ${error.message.split("\n")[0]}\n`,
  );
  return lines.length === 0 ? "" : `\n${lines.join("")}`;
}

function partsOf(
  name: ScenarioName,
  request: ScenarioRequest,
  ids: readonly EngineId[],
  site: SlurmSite | null,
): Part[] {
  switch (name) {
    case "baseline":
      return baseline(request, ids);
    case "overhead":
      return overhead(request, ids);
    case "scale":
      return scale(request, ids);
    case "spot":
      return spot(request, ids, site);
    case "slurm":
      return slurm(request, site);
  }
}

function defaultEngines(name: ScenarioName): readonly string[] | null {
  if (name === "slurm") return SLURM_ENGINES;
  if (name !== "spot") return null;
  return engineIds().filter(
    (id) => !id.includes("+") && !["parallel", "xargs", "floor"].includes(id),
  );
}

function defaultWorkers(name: ScenarioName, quick: boolean): number {
  if (name === "spot") return spotWorkers(quick);
  return name === "slurm" ? SLURM_WORKERS : detectCpus(thisMachine);
}

function exitCodeOf(
  stoppedBy: StopSignal | null,
  samples: readonly Sample[],
  { broken }: EnginesResult,
): number {
  if (stoppedBy !== null) return stoppedBy === "SIGINT" ? EXIT.interrupted : EXIT.terminated;
  const failed = samples.some(
    ({ failed: count, spot: figures }) => count > 0 || (figures?.lost ?? 0) > 0,
  );
  return failed || broken.length > 0 ? EXIT.taskFailed : EXIT.ok;
}

function kernels(): { compressTask: string; sleepTask: string } {
  const kernel = (program: string): string => {
    const path = join(root, "build/kernels", program);
    if (existsSync(path)) return path;
    throw new HoldallError("not_found", `${path} is not built`, {
      fix: "run scripts/setup in a clone of Holdall, and this from there",
    });
  };
  return { compressTask: kernel("compress_task"), sleepTask: kernel("sleep_task") };
}

function timestamp(now: number): string {
  return new Date(now).toISOString().replaceAll(/[:.]/g, "-");
}
