import { buildCommand, type Command } from "@stricli/core";
import type { TaskExplanation } from "../../protocol/api.ts";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { taskRef } from "../names.ts";
import { printJson } from "../output/json.ts";
import { serverPlace } from "../state-dir.ts";
import { ACCESS_FLAG, JSON_FLAG, STATE_DIR_FLAG, text } from "./shared.ts";

interface Flags {
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const explainCommand: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  async func(flags, word) {
    const { io } = this;
    const { workflow, task } = taskRef(word);
    const place = serverPlace(io, flags);
    const answer = await withClient(this, place, ({ client }) => client.explain(workflow, task));
    if (flags.json === true) printJson(io, answer);
    else io.stdout.write(explanationText(answer));
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, placeholder: "TASK", brief: "NAME, or ID/NAME" }],
    },
    flags: { access: ACCESS_FLAG, stateDir: STATE_DIR_FLAG, json: JSON_FLAG },
  },
  docs: {
    brief: "why a task is not running, and what would change it",
    customUsage: [
      { input: "compress_003", brief: "of the newest workflow" },
      { input: "2/compress_003 --json", brief: "of workflow 2, as one JSON value" },
    ],
  },
});

export function explanationText({ task, state, reasons }: TaskExplanation): string {
  const lines = [`${task} is ${state}`];
  for (const reason of reasons) {
    lines.push(`  ${reason.text}`);
    if (reason.fix !== null) lines.push(`    -> ${reason.fix}`);
  }
  return `${lines.join("\n")}\n`;
}
