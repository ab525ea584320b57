/** `holdall report`: a page out of what `holdall bench` wrote down. */
import { resolve } from "node:path";
import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { flag, JSON_FLAG, text } from "./shared.ts";

interface Flags {
  out?: string | undefined;
  json?: boolean | undefined;
}

export const reportCommand: Command<CliContext> = buildCommand<Flags, [string], CliContext>({
  async func({ out, json }, folder) {
    const { io } = this;
    const { writeReport } = await import("../../bench/report/report.ts");
    const outcome = writeReport(
      resolve(io.cwd, folder),
      out === undefined ? undefined : resolve(io.cwd, out),
    );
    if (json !== true) for (const doubt of outcome.doubts) io.stderr.write(`doubt: ${doubt}\n`);
    if (json === true) printJson(io, outcome);
    else io.stdout.write(`${outcome.report}\n`);
  },
  parameters: {
    flags: { out: flag(text, "FILE", "default: report.html beside the samples"), json: JSON_FLAG },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: text, placeholder: "FOLDER", brief: "with samples.jsonl and environment.json" },
      ],
    },
  },
  docs: {
    brief: "a page with plots from the samples of a bench",
    customUsage: [
      { input: "results/baseline", brief: "writes results/baseline/report.html" },
      { input: "results/baseline --out baseline.html", brief: "to another file" },
    ],
  },
});
