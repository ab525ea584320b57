/** `bench engines` from its flags to its results. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type CatalogEntry, chooseEngines } from "../bench/engines/catalog.ts";
import { buildWithCctools } from "../bench/engines/cctools.ts";
import { recordEnvironment } from "../bench/engines/environment.ts";
import { whyVoid } from "../bench/engines/fairness.ts";
import { openResultsFolder } from "../bench/engines/results-folder.ts";
import { type EnginesResult, runEngines } from "../bench/engines/run-engines.ts";
import type { Sample, Workload } from "../bench/engines/samples.ts";
import { summaryText, type WorkloadSummary } from "../bench/engines/summary.ts";
import { parseSweeps, sweptWorkloads } from "../bench/engines/workloads.ts";
import { writeReport } from "../bench/report/report.ts";
import { type SlurmSite, useSlurm } from "../bench/scenarios/slurm-site.ts";
import { HoldallError } from "../core/error.ts";
import { EXIT } from "./exit.ts";
import type { Io, StopSignal } from "./io.ts";
import { detectCpus, thisMachine } from "./offer.ts";
import { usage } from "./usage.ts";

export interface EnginesRequest {
  engines: readonly string[] | null;
  tasks: number;
  codec: "zfp" | "zlib" | "none" | null;
  n: number | null;
  tolerance: number | null;
  bytes: number | null;
  level: number | null;
  sleepMs: number | null;
  workers: number | null;
  reps: number;
  warm: boolean;
  sweeps: readonly string[];
  require: boolean;
  seed: number;
  out: string | null;
  cctools: string | null;
  limitSeconds: number | null;
  quiet: boolean;
}

export interface EnginesReport {
  /** one for each workload */
  summaries: WorkloadSummary[];
  swept: boolean;
  /** engine → why it was left out and how to install it */
  missing: Record<string, string>;
  /** engine → what went wrong */
  broken: Record<string, string>;
  out: string;
  text: string;
  exitCode: number;
}

const DEFAULT_N = 200_000;
const DEFAULT_TOLERANCE = 1e-3;
const DEFAULT_BYTES = 2 * 1024 ** 2;
const DEFAULT_LEVEL = 6;

const root = resolve(import.meta.dir, "../..");

/** Throws before anything ran: `usage`, `not_found` (an engine that is required, the kernels). Afterwards: `void`. */
export async function benchEngines(request: EnginesRequest, io: Io): Promise<EnginesReport> {
  const note = (line: string): void => {
    if (!request.quiet) io.stderr.write(`${line}\n`);
  };
  const workloads = sweptWorkloads(workloadOf(request), parseSweeps(request.sweeps));
  const { chosen, missing } = choose(request, note);
  const kernels = requiredKernels();
  const cctools = request.cctools === null ? null : buildWithCctools(request.cctools, root);
  const out = resolve(
    io.cwd,
    request.out ??
      join("results", `engines-${new Date(io.now()).toISOString().replaceAll(/[:.]/g, "-")}`),
  );
  const folder = openResultsFolder(out);
  const environment = recordEnvironment({
    command: ["holdall", ...process.argv.slice(2)].join(" "),
    root,
    compressTask: kernels.compressTask,
    missing,
    now: io.now(),
  });
  const stop = new AbortController();
  let stoppedBy: StopSignal | null = null;
  const releases = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map((signal) =>
    io.onSignal(signal, () => {
      if (stoppedBy === null) note("ending all engines");
      stoppedBy ??= signal;
      stop.abort();
    }),
  );
  let result: EnginesResult;
  const samples: Sample[] = [];
  let summaries: WorkloadSummary[] = [];
  let site: SlurmSite | null = null;
  try {
    if (chosen.some(({ id }) => id.includes("slurm"))) site = await useSlurm(root, io.env, note);
    result = await runEngines({
      scenario: "engines",
      engines: cctools === null ? chosen : chosen.map((entry) => withCctools(entry, cctools)),
      workloads,
      rounds: request.reps,
      warm: request.warm,
      seed: request.seed,
      programs: {
        compressTask: folder.keepProgram(kernels.compressTask),
        sleepTask: folder.keepProgram(kernels.sleepTask),
        empty: "/bin/true",
      },
      root,
      workFolder: folder.workFolder,
      env: site?.env ?? io.env,
      ...(request.limitSeconds === null ? {} : { runLimitMs: request.limitSeconds * 1000 }),
      signal: stop.signal,
      onSample(sample) {
        samples.push(sample);
        folder.add(sample);
      },
      note,
    });
  } finally {
    for (const { engine, version } of samples) environment.engines[engine] = version;
    if (cctools !== null && environment.engines["workqueue"] !== undefined)
      environment.engines["workqueue"] += ` (${request.cctools})`;
    if (site !== null) environment.engines["Slurm cluster"] = site.what;
    summaries = folder.finish(samples, environment);
    await site?.stop();
    for (const release of releases) release();
  }
  if (samples.length > 0) writeReport(out);
  const voidBecause = whyVoidEach(samples);
  if (voidBecause !== null)
    throw new HoldallError("void", `this run is void: ${voidBecause}`, {
      fix: `look at the samples: ${join(out, "samples.jsonl")}`,
    });
  const broken = Object.fromEntries(
    result.broken.map(({ engine, error }) => [engine, error.message]),
  );
  const failed = samples.some((sample) => sample.failed > 0);
  const stopped = stoppedBy as StopSignal | null;
  return {
    summaries,
    swept: request.sweeps.length > 0,
    missing,
    broken,
    out,
    text: summaryText(summaries),
    exitCode:
      stopped !== null
        ? stopped === "SIGINT"
          ? EXIT.interrupted
          : EXIT.terminated
        : failed || result.broken.length > 0
          ? EXIT.taskFailed
          : EXIT.ok,
  };
}

/** The value of --json: of one workload its own, of a sweep all of them. */
export function reportJson({ summaries, swept, missing, broken, out }: EnginesReport): object {
  const more = { missing, broken, out };
  if (swept) return { sweep: summaries, ...more };
  const [summary] = summaries;
  return { ...(summary ?? { workload: null, engines: [], ratios: {} }), ...more };
}

function workloadOf(request: EnginesRequest): Workload {
  const { n, bytes, tolerance, level, sleepMs } = request;
  const codec = request.codec ?? (sleepMs !== null ? "none" : bytes !== null ? "zlib" : "zfp");
  const misplaced = (
    [
      ["--n", n, "zfp"],
      ["--tolerance", tolerance, "zfp"],
      ["--bytes", bytes, "zlib"],
      ["--level", level, "zlib"],
      ["--sleep-ms", sleepMs, "none"],
    ] as const
  ).find(([, value, of]) => value !== null && of !== codec);
  if (misplaced !== undefined)
    throw usage(
      `${misplaced[0]} is for --codec ${misplaced[2]}, not ${codec}`,
      `leave out ${misplaced[0]}, or give --codec ${misplaced[2]}`,
    );
  return {
    kind: codec !== "none" ? codec : sleepMs === null ? "empty" : "sleep",
    tasks: request.tasks,
    n: codec === "zfp" ? (n ?? DEFAULT_N) : null,
    tolerance: codec === "zfp" ? (tolerance ?? DEFAULT_TOLERANCE) : null,
    bytes: codec === "zlib" ? (bytes ?? DEFAULT_BYTES) : null,
    level: codec === "zlib" ? (level ?? DEFAULT_LEVEL) : null,
    sleep_ms: sleepMs,
    workers: request.workers ?? detectCpus(thisMachine),
  };
}

function choose(
  { engines, require, cctools }: EnginesRequest,
  note: (line: string) => void,
): { chosen: CatalogEntry[]; missing: Record<string, string> } {
  const { chosen, missing } = chooseEngines(engines, { root, which: (name) => Bun.which(name) });
  const named = Object.entries(missing).map(([id, why]) => `${id}: ${why}`);
  if (require && named.length > 0)
    throw new HoldallError("not_found", `not installed:\n  ${named.join("\n  ")}`, {
      fix: "install what is named, or leave it out of --engines",
    });
  for (const line of named) note(`left out: ${line}`);
  if (chosen.length === 0)
    throw new HoldallError("not_found", `no engine is installed: ${named.join("; ")}`, {
      fix: "sh scripts/setup --engines",
    });
  if (cctools !== null && !chosen.some(({ id }) => id === "workqueue"))
    throw usage("--cctools is for workqueue, which is not among the engines");
  return { chosen, missing };
}

function withCctools(
  entry: CatalogEntry,
  { driver, worker }: { driver: string; worker: string },
): CatalogEntry {
  return entry.id === "workqueue" ? { ...entry, argv: () => [driver, "--worker", worker] } : entry;
}

function requiredKernels(): { compressTask: string; sleepTask: string } {
  const kernel = (name: string): string => {
    const path = join(root, "build/kernels", name);
    if (existsSync(path)) return path;
    throw new HoldallError("not_found", `${path} is not built`, {
      fix: "run scripts/setup in a clone of Holdall, and this from there",
    });
  };
  return { compressTask: kernel("compress_task"), sleepTask: kernel("sleep_task") };
}

function whyVoidEach(samples: readonly Sample[]): string | null {
  const groups = Map.groupBy(samples, ({ workload }) => JSON.stringify(workload));
  for (const group of groups.values()) {
    const why = whyVoid(group);
    if (why !== null) return why;
  }
  return null;
}
