import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { ENGINE_FLAGS, type EngineFlags, engineOf } from "../engine-flags.ts";
import type { RunFlags } from "../run-request.ts";
import { requireStateDir, stateDirOf } from "../state-dir.ts";
import {
  ACCEPT_LOSS_FLAG,
  AD_HOC_FLAGS,
  captureFlag,
  DEFINE_FLAG,
  flag,
  JSON_FLAG,
  OFFER_FLAGS,
  POLICY_FLAGS,
  QUIET_FLAG,
  seconds,
  STATE_DIR_FLAG,
  text,
  toggle,
} from "./shared.ts";

interface Flags extends RunFlags, EngineFlags {
  dryRun?: boolean | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
  acceptLoss?: boolean | undefined;
}

export const runCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, target) {
    const { io, verbatim } = this;
    const { runRequest } = await import("../run-request.ts");
    const stateDir = stateDirOf(io, flags.stateDir);
    const request = await runRequest({ flags, target, verbatim, stateDir: stateDir.path, io });
    if (request.what.kind === "workflow") requireStateDir(stateDir);
    const note = (sentence: string): void => {
      if (flags.quiet !== true) io.stderr.write(`${sentence}\n`);
    };
    const engine = engineOf(flags, request.offer, io, note);
    if (flags.dryRun === true) {
      const { showDryRun } = await import("../dry-run.ts");
      showDryRun(request, io, flags.json === true);
      return;
    }
    // Only now: a mistake in the document is told without loading what runs it.
    const [{ startRun }, { watchRun }, { ownedByServer, runOnServer, serverOf }] =
      await Promise.all([
        import("../embedded.ts"),
        import("../run-watch.ts"),
        import("../run-on-server.ts"),
      ]);
    const id = request.what.kind === "workflow" ? request.what.id : null;
    const server = id === null ? null : await serverOf(stateDir.path, this.connectDeps);
    const handle = server
      ? await runOnServer(server, id!, request, note, engine)
      : await startRun(request, {
          acceptLoss: flags.acceptLoss === true,
          engine,
          note: (warning) => io.stderr.write(`warning: ${warning}\n`),
        }).catch(async (error: unknown) => {
          throw await ownedByServer(error, stateDir, this.connectDeps);
        });
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
      ...OFFER_FLAGS,
      ...ENGINE_FLAGS,
      outputDir: flag(text, "DIR", "also write DIR/TASK.ATTEMPT.out and .err"),
      stateDir: STATE_DIR_FLAG,
      cwd: flag(text, "DIR", "where tasks run and relative paths begin (default: here)"),
      define: DEFINE_FLAG,
      name: flag(text, "NAME", "the workflow's name"),
      fresh: toggle("forget what is known of this workflow and start anew"),
      dryRun: toggle("say what would run and why, and start nothing"),
      reuse: flag(text, "DIR", "take what is in this state directory for equal tasks with outputs"),
      timeout: flag(seconds, "TIME", "stop after this time, exit 7"),
      stdout: captureFlag("stdout"),
      stderr: captureFlag("stderr"),
      ...AD_HOC_FLAGS,
      ...POLICY_FLAGS,
      acceptLoss: ACCEPT_LOSS_FLAG,
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
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
      { input: "workflow.yaml --dry-run", brief: "what would run, and why" },
      {
        input: "workflow.yaml --reuse ../last/.holdall",
        brief: "what was done there is not done again",
      },
      { input: "3", brief: "go on with workflow 3" },
      { input: "-- ./simulate --seed 1", brief: "one command" },
      { input: "--array 0-23 -- ./simulate --seed {i}", brief: "24 commands" },
      { input: "--each-line files.txt --need memory=2g -- gzip -k {line}", brief: "one a line" },
    ],
  },
});
