import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import {
  DEFINE_FLAG,
  flag,
  integerFrom,
  JSON_FLAG,
  positive,
  seconds,
  size,
  text,
} from "./shared.ts";
import type { PlanFlags } from "../plan/plan.ts";

export const planCommand: Command<CliContext> = buildCommand<PlanFlags, [string], CliContext>({
  async func(flags, file) {
    const { showPlan } = await import("../plan/plan.ts");
    showPlan(file, flags, this.io);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, placeholder: "SPEC", brief: "a workflow document" }],
    },
    flags: {
      workers: flag(integerFrom(1), "N", "estimate how long N workers would take (default: 1)"),
      cpus: flag(positive, "N", "cpus of each of them (default: what is here)"),
      memory: flag(size, "SIZE", "memory of each of them (default: what is here)"),
      gpus: flag(positive, "N", "gpus of each of them (default: what is here)"),
      assume: flag(seconds, "TIME", "run time of tasks that state none, such as 2m"),
      limit: flag(integerFrom(1), "N", "write out the first N tasks (with --json)"),
      cwd: flag(text, "DIR", "where tasks run and relative paths begin (default: here)"),
      define: DEFINE_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "what a workflow would do: stages, longest path, resources, time",
    fullDescription: [
      "Reads a document and shows its stages and how wide they are, the path that takes longest, what the",
      "tasks ask for in all, and an estimate of the time on N workers. Starts nothing, looks at no input file.",
      "--json writes out every task; above 100,000 tasks only with --limit.",
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml --workers 4 --cpus 16", brief: "how long would 4 × 16 cpus take" },
      { input: "workflow.yaml --json", brief: "every task, its command and what it waits for" },
    ],
  },
});
