/** `bench summary`: what was measured in several folders, as one text. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { buildCommand, type Command } from "@stricli/core";
import { HoldallError } from "../../core/error.ts";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/json.ts";
import { flag, JSON_FLAG, text } from "./shared.ts";

interface Flags {
  out?: string | undefined;
  json?: boolean | undefined;
}

export const summaryCommand: Command<CliContext> = buildCommand<Flags, string[], CliContext>({
  async func({ out, json }, ...folders) {
    const { io } = this;
    const [{ readResults }, { summarize, summaryText }, { whyVoid }] = await Promise.all([
      import("../../bench/report/read.ts"),
      import("../../bench/engines/summary.ts"),
      import("../../bench/engines/fairness.ts"),
    ]);
    const paths = folders.map((folder) => resolve(io.cwd, folder));
    for (const path of paths)
      if (!existsSync(join(path, "samples.jsonl")))
        throw new HoldallError("not_found", `nothing was measured into ${path}`, {
          fix: `measure first: holdall bench engines --out ${path}`,
        });
    const samples = paths.flatMap((path) => readResults(path).samples);
    const summaries = summarize(samples);
    if (summaries.length > 1)
      io.stderr.write("note: the bags differ, so there is no ratio between them\n");
    for (const group of Map.groupBy(samples, (each) => JSON.stringify(each.workload)).values()) {
      const why = whyVoid(group);
      if (why !== null)
        throw new HoldallError("void", `these runs cannot be compared: ${why}`, {
          fix: "measure all of them again with the same build",
        });
    }
    const summary = summaryText(summaries);
    if (out !== undefined) {
      const path = resolve(io.cwd, out);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, summary);
    }
    if (json === true) printJson(io, { summaries });
    else io.stdout.write(summary);
  },
  parameters: {
    flags: { out: flag(text, "FILE", "write it there too"), json: JSON_FLAG },
    positional: {
      kind: "array",
      minimum: 1,
      parameter: { parse: text, placeholder: "FOLDER", brief: "with samples.jsonl" },
    },
  },
  docs: {
    brief: "figures and ratios of what was measured into several folders",
    customUsage: [{ input: "results/workqueue results/ray", brief: "of both" }],
  },
});
