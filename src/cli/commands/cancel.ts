import { buildCommand, type Command } from "@stricli/core";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { workflowAndTasks } from "../names.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import { serverPlace } from "../state-dir.ts";
import { ACCESS_FLAG, flag, JSON_FLAG, STATE_DIR_FLAG, text } from "./shared.ts";

interface Flags {
  reason?: string | undefined;
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const cancelCommand: Command<CliContext> = buildCommand<Flags, string[], CliContext>({
  async func(flags, ...words) {
    const { io } = this;
    const { workflow, tasks } = workflowAndTasks(words);
    const { canceled, id } = await withClient(this, serverPlace(io, flags), async ({ client }) => {
      const { workflow_id } = await client.workflow(workflow);
      const answer = await client.cancel(workflow_id, {
        ...(tasks.length > 0 ? { tasks } : {}),
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      });
      return { canceled: answer.canceled, id: workflow_id };
    });
    if (flags.json === true) printJson(io, { workflow_id: id, canceled });
    else io.stderr.write(`workflow ${id}: ${plural(canceled, "task")} canceled\n`);
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: text, placeholder: "ID|TASK", brief: "a workflow ID, then task names" },
    },
    flags: {
      reason: flag(text, "TEXT", "kept with the canceled tasks"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "end tasks that run and start no more",
    fullDescription: [
      "Cancels a workflow, or some of its tasks: what runs is ended, what waits is not started,",
      "what depends on it is skipped.",
    ].join("\n"),
    customUsage: [
      { input: "3", brief: "all of workflow 3" },
      { input: "compress_007 --reason 'wrong seed'", brief: "one task of the newest workflow" },
    ],
  },
});
