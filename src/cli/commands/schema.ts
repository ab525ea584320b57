import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { flag, text } from "./shared.ts";

interface Flags {
  out?: string | undefined;
}

export const schemaCommand: Command<CliContext> = buildCommand<Flags, [], CliContext>({
  async func({ out }) {
    const [{ schemaText }, { writeOut }] = await Promise.all([
      import("../init/schema.ts"),
      import("../graph/graph.ts"),
    ]);
    writeOut(this.io, out, schemaText());
  },
  parameters: {
    flags: { out: flag(text, "FILE", "write it there (default: stdout)") },
  },
  docs: {
    brief: "the JSON Schema of documents, for editors",
    fullDescription: [
      "With it, editors complete keys and mark mistakes while you type. A YAML document names it in its first line:",
      "  # yaml-language-server: $schema=holdall.schema.json",
      'JSON and JSON5 documents name it under "$schema". `holdall init` does both.',
    ].join("\n"),
    customUsage: [{ input: "--out holdall.schema.json", brief: "beside your documents" }],
  },
});
