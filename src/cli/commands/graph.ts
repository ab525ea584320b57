import { buildCommand, type Command } from "@stricli/core";
import type { CliContext } from "../context.ts";
import type { GraphFlags } from "../graph/graph.ts";
import { DEFINE_FLAG, flag, text, toggle } from "./shared.ts";

export const graphCommand: Command<CliContext> = buildCommand<GraphFlags, [string], CliContext>({
  async func(flags, file) {
    const { showGraph } = await import("../graph/graph.ts");
    showGraph(file, flags, this.io);
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, placeholder: "SPEC", brief: "a workflow document" }],
    },
    flags: {
      format: {
        kind: "enum",
        values: ["dot", "mermaid", "svg"],
        optional: true,
        brief: "default: what --out ends with, else dot",
      },
      expand: toggle("each task of an array by itself, up to 2,000 tasks"),
      out: flag(text, "FILE", "write it there (default: stdout)"),
      cwd: flag(text, "DIR", "where relative paths begin (default: here)"),
      define: DEFINE_FLAG,
    },
  },
  docs: {
    brief: "a workflow as a picture: DOT, Mermaid, SVG",
    fullDescription: [
      "Draws who waits for whom. An array is one node with its count; a dependency between two groups goes through one point.",
      "svg needs no other program, dot is for Graphviz, mermaid for Markdown.",
    ].join("\n"),
    customUsage: [
      { input: "workflow.yaml --out workflow.svg", brief: "a picture for a browser" },
      { input: "workflow.yaml | dot -Tpdf > workflow.pdf", brief: "with Graphviz" },
      { input: "workflow.yaml --format mermaid --expand", brief: "every task, for a README" },
    ],
  },
});
