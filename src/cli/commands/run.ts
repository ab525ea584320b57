import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { RunFlags } from "../run-request.ts";
import { requireStateDir, stateDirOf } from "../state-dir.ts";
import {
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

interface Flags extends RunFlags {
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

/** Another name of a flag, as other tools call it. */
const alias = <T>(parse: (input: string) => T, brief: string) =>
  ({ kind: "parsed", parse, optional: true, hidden: true, brief }) as const;
const capture = (stream: string) =>
  ({
    kind: "enum",
    values: ["capture", "none"],
    optional: true,
    brief: `what tasks write to ${stream}: kept (default) or dropped`,
  }) as const;

export const runCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, target) {
    const { io, verbatim } = this;
    const { runRequest } = await import("../run-request.ts");
    const stateDir = stateDirOf(io, flags.stateDir);
    const request = await runRequest({ flags, target, verbatim, stateDir: stateDir.path, io });
    if (request.what.kind === "workflow") requireStateDir(stateDir);
    // Only now: a mistake in the document is told without loading what runs it.
    const [{ startRun }, { watchRun }] = await Promise.all([
      import("../embedded.ts"),
      import("../run-watch.ts"),
    ]);
    const handle = await startRun(request);
    this.exitCode = await watchRun(handle, io, {
      json: flags.json === true,
      quiet: flags.quiet === true,
      stateFlag: stateDir.flag,
      outputDir: request.outputDir,
      outputKept: request.stdout === "capture" || request.stderr === "capture",
    });
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: text,
          optional: true,
          placeholder: "SPEC|ID",
          brief: "a workflow document, or the ID of a workflow to go on with",
        },
      ],
    },
    flags: {
      cpus: flag(positive, "N", "cpus offered to tasks (default: what is here)"),
      memory: flag(size, "SIZE", "memory offered, such as 8g (default: what is here)"),
      gpus: flag(integerFrom(0), "N", "GPUs offered (default: what is here)"),
      disk: flag(size, "SIZE", "disk offered (default: what is free)"),
      timeLimit: flag(seconds, "TIME", "start no task whose runtime does not fit into this"),
      scheduler: flag(text, "NAME", "also take tasks bound to this scheduler"),
      maxParallel: flag(integerFrom(1), "N", "so many at once, whatever they need"),
      outputDir: flag(text, "DIR", "also write DIR/TASK.ATTEMPT.out and .err"),
      stateDir: STATE_DIR_FLAG,
      cwd: flag(text, "DIR", "where tasks run and relative paths begin (default: here)"),
      name: flag(text, "NAME", "the workflow's name"),
      fresh: toggle("forget what is known of this workflow and start anew"),
      timeout: flag(seconds, "TIME", "stop after this time, exit 7"),
      stdout: capture("stdout"),
      stderr: capture("stderr"),
      need: {
        kind: "parsed",
        parse: text,
        optional: true,
        variadic: true,
        placeholder: "NEED",
        brief: "NEED   what each task needs: cpus=2,memory=1g (with --)",
      },
      array: flag(text, "RANGE", "one task for each i: 0-23, 0-100:10, 1,3,7 (with --)"),
      eachLine: flag(text, "FILE", "one task for each {line} (with --)"),
      fromJson: flag(text, "FILE", "one task for each object, by its {keys} (with --)"),
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
      numCpus: alias(positive, "--cpus"),
      memoryGb: alias(positive, "--memory, in GiB"),
      numGpus: alias(integerFrom(0), "--gpus"),
      schedulerConfigId: alias(text, "--scheduler"),
      maxParallelJobs: alias(integerFrom(1), "--max-parallel"),
    },
  },
  docs: {
    brief: "run a workflow on this machine",
    fullDescription: [
      "Runs a workflow to its end. What has succeeded stays: the same command again goes on.",
      "After --, everything is the command of ad-hoc tasks.",
      "Exit code: 0 all succeeded, 1 not all, 7 --timeout, 130 interrupted (once: drains, twice: stops).",
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml", brief: "run it, or go on with it" },
      { input: "workflow.yaml --fresh --cpus 4", brief: "from the beginning, on 4 cpus" },
      { input: "3", brief: "go on with workflow 3" },
      { input: "-- ./simulate --seed 1", brief: "one command" },
      { input: "--array 0-23 -- ./simulate --seed {i}", brief: "24 commands" },
      { input: "--each-line files.txt --need memory=2g -- gzip -k {line}", brief: "one a line" },
    ],
  },
});
