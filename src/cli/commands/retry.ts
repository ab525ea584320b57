import { buildCommand, type Command } from "@stricli/core";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { workflowAndTasks } from "../names.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import { serverPlace } from "../state-dir.ts";
import { ACCESS_FLAG, JSON_FLAG, STATE_DIR_FLAG, text, toggle } from "./shared.ts";

const RETRIED = ["failed", "skipped", "canceled"] as const;
const CHOICES = [...RETRIED, "succeeded"] as const;

interface Flags {
  failed?: boolean | undefined;
  skipped?: boolean | undefined;
  canceled?: boolean | undefined;
  succeeded?: boolean | undefined;
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const retryCommand: Command<CliContext> = buildCommand<Flags, string[], CliContext>({
  async func(flags, ...words) {
    const { io } = this;
    const { workflow, tasks } = workflowAndTasks(words);
    const chosen = CHOICES.filter((state) => flags[state] === true);
    const states = chosen.length > 0 ? chosen : RETRIED;
    const stateDir = serverPlace(io, flags);
    const { reset, id, owned } = await withClient(this, stateDir, async ({ client, owner }) => {
      const { workflow_id } = await client.workflow(workflow);
      const answer = await client.retry(workflow_id, {
        ...(tasks.length > 0 ? { tasks } : {}),
        states: [...states],
        ...(flags.succeeded === true ? { downstream: true } : {}),
      });
      return { reset: answer.reset, id: workflow_id, owned: owner !== null };
    });
    if (flags.json === true) {
      printJson(io, { workflow_id: id, reset });
      return;
    }
    io.stderr.write(`workflow ${id}: ${plural(reset, "task")} will be tried again\n`);
    if (reset > 0 && !owned) {
      io.stderr.write(`nobody works on it now: holdall run ${id}${stateDir.flag}\n`);
    }
  },
  parameters: {
    positional: {
      kind: "array",
      parameter: { parse: text, placeholder: "ID|TASK", brief: "a workflow ID, then task names" },
    },
    flags: {
      failed: toggle("only those that are failed"),
      skipped: toggle("only those that are skipped"),
      canceled: toggle("only those that are canceled"),
      succeeded: toggle("those that succeeded, with everything that depends on them"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "try again what did not succeed",
    fullDescription: [
      "Sets failed, skipped and canceled tasks back, and what was skipped because of them.",
      "With --succeeded, tasks that succeeded run again, and everything downstream of them.",
      "A running workflow goes on with them at once; otherwise `holdall run ID` does.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "everything of the newest workflow that did not succeed" },
      { input: "3 --failed", brief: "the failed tasks of workflow 3" },
      { input: "compress_007 compress_012", brief: "two tasks of the newest workflow" },
      { input: "compress_007 --succeeded", brief: "make this one and what depends on it anew" },
    ],
  },
});
