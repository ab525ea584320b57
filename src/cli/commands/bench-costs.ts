/** `bench memory` and `bench startup`: what a queued task and a single command cost. */
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { pairs } from "../output/table.ts";
import { stateDirOf } from "../state-dir.ts";
import { usage } from "../usage.ts";
import { integerFrom, JSON_FLAG, text } from "./shared.ts";

interface MemoryFlags {
  shape: "array" | "explicit";
  tasks?: number | undefined;
  base: number;
  json?: boolean | undefined;
}

/** Tasks of the larger bag, where none are given. */
const MEMORY_TASKS = { array: 10_000_000, explicit: 1_000_000 } as const;

export const memoryCommand: Command<CliContext> = buildCommand<MemoryFlags, [], CliContext>({
  async func({ shape, tasks = MEMORY_TASKS[shape], base, json }) {
    const { io } = this;
    if (tasks <= base) throw usage(`--tasks ${tasks} is not above --base ${base}`);
    const { memoryBench } = await import("../bench-memory.ts");
    const result = await memoryBench(shape, tasks, base, (line) => {
      if (json !== true) io.stderr.write(`${line}\n`);
    });
    if (json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          ["shape", result.shape],
          ["tasks", `${result.tasks} against ${result.base_tasks}`],
          ["bytes a queued task", result.bytes_per_task.toFixed(1)],
          ["server's memory, MiB", (result.rss_bytes / 2 ** 20).toFixed(0)],
          ["its peak, MiB", (result.peak_rss_bytes / 2 ** 20).toFixed(0)],
          ["seconds until accepted", result.accepted_seconds.toFixed(2)],
        ]),
      );
  },
  parameters: {
    flags: {
      shape: {
        kind: "enum",
        values: ["array", "explicit"],
        default: "array",
        brief: "one task array, or tasks written out",
      },
      tasks: {
        kind: "parsed",
        parse: integerFrom(2),
        optional: true,
        brief: "of the larger bag; default: 10,000,000 of an array, 1,000,000 written out",
      },
      base: { kind: "parsed", parse: integerFrom(1), default: "100000", brief: "of the smaller" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "memory of a server with two bags that wait, per task",
    customUsage: [{ input: "--shape explicit", brief: "of tasks that are written out" }],
  },
});

export const memoryServerCommand: Command<CliContext> = buildCommand<
  { stateDir: string },
  [],
  CliContext
>({
  async func(flags) {
    const { memoryServer } = await import("../bench-memory.ts");
    this.exitCode = await memoryServer(stateDirOf(this.io, flags.stateDir), this.io);
  },
  parameters: {
    flags: { stateDir: { kind: "parsed", parse: text, brief: "of the server" } },
  },
  docs: { brief: "a server that says what memory it has (part of memory)" },
});

interface StartupFlags {
  runs: number;
  links: number;
  tasks: number;
  json?: boolean | undefined;
}

export const startupCommand: Command<CliContext> = buildCommand<StartupFlags, [], CliContext>({
  async func({ json, ...request }) {
    const { io } = this;
    const { startupBench } = await import("../bench-startup.ts");
    const result = await startupBench(request);
    const { median, min, max } = result.run_ms;
    if (json === true) printJson(io, result);
    else
      io.stdout.write(
        pairs([
          [
            "holdall run -- true, ms",
            `median ${median.toFixed(0)} (${min.toFixed(0)} to ${max.toFixed(0)})`,
          ],
          [`ms a link, chain of ${result.chain_links}`, result.chain_ms_per_link.toFixed(2)],
          [
            `seconds until ${result.array_tasks} tasks are accepted`,
            result.array_accepted_seconds.toFixed(2),
          ],
        ]),
      );
  },
  parameters: {
    flags: {
      runs: { kind: "parsed", parse: integerFrom(1), default: "15", brief: "of run -- true" },
      links: { kind: "parsed", parse: integerFrom(1), default: "200", brief: "of the chain" },
      tasks: { kind: "parsed", parse: integerFrom(1), default: "1000000", brief: "of the array" },
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "start to exit of one task, of a chain, and of the submission of a bag",
    customUsage: [{ input: "--runs 5 --json", brief: "five times each, for programs" }],
  },
});
