import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import {
  ACCESS_FLAG,
  flag,
  OFFER_FLAGS,
  QUIET_FLAG,
  seconds,
  STATE_DIR_FLAG,
  text,
} from "./shared.ts";
import { ENGINE_FLAGS } from "../engine-flags.ts";
import type { WorkerFlags } from "../worker-command.ts";

export const workerCommand: Command<CliContext> = buildCommand<WorkerFlags, [], CliContext>({
  async func(flags) {
    const { drainWorkers, runWorker } = await import("../worker-command.ts");
    this.exitCode =
      flags.drain === undefined
        ? await runWorker(flags, this.io)
        : await drainWorkers(flags, flags.drain, this);
  },
  parameters: {
    flags: {
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      ...OFFER_FLAGS,
      ...ENGINE_FLAGS,
      idleTimeout: flag(seconds, "TIME", "end after holding nothing for so long (default: never)"),
      drain: flag(text, "WHICH", "no worker is started: drains worker N, all of HOST, or all"),
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "run tasks of a server on this machine",
    fullDescription: [
      "Connects to a server and runs what it is given, until it is told to go.",
      "SIGTERM or Ctrl-C once: finishes what runs, starts nothing, ends. Twice: ends what runs, too.",
      "A broken connection ends nothing: it tries again, and results are kept until the server has them.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "work for the server of .holdall" },
      { input: "--access server.json --cpus 4 --memory 8g", brief: "offer a part of this machine" },
      { input: "--drain 3", brief: "worker 3 finishes what it runs and ends" },
    ],
  },
});
