/** `holdall slurm`: workers from a Slurm site. */
import { buildCommand, buildRouteMap, type Command, type RouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { AllocateFlags, CancelFlags, ListFlags } from "../slurm-command.ts";
import {
  ACCESS_FLAG,
  flag,
  integerFrom,
  JSON_FLAG,
  positive,
  QUIET_FLAG,
  seconds,
  size,
  STATE_DIR_FLAG,
  text,
  toggle,
} from "./shared.ts";

const allocateCommand: Command<CliContext> = buildCommand<AllocateFlags, string[], CliContext>({
  async func(flags, ...extra) {
    const { allocate } = await import("../slurm-command.ts");
    await allocate(flags, extra, this);
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: text, placeholder: "SBATCH", brief: "after --: further sbatch options" },
    },
    flags: {
      count: flag(integerFrom(1), "N", "so many pilots (default 1)"),
      scheduler: flag(text, "NAME", "as the workflow's slurm_schedulers say; and for its tasks"),
      workflow: flag(text, "ID", "whose schedulers (default: the newest that has this one)"),
      partition: flag(text, "NAME", "partition"),
      account: flag(text, "NAME", "account"),
      qos: flag(text, "NAME", "quality of service"),
      time: flag(text, "TIME", "length of a pilot: 30m, 4h, or as Slurm writes it, 1-12:00:00"),
      nodes: flag(integerFrom(1), "N", "nodes of a pilot, with a worker on each (default 1)"),
      cpus: flag(positive, "N", "cpus on each node"),
      memory: flag(size, "SIZE", "memory on each node, such as 8g"),
      gpus: flag(integerFrom(0), "N", "GPUs on each node"),
      idleTimeout: flag(seconds, "TIME", "a worker without work for so long ends (default 5m)"),
      drain: flag(seconds, "TIME", "before its end, or preempted, start nothing more (default 1m)"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "submit pilots: jobs with workers of a server",
    fullDescription: [
      "Submits jobs to Slurm that run `holdall worker` for a server of `holdall serve`. What a worker offers is",
      "what Slurm gave it: cpus, memory, GPUs and the time until the end.",
      "Nodes have to see this Holdall and the server's access file (a shared file system), and to reach the server:",
      "start it with `holdall serve --host NAME`.",
      "A pilot that is preempted is queued again by Slurm; what it ran runs again elsewhere.",
    ].join("\n"),
    customUsage: [
      { input: "--count 4 --cpus 16 --time 4h --partition short", brief: "four pilots" },
      { input: "--scheduler gpu", brief: "as scheduler gpu of the workflow says" },
      { input: "-- --constraint=avx512 --exclusive", brief: "with further options for sbatch" },
    ],
  },
});

const listCommand: Command<CliContext> = buildCommand<ListFlags, [], CliContext>({
  async func(flags) {
    const { list } = await import("../slurm-command.ts");
    await list(flags, this);
  },
  parameters: {
    flags: {
      all: toggle("also pilots of yours that work for other servers"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "pilots that wait or run, as Slurm says",
    customUsage: [{ input: "--all --json", brief: "of all servers, for programs" }],
  },
});

const cancelCommand: Command<CliContext> = buildCommand<CancelFlags, string[], CliContext>({
  async func(flags, ...ids) {
    const { cancel } = await import("../slurm-command.ts");
    await cancel(flags, ids, this);
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: text, placeholder: "ID", brief: "a pilot, or a job with all its pilots" },
    },
    flags: {
      all: toggle("all pilots of this server"),
      drain: toggle("those that run finish what they have and start nothing more"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "end pilots; what they ran runs again elsewhere",
    customUsage: [
      { input: "4711", brief: "one job, with all its pilots" },
      { input: "--all --drain", brief: "all of them, when they have finished what they run" },
    ],
  },
});

export const slurmCommand: RouteMap<CliContext> = buildRouteMap({
  routes: { allocate: allocateCommand, list: listCommand, cancel: cancelCommand },
  docs: { brief: "workers from a Slurm site" },
});
