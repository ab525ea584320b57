/** A drawing as a Mermaid flowchart, which GitHub and GitLab show in Markdown. */
import { caption, type Drawing } from "./model.ts";

export function mermaidOf({ title, nodes, edges }: Drawing): string {
  const lines = [
    `%% ${title.replaceAll(/[\r\n{}]/g, " ")}`,
    "flowchart LR",
    ...nodes.map((node) => {
      if (node.kind === "point") return `  ${node.id}(( ))`;
      const text = `"${safe(caption(node))}"`;
      return node.kind === "array" ? `  ${node.id}[[${text}]]` : `  ${node.id}[${text}]`;
    }),
    ...edges.map(({ from, to, each }) => {
      const arrow = each ? "-->|each|" : "-->";
      return `  ${nodes[from]!.id} ${arrow} ${nodes[to]!.id}`;
    }),
  ];
  return `${lines.join("\n")}\n`;
}

/** Everything that Mermaid, its Markdown or HTML could read as more than a character, by its number. */
function safe(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N} _.,:/×…=+-]/gu, (char) => `#${char.codePointAt(0)};`);
}
