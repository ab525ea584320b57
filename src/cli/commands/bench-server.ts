/** Benchmarks of a server process: `bench recovery`, `bench idle`, `bench latency`. */
import { buildCommand, type Command } from "@stricli/core";
import { BAG_SHAPES, type BagShape } from "../bench-bags.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { integerFrom, JSON_FLAG } from "./shared.ts";

interface RecoveryFlags {
  tasks: number;
  workers: number;
  shape: BagShape;
  json?: boolean | undefined;
}

export const recoveryCommand: Command<CliContext> = buildCommand<RecoveryFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    const { recoveryBench } = await import("../bench-recovery.ts");
    const result = await recoveryBench(flags.tasks, flags.workers, flags.shape);
    if (flags.json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          ["tasks", String(result.tasks)],
          ["done when the server was killed", String(result.done_before)],
          ["seconds until it served again", result.restart_seconds.toFixed(2)],
          ["seconds until tasks were done again", result.dispatch_seconds.toFixed(2)],
          ["cpu seconds of the restart", result.restart_cpu_seconds.toFixed(2)],
          ["memory after the restart, MiB", (result.restart_rss_bytes / 2 ** 20).toFixed(0)],
          ["attempts run again", String(result.attempts_rerun)],
          ["results found in the ledger", String(result.verified)],
        ]),
      );
  },
  parameters: {
    flags: {
      tasks: { kind: "parsed", parse: integerFrom(10), default: "1000000", brief: "tasks" },
      workers: { kind: "parsed", parse: integerFrom(1), default: "4", brief: "sessions" },
      shape: {
        kind: "enum",
        values: BAG_SHAPES,
        default: "array",
        brief: "one task array, the same with edges, or tasks written out",
      },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "kill -9 of a server with half of its tasks done",
    customUsage: [{ input: "--tasks 100000", brief: "a smaller bag" }],
  },
});

interface IdleFlags {
  workers: number;
  perProcess: number;
  seconds: number;
  json?: boolean | undefined;
}

export const idleCommand: Command<CliContext> = buildCommand<IdleFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    const { idleBench } = await import("../bench-idle.ts");
    const result = await idleBench(flags.workers, flags.perProcess, flags.seconds);
    if (flags.json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          ["workers", String(result.workers)],
          ["seconds", result.seconds.toFixed(1)],
          ["server, % of a core", result.server_cpu_percent.toFixed(2)],
          ["server's memory, MiB", (result.server_rss_bytes / 2 ** 20).toFixed(0)],
        ]),
      );
  },
  parameters: {
    flags: {
      workers: { kind: "parsed", parse: integerFrom(1), default: "1000", brief: "sessions" },
      perProcess: {
        kind: "parsed",
        parse: integerFrom(1),
        default: "250",
        brief: "sessions a process",
      },
      seconds: { kind: "parsed", parse: integerFrom(1), default: "20", brief: "how long" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "a server with many workers and nothing to do",
    customUsage: [{ input: "--workers 100 --json", brief: "a hundred sessions, for programs" }],
  },
});

interface LatencyFlags {
  steps: number;
  json?: boolean | undefined;
}

export const latencyCommand: Command<CliContext> = buildCommand<LatencyFlags, [], CliContext>({
  async func(flags) {
    const { io } = this;
    const { latencyBench } = await import("../bench-latency.ts");
    const result = await latencyBench(flags.steps);
    const shown = ({ p50, p95, max }: { p50: number; p95: number; max: number }): string =>
      `p50 ${p50.toFixed(2)}, p95 ${p95.toFixed(2)}, longest ${max.toFixed(2)}`;
    if (flags.json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          ["steps", String(result.steps)],
          ["ms from task to task", shown(result.milliseconds)],
          ["the same in a shell loop", shown(result.floor_milliseconds)],
        ]),
      );
  },
  parameters: {
    flags: {
      steps: { kind: "parsed", parse: integerFrom(1), default: "500", brief: "dependent tasks" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "from the end of a task to the start of the one that waited for it",
    customUsage: [{ input: "--steps 100", brief: "a chain of a hundred tasks" }],
  },
});
