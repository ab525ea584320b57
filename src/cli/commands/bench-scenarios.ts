/** `bench baseline`, `overhead`, `scale`, `spot`, `slurm`: questions with an answer each, on every engine that is installed. */
import { buildCommand, type Command } from "@stricli/core";
import type { ScenarioName } from "../../bench/scenarios/scenario.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { usage } from "../usage.ts";
import { flag, integerFrom, JSON_FLAG, positive, QUIET_FLAG, text, toggle } from "./shared.ts";

interface Flags {
  engines?: readonly string[] | undefined;
  quick?: boolean | undefined;
  tasks?: number | undefined;
  values?: number | undefined;
  tolerance?: number | undefined;
  workers?: number | undefined;
  reps?: number | undefined;
  most?: number | undefined;
  every?: number | undefined;
  by?: "processes" | "slurm" | undefined;
  seed: number;
  out?: string | undefined;
  summary?: string | undefined;
  require?: boolean | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

interface Page {
  brief: string;
  description: readonly string[];
  examples: readonly { input: string; brief: string }[];
}

function scenarioCommand(
  name: ScenarioName,
  { brief, description, examples }: Page,
): Command<CliContext> {
  return buildCommand<Flags, [], CliContext>({
    async func(flags) {
      const { io } = this;
      const { benchScenario } = await import("../bench-scenario.ts");
      const report = await benchScenario(
        name,
        {
          engines: flags.engines ?? null,
          quick: flags.quick === true,
          tasks: flags.tasks ?? null,
          n: flags.values ?? null,
          tolerance: flags.tolerance ?? null,
          workers: flags.workers ?? null,
          reps: flags.reps ?? null,
          most: flags.most ?? null,
          everyS: flags.every ?? null,
          by: flags.by ?? null,
          seed: flags.seed,
          out: flags.out ?? null,
          summary: flags.summary ?? null,
          require: flags.require === true,
          quiet: flags.quiet === true,
        },
        io,
      );
      const { text: summary, exitCode, ...value } = report;
      if (flags.json === true) printJson(io, value);
      else io.stdout.write(summary);
      if (flags.quiet !== true) {
        for (const [engine, why] of Object.entries(report.broken))
          io.stderr.write(`error: ${engine} broke: ${why}\n`);
        io.stderr.write(`${report.report ?? report.out}\n`);
      }
      this.exitCode = exitCode;
    },
    parameters: {
      flags: {
        engines: flag(names, "NAMES", "with commas between them (default: all that are installed)"),
        quick: toggle("a short one, to see that it works; its figures say little"),
        tasks: flag(integerFrom(1), "N", "tasks of the bag (default: the scenario's own)"),
        values: flag(integerFrom(1), "N", "or --n: zfp, float32 values a task (default: 200000)"),
        tolerance: flag(above0, "E", "zfp: largest absolute error (default: 1e-3)"),
        workers: flag(integerFrom(1), "N", "tasks at a time"),
        reps: flag(integerFrom(1), "N", "runs of each engine"),
        most: { ...flag(integerFrom(1), "N", "scale: the largest bag"), hidden: name !== "scale" },
        every: {
          ...flag(positive, "S", "spot: mean seconds from one kill to the next"),
          hidden: name !== "spot",
        },
        by: {
          kind: "enum",
          values: ["processes", "slurm"],
          optional: true,
          hidden: name !== "spot",
          brief: "spot: who takes workers away (default: both, if Slurm is among the engines)",
        },
        seed: {
          kind: "parsed",
          parse: integerFrom(0),
          default: "1",
          brief: "of data, order, kills",
        },
        out: flag(text, "DIR", `where results go (default: results/${name}-TIME)`),
        summary: flag(text, "FILE", "write the summary there too"),
        require: toggle("an engine that is missing is an error, before anything runs"),
        json: JSON_FLAG,
        quiet: QUIET_FLAG,
      },
    },
    docs: { brief, fullDescription: description.join("\n"), customUsage: [...examples] },
  });
}

const QUICK = { input: "--quick", brief: "a minute or so" };

export const baselineCommand: Command<CliContext> = scenarioCommand("baseline", {
  brief: "the bags of two earlier studies, and one long enough to compare",
  description: [
    "24 tasks of 2 MiB with zlib, 12 and 24 tasks of 200,000 floats with zfp, all on every engine, with",
    "start-up apart; then 2,000 zfp tasks, which are long enough to tell engines apart.",
  ],
  examples: [QUICK, { input: "--engines holdall,workqueue,ray", brief: "the ones of the studies" }],
});

export const overheadCommand: Command<CliContext> = scenarioCommand("overhead", {
  brief: "empty tasks and tasks of 1, 10, 100 ms: what distribution costs",
  description: ["Tasks that do nothing or sleep: throughput, and makespan against the ideal."],
  examples: [QUICK, { input: "--workers 8", brief: "eight at a time: sleeping needs no cores" }],
});

export const scaleCommand: Command<CliContext> = scenarioCommand("scale", {
  brief: "bags of 100 to 1,000,000 tasks: rate, memory and CPU of the manager",
  description: [
    "Bags of empty tasks, each ten times the one before, as far as an engine can in a reasonable time.",
  ],
  examples: [QUICK, { input: "--most 100000 --engines holdall,workqueue", brief: "to 100,000" }],
});

export const spotCommand: Command<CliContext> = scenarioCommand("spot", {
  brief: "workers are killed while a bag runs: what is lost, done again, delayed",
  description: [
    "Workers of each engine are killed on a random schedule that is the same for all, without and with",
    "warning; the tasks themselves write down when they began and ended.",
  ],
  examples: [
    QUICK,
    { input: "--engines holdall,ray --every 2", brief: "a kill every two seconds" },
  ],
});

export const slurmCommand: Command<CliContext> = scenarioCommand("slurm", {
  brief: "pilots against steps, an array and one job a task",
  description: [
    "On the site's Slurm when one answers, else on four nodes that are started on this machine.",
  ],
  examples: [QUICK, { input: "--tasks 1000 --engines holdall,slurm-array", brief: "a longer bag" }],
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
