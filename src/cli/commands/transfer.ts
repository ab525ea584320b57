import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { workflowRef } from "../names.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import type { ExportFlags } from "../transfer/export.ts";
import type { ImportFlags } from "../transfer/import.ts";
import { flag, JSON_FLAG, STATE_DIR_FLAG, text, WORKFLOW_ARGUMENT } from "./shared.ts";

export const exportCommand: Command<CliContext> = buildCommand<ExportFlags, [string?], CliContext>({
  async func(flags, id) {
    const ref = workflowRef(id);
    const { exportWorkflow } = await import("../transfer/export.ts");
    exportWorkflow(ref === "latest" ? null : ref, flags, this.io);
  },
  parameters: {
    positional: { kind: "tuple", parameters: [WORKFLOW_ARGUMENT] },
    flags: {
      out: flag(text, "FILE", "write it there, if nothing is there yet (default: stdout)"),
      stateDir: STATE_DIR_FLAG,
    },
  },
  docs: {
    brief: "a workflow with its results, as JSON lines",
    fullDescription: [
      "Writes a workflow with every attempt that has ended: outcome, times, memory, output, how its files looked.",
      "`holdall import` takes it into another state directory. The files of the tasks themselves are not in it,",
      "nor is output above 64 KiB of an attempt. Not while somebody works on the state directory.",
    ].join("\n"),
    customUsage: [
      { input: "--out sweep.jsonl", brief: "the newest workflow" },
      { input: "3 | gzip > sweep.jsonl.gz", brief: "workflow 3, compressed" },
    ],
  },
});

interface Flags extends ImportFlags {
  json?: boolean | undefined;
}

export const importCommand: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  async func(flags, file) {
    const { importWorkflow } = await import("../transfer/import.ts");
    const imported = importWorkflow(file, flags, this.io);
    const { workflow_id, name, tasks, attempts } = imported;
    if (flags.json === true) printJson(this.io, imported);
    else
      this.io.stdout.write(
        `${name}: workflow ${workflow_id}, ${plural(tasks, "task")}, ${plural(attempts, "attempt")}\n`,
      );
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, placeholder: "FILE", brief: "what `holdall export` wrote" }],
    },
    flags: {
      name: flag(text, "NAME", "what the workflow is called here (default: as before)"),
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "a workflow that was exported, with its results",
    fullDescription: [
      "Takes a workflow into the ledger, whole or not at all. What had succeeded stays so: `holdall run ID` goes on with the rest.",
    ].join("\n"),
    customUsage: [
      { input: "sweep.jsonl", brief: "into .holdall" },
      { input: "sweep.jsonl --name earlier", brief: "beside a workflow of that name" },
    ],
  },
});
