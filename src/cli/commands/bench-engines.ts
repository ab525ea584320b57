/** `bench engines`: the same bag and the same program on Holdall and on other engines. */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { usage } from "../usage.ts";
import {
  flag,
  integerFrom,
  JSON_FLAG,
  QUIET_FLAG,
  repeated,
  seconds,
  size,
  text,
  toggle,
} from "./shared.ts";

interface Flags {
  engines?: readonly string[] | undefined;
  tasks: number;
  codec?: "zfp" | "zlib" | "none" | undefined;
  values?: number | undefined;
  tolerance?: number | undefined;
  bytes?: number | undefined;
  level?: number | undefined;
  sleepMs?: number | undefined;
  workers?: number | undefined;
  reps: number;
  warm?: boolean | undefined;
  cold?: boolean | undefined;
  sweep?: readonly string[] | undefined;
  require?: boolean | undefined;
  seed: number;
  out?: string | undefined;
  cctools?: string | undefined;
  limit?: number | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export const enginesCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    if (flags.warm === true && flags.cold === true)
      throw usage("--warm and --cold exclude each other", "give one of them");
    const { benchEngines, reportJson } = await import("../bench-engines.ts");
    const report = await benchEngines(
      {
        engines: flags.engines ?? null,
        tasks: flags.tasks,
        codec: flags.codec ?? null,
        n: flags.values ?? null,
        tolerance: flags.tolerance ?? null,
        bytes: flags.bytes ?? null,
        level: flags.level ?? null,
        sleepMs: flags.sleepMs ?? null,
        workers: flags.workers ?? null,
        reps: flags.reps,
        warm: flags.cold !== true,
        sweeps: flags.sweep ?? [],
        require: flags.require === true,
        seed: flags.seed,
        out: flags.out ?? null,
        cctools: flags.cctools ?? null,
        limitSeconds: flags.limit ?? null,
        quiet: flags.quiet === true,
      },
      io,
    );
    if (flags.json === true) printJson(io, reportJson(report));
    else io.stdout.write(report.text);
    for (const [engine, why] of Object.entries(report.broken))
      io.stderr.write(`error: ${engine} broke: ${why}\n`);
    if (flags.quiet !== true) io.stderr.write(`samples, summary, report: ${report.out}\n`);
    this.exitCode = report.exitCode;
  },
  parameters: {
    flags: {
      engines: flag(names, "NAMES", "with commas between them (default: all that are installed)"),
      tasks: { kind: "parsed", parse: integerFrom(1), default: "24", brief: "tasks of the bag" },
      codec: {
        kind: "enum",
        values: ["zfp", "zlib", "none"],
        optional: true,
        brief: "what a task compresses with; none: /bin/true (default: zfp)",
      },
      values: flag(integerFrom(1), "N", "or --n: zfp, float32 values a task (default: 200000)"),
      tolerance: flag(above0, "E", "zfp: largest absolute error (default: 1e-3)"),
      bytes: flag(size, "SIZE", "zlib: bytes a task, such as 2m"),
      level: flag(integerFrom(0), "LEVEL", "zlib: 0 to 9 (default: 6)"),
      sleepMs: flag(integerFrom(0), "MS", "none: tasks that sleep so many milliseconds"),
      workers: flag(integerFrom(1), "N", "tasks at a time (default: cpus)"),
      reps: { kind: "parsed", parse: integerFrom(1), default: "5", brief: "runs of each engine" },
      warm: toggle("a bag before the measured one, not counted (default)"),
      cold: toggle("the measured bag is the engine's first"),
      sweep: repeated("WHAT=A,B", "tasks=, size= or workers=: all of these (may be given again)"),
      require: toggle("an engine that is missing is an error, before anything runs"),
      seed: { kind: "parsed", parse: integerFrom(0), default: "1", brief: "of data and order" },
      out: flag(text, "DIR", "where results go (default: results/engines-TIME)"),
      cctools: flag(text, "DIR", "a Work Queue that you built: its installation prefix"),
      limit: flag(seconds, "TIME", "no bag may take longer (default: 1h)"),
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "the same bag on Holdall, Work Queue, Ray, Slurm and others",
    fullDescription: [
      "Runs one bag with one program on every engine that is installed, in an order that changes every",
      "round, and reports the median. Outputs and programs have to be the same everywhere, or the run is",
      "void. What an engine needs to start is stated apart. Engines: holdall, workqueue, ray, parsl,",
      "dask, htcondor, slurm, slurm-array, slurm-job, parallel, xargs, floor; holdall+ray and such:",
      "Holdall with that engine as its executor.",
      "Exit code: 0 done, 1 a task or an engine failed or the run is void, 130 interrupted.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "24 zfp tasks, five rounds, all engines that are here" },
      { input: "--engines holdall,workqueue,ray --tasks 2000 --json", brief: "for programs" },
      { input: "--codec zlib --bytes 2m --cold", brief: "zlib, engines just started" },
      { input: "--codec none --sweep tasks=100,1000,10000", brief: "empty tasks, three sizes" },
    ],
  },
});

function names(input: string): readonly string[] {
  const all = input.split(",").map((name) => name.trim());
  if (all.includes("")) throw usage(`'${input}' has an empty name`, "such as holdall,ray");
  return all;
}

/** A number above 0, also as 1e-3. */
function above0(input: string): number {
  const value = /^\d*\.?\d+(e[+-]?\d+)?$/i.test(input) ? Number(input) : 0;
  if (!(value > 0 && Number.isFinite(value))) throw usage(`'${input}' is not a number above 0`);
  return value;
}
