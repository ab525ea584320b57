import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { packingCommand, placementCommand } from "./bench-scheduling.ts";
import { idleCommand, latencyCommand, recoveryCommand } from "./bench-server.ts";
import { integerFrom, JSON_FLAG, text, toggle } from "./shared.ts";

interface SpawnFlags {
  tasks: number;
  slots?: number | undefined;
  pairs: number;
  logs?: boolean | undefined;
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
    const result = await spawnBench({
      tasks: flags.tasks,
      slots: flags.slots ?? detectCpus(thisMachine),
      logs: flags.logs === true,
      pairs: flags.pairs,
      self: selfCommand(),
      note: (line) => io.stderr.write(`${line}\n`),
    });
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
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "short commands against posix_spawn in a C loop",
    customUsage: [
      { input: "", brief: "20,000 commands, output discarded, as many at a time as cpus" },
      { input: "--tasks 5000 --logs --json", brief: "output kept, for programs" },
    ],
  },
});

interface DispatchFlags {
  tasks: number;
  workers?: number | undefined;
  fsync: boolean;
  json?: boolean | undefined;
}

const dispatchCommand: Command<CliContext> = buildCommand<DispatchFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
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
      workers: {
        kind: "parsed",
        parse: integerFrom(1),
        optional: true,
        brief:
          "sessions with a server process; default: one, in the server's process",
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
      { input: "--tasks 100000 --no-fsync", brief: "what durability costs" },
    ],
  },
});

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
    nullWorkers: nullWorkersCommand,
  },
  docs: {
    hideRoute: { nullWorkers: true },
    brief: "measure this Holdall on this machine",
  },
});
