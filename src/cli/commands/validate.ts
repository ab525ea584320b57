import { buildCommand, type Command } from "@stricli/core";
import { resolve } from "node:path";
import { type ErrorDetail, HoldallError, toHoldallError } from "../../core/error.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { plural } from "../output/units.ts";
import { DEFINE_FLAG, flag, JSON_FLAG, text, toggle } from "./shared.ts";

interface Flags {
  cwd?: string | undefined;
  define?: readonly string[] | undefined;
  noInputs?: boolean | undefined;
  json?: boolean | undefined;
}

export const validateCommand: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  async func(flags, file) {
    const { io } = this;
    const { checkInputs, loadSpec, specWarnings } = await import("../../spec/index.ts");
    let warnings: readonly ErrorDetail[] = [];
    let tasks = 0;
    let name = "";
    let error: HoldallError | null = null;
    try {
      const definition = loadSpec(file, {
        cwd: io.cwd,
        ...(flags.cwd === undefined ? {} : { cwdOverride: resolve(io.cwd, flags.cwd) }),
        define: flags.define,
      });
      warnings = specWarnings(definition);
      tasks = definition.taskCount;
      name = definition.name;
      if (flags.noInputs !== true) checkInputs(definition);
    } catch (thrown) {
      error = toHoldallError(thrown);
      if (flags.json !== true || error.code !== "spec") throw error;
    }
    if (flags.json === true) {
      const errors = error === null ? [] : [error, ...error.others].map(place);
      printJson(io, { valid: error === null, tasks, errors, warnings: warnings.map(place) });
      if (error !== null) this.exitCode = error.exitCode;
      return;
    }
    for (const { message } of warnings) io.stderr.write(`note: ${message}\n`);
    io.stdout.write(`${file}: ${name}, ${plural(tasks, "task")}, no mistakes\n`);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, placeholder: "SPEC", brief: "a workflow document" }],
    },
    flags: {
      cwd: flag(text, "DIR", "where relative paths begin (default: here)"),
      define: DEFINE_FLAG,
      noInputs: toggle("do not look whether input files exist"),
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "find the mistakes in a document, all at once",
    fullDescription: [
      "Checks a document as `run` does before it starts anything. Ends with 2 when there is a mistake; at most",
      "20 are shown.",
      '--json: {"valid","tasks","errors":[{"message","file","line","column","fix"}],"warnings"}, for editors.',
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml", brief: "is it right?" },
      { input: "workflow.yaml --json --no-inputs", brief: "for an editor" },
    ],
  },
});

function place(detail: ErrorDetail): object {
  return {
    message: detail.message,
    file: detail.place?.file ?? null,
    line: detail.place?.line ?? null,
    column: detail.place?.column ?? null,
    fix: detail.fix ?? null,
  };
}
