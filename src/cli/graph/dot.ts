/** A drawing in the language of Graphviz. */
import { caption, type Drawing } from "./model.ts";

export function dotOf({ title, nodes, edges }: Drawing): string {
  const lines = [
    `digraph ${quoted(title)} {`,
    "  rankdir=LR;",
    '  node [shape=box, style=rounded, fontname="monospace"];',
    ...nodes.map((node) => {
      if (node.kind === "point") return `  ${node.id} [shape=point, label=""];`;
      const peripheries = node.kind === "array" ? ", peripheries=2" : "";
      return `  ${node.id} [label=${quoted(caption(node))}${peripheries}];`;
    }),
    ...edges.map(({ from, to, each }) => {
      const label = each ? ' [label="each"]' : "";
      return `  ${nodes[from]!.id} -> ${nodes[to]!.id}${label};`;
    }),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

/** Labels know escapes such as \N, and entities as HTML has them: neither may come from a name. */
function quoted(text: string): string {
  const safe = text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', String.raw`\"`)
    .replaceAll("&", "&amp;")
    .replaceAll(/\r?\n|\r/g, String.raw`\n`);
  return `"${safe}"`;
}
