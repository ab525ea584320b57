/** Comments of a document, found without understanding it: what is a text and what is not is enough. */
import { Lexer } from "yaml";
import type { Format } from "../document.ts";

export interface Comment {
  /** where it begins in the text */
  offset: number;
  /** without its marks, one for each line */
  lines: string[];
}

export interface Found {
  comments: Comment[];
  /** what no other spelling has, in words */
  unspoken: string[];
}

export function findComments(text: string, format: Format): Found {
  if (format === "yaml") return inYaml(text);
  if (format === "json") return { comments: [], unspoken: [] };
  return scan(text, format === "kdl" ? KDL_TEXT : JSON5_TEXT, format === "kdl");
}

/** Tokens of the lexer that are not in the text: a scalar follows, a document begins, an error in flow. */
const SCALAR = "\u001f";
const UNWRITTEN: ReadonlySet<string> = new Set([SCALAR, "\u0002", "\u0018"]);

function inYaml(text: string): Found {
  const comments: Comment[] = [];
  let offset = 0;
  let scalar = false;
  let anchors = false;
  for (const token of new Lexer().lex(text)) {
    if (UNWRITTEN.has(token)) {
      scalar = token === SCALAR;
      continue;
    }
    if (!scalar && token.startsWith("#"))
      comments.push({ offset, lines: [token.replace(/^#\s?/, "").trimEnd()] });
    if (!scalar && /^[&*]./.test(token)) anchors = true;
    scalar = false;
    offset += token.length;
  }
  return { comments, unspoken: anchors ? ["anchors and aliases are written out"] : [] };
}

/** Texts first, so that a mark inside one is none. */
const JSON5_TEXT = /"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'/y;
const KDL_TEXT = /r?(#+)("""|")[^]*?\2\1|r"[^"]*"|"""(?:\\[^]|[^\\])*?"""|"(?:\\[^]|[^"\\])*"/y;

function scan(text: string, quoted: RegExp, nested: boolean): Found {
  const comments: Comment[] = [];
  let slashDash = false;
  for (let at = 0; at < text.length;) {
    quoted.lastIndex = at;
    const literal = quoted.exec(text);
    const begin = text.startsWith("r", at) && /\w/.test(text[at - 1] ?? "") ? null : literal;
    if (begin) at += begin[0].length;
    else if (text.startsWith("//", at)) {
      const end = lineEnd(text, at);
      comments.push({
        offset: at,
        lines: [
          text
            .slice(at + 2, end)
            .replace(/^\s/, "")
            .trimEnd(),
        ],
      });
      at = end;
    } else if (text.startsWith("/*", at)) {
      const end = blockEnd(text, at, nested);
      comments.push({ offset: at, lines: blockLines(text.slice(at + 2, end - 2)) });
      at = end;
    } else {
      slashDash ||= nested && text.startsWith("/-", at);
      at++;
    }
  }
  const unspoken = slashDash ? ["what /- takes out is left out"] : [];
  return { comments, unspoken };
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

function blockEnd(text: string, at: number, nested: boolean): number {
  let depth = 1;
  for (let i = at + 2; i < text.length; i++) {
    if (nested && text.startsWith("/*", i)) [depth, i] = [depth + 1, i + 1];
    else if (text.startsWith("*/", i)) {
      if (--depth === 0) return i + 2;
      i++;
    }
  }
  return text.length;
}

function blockLines(inside: string): string[] {
  const lines = inside.split(/\r?\n/).map((line) => line.replace(/^\s*\*?\s?/, "").trimEnd());
  while (lines.length > 0 && lines[0] === "") lines.shift();
  while (lines.length > 0 && lines.at(-1) === "") lines.pop();
  return lines;
}
