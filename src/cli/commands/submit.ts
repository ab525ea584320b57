import { buildCommand, type Command } from "@stricli/core";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import type { RunFlags } from "../run-request.ts";
import { serverPlace } from "../state-dir.ts";
import {
  ACCESS_FLAG,
  AD_HOC_FLAGS,
  captureFlag,
  flag,
  JSON_FLAG,
  QUIET_FLAG,
  STATE_DIR_FLAG,
  text,
} from "./shared.ts";

interface Flags extends Pick<
  RunFlags,
  | "stateDir"
  | "outputDir"
  | "cwd"
  | "name"
  | "stdout"
  | "stderr"
  | "need"
  | "array"
  | "eachLine"
  | "fromJson"
> {
  access?: string | undefined;
  idempotencyKey?: string | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export const submitCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, target) {
    const { io, verbatim } = this;
    const { definitionToSubmit, outputDirOf } = await import("../run-request.ts");
    const place = serverPlace(io, flags);
    const definition = await definitionToSubmit({
      flags,
      target,
      verbatim,
      stateDir: place.path,
      io,
    });
    const answer = await withClient(this, place, ({ client }) =>
      client.submit({
        definition,
        stdout: flags.stdout ?? "capture",
        stderr: flags.stderr ?? "capture",
        output_dir: outputDirOf(flags, io),
        idempotency_key: flags.idempotencyKey ?? null,
      }),
    );
    const { workflow_id, name, tasks } = answer;
    if (flags.json === true) printJson(io, { workflow_id, name, tasks });
    else if (flags.quiet !== true)
      io.stderr.write(`workflow ${workflow_id}, ${name}: ${plural(tasks, "task")} submitted\n`);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        { parse: text, optional: true, placeholder: "SPEC", brief: "a workflow document" },
      ],
    },
    flags: {
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      idempotencyKey: flag(
        text,
        "KEY",
        "the same key again is the same workflow, not a second one",
      ),
      outputDir: flag(text, "DIR", "also write DIR/TASK.ATTEMPT.out and .err"),
      cwd: flag(text, "DIR", "where tasks run and relative paths begin (default: here)"),
      name: flag(text, "NAME", "the workflow's name"),
      stdout: captureFlag("stdout"),
      stderr: captureFlag("stderr"),
      ...AD_HOC_FLAGS,
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "give a workflow to a server and return at once",
    fullDescription: [
      "Checks a workflow and hands it to a server, which gives its tasks to workers. A new workflow each time,",
      "unless --idempotency-key says that it is the same. After --, everything is the command of ad-hoc tasks.",
      "Once it returns, the workflow is durable.",
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml", brief: "submit to the server of .holdall" },
      { input: "--access server.json --array 0-23 -- ./simulate --seed {i}", brief: "24 commands" },
    ],
  },
});
