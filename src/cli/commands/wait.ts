import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { workflowRef } from "../names.ts";
import { printJson } from "../output/json.ts";
import { serverPlace } from "../state-dir.ts";
import {
  ACCESS_FLAG,
  flag,
  JSON_FLAG,
  QUIET_FLAG,
  seconds,
  STATE_DIR_FLAG,
  WORKFLOW_ARGUMENT,
} from "./shared.ts";
import { statusJson, statusText } from "./status.ts";

interface Flags {
  access?: string | undefined;
  stateDir?: string | undefined;
  timeout?: number | undefined;
  json?: boolean | undefined;
  quiet?: boolean | undefined;
}

export const waitCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, id) {
    const { io } = this;
    const { waitFor } = await import("../wait.ts");
    const { status, exitCode } = await waitFor(
      {
        place: serverPlace(io, flags),
        ref: workflowRef(id),
        timeoutSeconds: flags.timeout ?? null,
      },
      this,
    );
    if (flags.json === true) printJson(io, statusJson(status));
    else if (flags.quiet !== true) io.stderr.write(statusText(status));
    this.exitCode = exitCode;
  },
  parameters: {
    positional: { kind: "tuple", parameters: [WORKFLOW_ARGUMENT] },
    flags: {
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      timeout: flag(seconds, "TIME", "give up after this time, exit 7"),
      json: JSON_FLAG,
      quiet: QUIET_FLAG,
    },
  },
  docs: {
    brief: "wait until a workflow has ended",
    fullDescription: [
      "Returns when nothing of the workflow is left to do.",
      "Exit code: 0 all succeeded, 1 not all, 7 --timeout, 5 nobody works on it.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "the newest workflow" },
      { input: "3 --timeout 2h", brief: "workflow 3, two hours at most" },
    ],
  },
});
