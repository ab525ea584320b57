import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { ServerSpawnResult } from "../bench-spawn-server.ts";
import type { CliContext } from "../context.ts";
import type { Io } from "../io.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { plural } from "../output/units.ts";
import { usage } from "../usage.ts";
import { packingCommand, placementCommand } from "./bench-scheduling.ts";
import { memoryCommand, memoryServerCommand, startupCommand } from "./bench-costs.ts";
import { enginesCommand } from "./bench-engines.ts";
import {
  baselineCommand,
  overheadCommand,
  scaleCommand,
  slurmCommand,
  spotCommand,
} from "./bench-scenarios.ts";
import { idleCommand, latencyCommand, recoveryCommand } from "./bench-server.ts";
import { summaryCommand } from "./bench-summary.ts";
import { integerFrom, JSON_FLAG, text, toggle } from "./shared.ts";

interface SpawnFlags {
  tasks: number;
  slots?: number | undefined;
  pairs: number;
  logs?: boolean | undefined;
  server?: boolean | undefined;
  workers?: number | undefined;
  json?: boolean | undefined;
}

const spawnCommand: Command<CliContext> = buildCommand<SpawnFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    const [{ spawnBench }, { selfCommand }, { detectCpus, thisMachine }] = await Promise.all([
      import("../../bench/spawn.ts"),
      import("../self.ts"),
      import("../offer.ts"),
    ]);
    const request = {
      tasks: flags.tasks,
      slots: flags.slots ?? detectCpus(thisMachine),
      logs: flags.logs === true,
      pairs: flags.pairs,
      self: selfCommand(),
      note: (line: string): void => {
        io.stderr.write(`${line}\n`);
      },
    };
    if (flags.server === true || flags.workers !== undefined) {
      const { serverSpawnBench } = await import("../bench-spawn-server.ts");
      showServerSpawn(
        await serverSpawnBench({ ...request, workers: flags.workers ?? 1 }),
        this.io,
        flags.json === true,
      );
      return;
    }
    const result = await spawnBench(request);
    // The fields are fixed; what each run reached is in the notes.
    const { samples: _, ...fixed } = result;
    if (flags.json === true) printJson(io, fixed);
    else
      io.stdout.write(
        pairs([
          ["tasks", String(result.tasks)],
          ["slots", String(result.slots)],
          ["output", result.logs ? "kept" : "discarded"],
          ["floor, tasks/s", result.floor_per_second.toFixed(0)],
          ["holdall run, tasks/s", result.run_per_second.toFixed(0)],
          ["ratio, median of pairs", result.ratio.toFixed(3)],
        ]),
      );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(1), default: "20000", brief: "commands a run" },
      slots: {
        kind: "parsed",
        parse: integerFrom(1),
        optional: true,
        brief: "at a time; default: cpus",
      },
      pairs: { kind: "parsed", parse: integerFrom(1), default: "5", brief: "runs of each" },
      logs: toggle("keep stdout and stderr"),
      server: toggle("through server and worker processes, from submission to end"),
      workers: {
        kind: "parsed",
        parse: integerFrom(1),
        optional: true,
        brief: "worker processes that share the slots (with --server); default: 1",
      },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "short commands against posix_spawn in a C loop",
    customUsage: [
      { input: "", brief: "20,000 commands, output discarded, as many at a time as cpus" },
      { input: "--tasks 5000 --logs --json", brief: "output kept, for programs" },
      { input: "--server --workers 2", brief: "through a server and two workers" },
    ],
  },
});

/** Sessions when two sizes are compared. */
const COMPARE_WORKERS = 16;

interface DispatchFlags {
  tasks: number;
  compare?: readonly [number, number] | undefined;
  workers?: number | undefined;
  fsync: boolean;
  json?: boolean | undefined;
}

const dispatchCommand: Command<CliContext> = buildCommand<DispatchFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    if (flags.compare !== undefined) {
      const { compareBench } = await import("../bench-compare.ts");
      const result = await compareBench(
        flags.compare,
        flags.workers ?? COMPARE_WORKERS,
        flags.fsync,
        (line) => io.stderr.write(`${line}\n`),
      );
      if (flags.json === true) printJson(io, result);
      else io.stdout.write(pairs([["rate of the larger ÷ the smaller", result.ratio.toFixed(3)]]));
      return;
    }
    const { dispatchBench } = await import("../bench-dispatch.ts");
    const result = await dispatchBench({
      tasks: flags.tasks,
      fsync: flags.fsync,
      workers: flags.workers ?? null,
    });
    if (flags.json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          ["tasks", String(result.tasks)],
          ["workers", String(result.workers)],
          ["tasks/s", result.tasks_per_second.toFixed(0)],
          ["cpu seconds", result.server_cpu_seconds.toFixed(2)],
          ["peak memory, MiB", (result.server_peak_rss_bytes / 2 ** 20).toFixed(0)],
          ["fsync", String(result.fsync)],
          ["results found in the ledger", String(result.verified)],
        ]),
      );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(1), default: "1000000", brief: "tasks" },
      compare: {
        kind: "parsed",
        parse: twoSizes,
        optional: true,
        placeholder: "A,B",
        brief: "A tasks, B tasks, A tasks: the ratio of the rates (16 sessions)",
      },
      workers: {
        kind: "parsed",
        parse: integerFrom(1),
        optional: true,
        brief: "sessions with a server process; default: one, in the server's process",
      },
      fsync: { kind: "boolean", default: true, brief: "durable against a power cut too" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "the whole path with an executor that executes nothing",
    customUsage: [
      { input: "", brief: "a million tasks, durable" },
      {
        input: "--workers 16",
        brief: "server and workers as processes of their own, after a warm-up",
      },
      {
        input: "--compare 1000000,10000000",
        brief: "whether the rate holds when the bag is larger",
      },
      { input: "--tasks 100000 --no-fsync", brief: "what durability costs" },
    ],
  },
});

function showServerSpawn(result: ServerSpawnResult, io: Io, json: boolean): void {
  if (json) {
    printJson(io, result);
    return;
  }
  io.stdout.write(
    pairs([
      ["tasks", String(result.tasks)],
      ["slots", `${result.slots} in ${plural(result.workers, "worker")}`],
      ["output", result.logs ? "kept" : "discarded"],
      ["floor, tasks/s", result.floor_per_second.toFixed(0)],
      ["server and workers, tasks/s", result.run_per_second.toFixed(0)],
      ["ratio, median of pairs", result.ratio.toFixed(3)],
      ["seconds until all are connected", result.startup_seconds.toFixed(2)],
    ]),
  );
}

function twoSizes(input: string): readonly [number, number] {
  const [small, large, ...more] = input.split(",").map(integerFrom(1));
  if (small === undefined || large === undefined || more.length > 0)
    throw usage(`'${input}' is not two numbers of tasks`, "such as 1000000,10000000");
  return [small, large];
}

const nullWorkersCommand: Command<CliContext> = buildCommand<
  { access: string; sessions: number },
  [],
  CliContext
>({
  async func(flags) {
    const { nullWorkers } = await import("../bench-workers.ts");
    await nullWorkers(flags.access, flags.sessions, this.io);
  },
  parameters: {
    flags: {
      access: { kind: "parsed", parse: text, brief: "the server's access file" },
      sessions: { kind: "parsed", parse: integerFrom(1), default: "1", brief: "how many workers" },
    },
  },
  docs: { brief: "workers that execute nothing (part of dispatch)" },
});

export const benchCommand: RouteMap<CliContext> = buildRouteMap({
  routes: {
    spawn: spawnCommand,
    dispatch: dispatchCommand,
    packing: packingCommand,
    placement: placementCommand,
    recovery: recoveryCommand,
    idle: idleCommand,
    latency: latencyCommand,
    memory: memoryCommand,
    startup: startupCommand,
    engines: enginesCommand,
    baseline: baselineCommand,
    overhead: overheadCommand,
    scale: scaleCommand,
    spot: spotCommand,
    slurm: slurmCommand,
    summary: summaryCommand,
    nullWorkers: nullWorkersCommand,
    memoryServer: memoryServerCommand,
  },
  docs: {
    hideRoute: { nullWorkers: true, memoryServer: true },
    brief: "measure this Holdall on this machine",
  },
});
