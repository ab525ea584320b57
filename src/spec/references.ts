/** `${files.input.NAME}` and its like in commands: what they stand for, put in as one word. */
import type { TextTemplate } from "../core/workflow.ts";

export interface FileReference {
  of: "files" | "user_data";
  direction: "input" | "output";
  name: string;
  /** as written */
  text: string;
}

const REFERENCE =
  /\$\{(files|user_data)\.(input|output)\.((?:[^{}$\n]|\{[A-Za-z_]\w*(?::[^{}\s]*)?\})+)\}/g;

export function hasReferences(text: string): boolean {
  return text.includes("${files.") || text.includes("${user_data.");
}

/** Literal parts and references in turn. */
export function splitReferences(text: string): (string | FileReference)[] {
  const parts: (string | FileReference)[] = [];
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    parts.push({
      of: match[1] as FileReference["of"],
      direction: match[2] as FileReference["direction"],
      name: match[3]!,
      text: match[0],
    });
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

/** Which quote is open after `text`, when `quote` was open before it. */
export function quoteAfter(text: string, quote: string): string {
  let open = quote;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === "\\" && open !== "'") i += 1;
    else if (open === "" && (character === "'" || character === '"')) open = character;
    else if (character === open) open = "";
  }
  return open;
}

/** Text as a part of a word of the shell, inside the quote that is open. */
export function quotedFor(text: string, quote: string): string {
  if (quote === "'") return text.replaceAll("'", String.raw`'\''`);
  if (quote === '"') return text.replaceAll(/["$`\\]/g, String.raw`\$&`);
  if (text.includes("\n")) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  return text.replaceAll(/[^\w@%+=:,./-]/g, String.raw`\$&`);
}

/** Pieces of several templates as one. */
export function joinTemplates(parts: readonly TextTemplate[]): TextTemplate {
  const pieces: Exclude<TextTemplate, string>[number][] = [];
  for (const part of parts) {
    for (const piece of typeof part === "string" ? [part] : part) {
      const last = pieces.at(-1);
      if (typeof piece === "string" && typeof last === "string")
        pieces[pieces.length - 1] = last + piece;
      else if (piece !== "") pieces.push(piece);
    }
  }
  if (pieces.length === 0) return "";
  return pieces.length === 1 && typeof pieces[0] === "string" ? pieces[0] : pieces;
}
