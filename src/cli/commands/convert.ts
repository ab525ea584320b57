import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { ConvertFlags } from "../convert/convert.ts";
import { flag, text } from "./shared.ts";

export const convertCommand: Command<CliContext> = buildCommand<ConvertFlags, [string], CliContext>(
  {
    async func(flags, file) {
      const { convertFile } = await import("../convert/convert.ts");
      convertFile(file, flags, this.io);
    },
    parameters: {
      positional: {
        kind: "tuple",
        parameters: [{ parse: text, placeholder: "SPEC", brief: "a workflow document" }],
      },
      flags: {
        to: { kind: "enum", values: ["yaml", "json", "json5", "kdl"], brief: "the spelling" },
        out: flag(text, "FILE", "write it there, if nothing is there yet (default: stdout)"),
      },
    },
    docs: {
      brief: "a document in another spelling, with its comments",
      fullDescription: [
        "Writes a document as YAML, JSON, JSON5 or KDL, reads that again, and makes sure that it says the same.",
        "Comments stay with the entry that follows them, or that they stand behind. JSON has none, and anchors of YAML",
        "and what /- takes out of KDL have no like elsewhere: what is lost is told. Makeflow and JX are read as well.",
      ].join("\n"),
      customUsage: [
        { input: "workflow.yaml --to kdl --out workflow.kdl", brief: "from YAML to KDL" },
        { input: "torc.json5 --to yaml", brief: "to stdout" },
        { input: "old.makeflow --to yaml", brief: "from Makeflow" },
      ],
    },
  },
);
