import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { InitFlags } from "../init/init.ts";
import { text } from "./shared.ts";

export const initCommand: Command<CliContext> = buildCommand<InitFlags, [string?], CliContext>({
  async func(flags, name) {
    const { writeStarter } = await import("../init/init.ts");
    writeStarter(name, flags, this.io);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: text,
          optional: true,
          placeholder: "NAME",
          brief: "of the workflow and its file; default: workflow",
        },
      ],
    },
    flags: {
      format: {
        kind: "enum",
        values: ["yaml", "json", "json5", "kdl"],
        optional: true,
        brief: "default: as the name ends, else yaml",
      },
      kind: {
        kind: "enum",
        values: ["bag", "array", "dag", "slurm"],
        optional: true,
        brief: "what to begin with; default: bag",
      },
    },
  },
  docs: {
    brief: "a document to begin with",
    fullDescription: [
      "Writes a small workflow that runs as it is, and beside it holdall.schema.json, by which editors complete and check it.",
      "Overwrites nothing.",
      "bag: tasks by themselves; array: one task for each value; dag: tasks that wait for each other; slurm: for a cluster.",
    ].join("\n"),
    customUsage: [
      { input: "", brief: "workflow.yaml with two tasks" },
      { input: "sweep --kind array", brief: "sweep.yaml with an array" },
      { input: "study.kdl --kind dag", brief: "in KDL" },
    ],
  },
});
