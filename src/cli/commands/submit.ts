import { buildCommand, type Command } from "@stricli/core";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import type { HoldallClient, WorkflowRef } from "../../client/client.ts";
import type { SubmitAnswer } from "../../protocol/submission.ts";
import type { RunFlags } from "../run-request.ts";
import { refusePolicy } from "../policy-flags.ts";
import { isId } from "../names.ts";
import { usage } from "../usage.ts";
import { serverPlace } from "../state-dir.ts";
import {
  ACCESS_FLAG,
  AD_HOC_FLAGS,
  captureFlag,
  DEFINE_FLAG,
  flag,
  JSON_FLAG,
  POLICY_FLAGS,
  QUIET_FLAG,
  repeated,
  STATE_DIR_FLAG,
  text,
} from "./shared.ts";

interface Flags extends Pick<
  RunFlags,
  | "stateDir"
  | "outputDir"
  | "cwd"
  | "define"
  | "name"
  | "stdout"
  | "stderr"
  | "need"
  | "array"
  | "eachLine"
  | "fromJson"
  | "maxFailures"
  | "onFailure"
  | "age"
  | "priority"
> {
  access?: string | undefined;
  idempotencyKey?: string | undefined;
  to?: string | undefined;
  after?: readonly string[] | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export const submitCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, target) {
    const { io, verbatim } = this;
    const { definitionToSubmit, outputDirOf } = await import("../run-request.ts");
    const to = additionOf(flags);
    const place = serverPlace(io, flags);
    const definition = await definitionToSubmit({
      flags,
      target,
      verbatim,
      stateDir: place.path,
      io,
      addition: to === null ? null : { after: flags.after !== undefined },
    });
    const send = (client: HoldallClient): Promise<SubmitAnswer> =>
      to === null
        ? client.submit({
            definition,
            stdout: flags.stdout ?? "capture",
            stderr: flags.stderr ?? "capture",
            output_dir: outputDirOf(flags, io),
            idempotency_key: flags.idempotencyKey ?? null,
          })
        : client.addTasks(to, {
            definition,
            after: [...(flags.after ?? [])],
            idempotency_key: flags.idempotencyKey ?? null,
          });
    const answer = await withClient(this, place, ({ client }) => send(client));
    const { workflow_id, name, tasks } = answer;
    if (flags.json === true) printJson(io, { workflow_id, name, tasks });
    else if (flags.quiet !== true) {
      const done = to === null ? "submitted" : "added";
      io.stderr.write(`workflow ${workflow_id}, ${name}: ${plural(tasks, "task")} ${done}\n`);
    }
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
      to: flag(text, "ID", "no new workflow: adds the tasks to this one, running or ended"),
      after: repeated("NAME", "what is added waits for this task, array or glob (with --to)"),
      outputDir: flag(text, "DIR", "also write DIR/TASK.ATTEMPT.out and .err"),
      cwd: flag(text, "DIR", "where tasks run and relative paths begin (default: here)"),
      define: DEFINE_FLAG,
      name: flag(text, "NAME", "the workflow's name"),
      stdout: captureFlag("stdout"),
      stderr: captureFlag("stderr"),
      ...AD_HOC_FLAGS,
      ...POLICY_FLAGS,
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "give a workflow to a server and return at once",
    fullDescription: [
      "Checks a workflow and hands it to a server, which gives its tasks to workers. A new workflow each time,",
      "unless --idempotency-key says that it is the same. After --, everything is the command of ad-hoc tasks.",
      "--to adds tasks to a workflow that exists; their names have to be new (of a command: --name).",
      "Once it returns, the tasks are durable.",
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml", brief: "submit to the server of .holdall" },
      { input: "--access server.json --array 0-23 -- ./simulate --seed {i}", brief: "24 commands" },
      { input: "--to 3 --after 'sim_*' collect.yaml", brief: "more tasks for workflow 3" },
    ],
  },
});

/** The workflow that tasks are added to; null = they are a new one. */
function additionOf(flags: Flags): WorkflowRef | null {
  const { to } = flags;
  if (to === undefined) {
    if (flags.after === undefined) return null;
    throw usage(
      "--after names tasks of a workflow that exists: which one?",
      "give its ID with --to",
    );
  }
  if (to !== "latest" && !isId(to))
    throw usage(`--to: "${to}" is no workflow ID`, "workflow IDs are integers from 1, or latest");
  refusePolicy(flags, to);
  for (const name of ["outputDir", "stdout", "stderr"] as const)
    if (flags[name] !== undefined)
      throw usage(
        `--${name === "outputDir" ? "output-dir" : name} is for a new workflow`,
        "leave it: the workflow keeps what was recorded when it was made",
      );
  return to === "latest" ? to : Number(to);
}
