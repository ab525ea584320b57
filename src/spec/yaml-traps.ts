/** What YAML makes of text that nobody quoted, told so that its author sees why. */
import type { YAMLError } from "yaml";

export interface Told {
  message: string;
  fix: string;
  offset: number;
}

/** `key: value` on one line, or `- value`; groups: everything before the value, the value. */
const ENTRY = /^(\s*(?:- +)*(?:(?:[\w.-]+|"[^"]*"|'[^']*')\s*:[ \t]+)?)(\S.*?)\s*$/;

const quoted = (before: string, value: string): string => {
  const shown = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  const text =
    shown.includes('"') || shown.includes("\\") ? `'${shown.replaceAll("'", "''")}'` : `"${shown}"`;
  return `quote the text: ${before.trim()} ${text}`;
};

/** The line that holds `offset`, and where it starts. */
function lineAt(text: string, offset: number): { line: string; start: number } {
  const start = text.lastIndexOf("\n", Math.max(0, offset - 1)) + 1;
  const end = text.indexOf("\n", start);
  return { line: text.slice(start, end < 0 ? text.length : end).replace(/\r$/, ""), start };
}

/** Lines that nobody wrote by hand are not looked into. */
const LONG_LINE = 5000;

/** An unquoted value on this line that YAML cannot read as text, or null. */
function trapOf(line: string, start: number): Told | null {
  if (line.length > LONG_LINE) return null;
  const match = ENTRY.exec(line);
  if (!match) return null;
  const [, before, value] = match as unknown as [string, string, string];
  const offset = start + before.length;
  const first = value[0]!;
  if (before.trim() === "" || value.startsWith("#")) return null;
  if (first === "{" || first === "[") {
    const closing = first === "{" ? "}" : "]";
    // a whole flow collection is what its author meant; perhaps one of its items needs quotes
    if (closes(value, first, closing)) return itemTrap(value, offset);
    const kind = first === "{" ? "mapping" : "list";
    return {
      message: `YAML reads the unquoted ${first}…${closing} as a ${kind}`,
      fix: quoted(before, value),
      offset,
    };
  }
  if ("*&!%@`|>".includes(first) && !/^[|>][-+0-9]*$/.test(value)) {
    const means: Readonly<Record<string, string>> = {
      "*": "an alias",
      "&": "an anchor",
      "!": "a tag",
    };
    return {
      message: `an unquoted text cannot start with '${first}'${means[first] ? `, which is ${means[first]} to YAML` : ""}`,
      fix: quoted(before, value),
      offset,
    };
  }
  const colon = /:(?=\s|$)/.exec(value);
  if (colon && first !== '"' && first !== "'") {
    return {
      message: "YAML reads the unquoted `: ` as the start of a mapping",
      fix: quoted(before, value),
      offset: offset + colon.index,
    };
  }
  return null;
}

/** The bracket that opens `value` is closed by its last character. */
function closes(value: string, open: string, close: string): boolean {
  const text = value.replace(/\s+#.*$/, "");
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === open) depth += 1;
    else if (text[i] === close && (depth -= 1) === 0) return i === text.length - 1;
  }
  return false;
}

/** `[a_{i}, b]`: inside brackets a brace needs quotes. */
function itemTrap(value: string, offset: number): Told | null {
  const item = /[[,]\s*([^\s"'[\]{},:]*\{[^{}]*\}[^\s"'[\]{},]*)/.exec(value);
  if (!item) return null;
  return {
    message: "YAML reads an unquoted {…} inside […] or {…} as a mapping",
    fix: `quote the item: "${item[1]!}"`,
    offset: offset + item.index + item[0].length - item[1]!.length,
  };
}

/** The line above `offset` that opens a quote and does not close it. */
function openQuote(text: string, offset: number): number | null {
  for (let at = offset, looked = 0; at >= 0 && looked < 10_000; looked++) {
    const { line, start } = lineAt(text, at);
    const match = ENTRY.exec(line);
    const quote = match?.[2]?.[0];
    if ((quote === '"' || quote === "'") && !match![2]!.slice(1).includes(quote)) {
      return start + match![1]!.length;
    }
    if (start === 0) return null;
    at = start - 1;
  }
  return null;
}

/** A YAML error in words that name the fix, at the place of the cause where that can be told. */
export function explainYaml(error: YAMLError, text: string): Told {
  const offset = error.pos[0];
  if (/call stack/.test(error.message)) {
    const message = "lists and mappings are nested too deeply";
    return { message, fix: "a workflow needs ten levels at most", offset };
  }
  const { line, start } = lineAt(text, Math.min(offset, text.length));
  const plain = { message: error.message, fix: "correct the YAML here", offset };
  switch (error.code) {
    case "TAB_AS_INDENT":
      return { ...plain, message: "a tab is used to indent", fix: "indent with spaces" };
    case "DUPLICATE_KEY": {
      const key = /^[\w.-]+/.exec(text.slice(offset))?.[0] ?? "key";
      return { ...plain, message: `the key '${key}' is there twice`, fix: "keep one of them" };
    }
    case "TAG_RESOLVE_FAILED":
      return (
        trapOf(line, start) ?? {
          ...plain,
          message: "a tag that means nothing here",
          fix: "remove it, or quote the text",
        }
      );
    default:
      break;
  }
  // an unclosed quote is told at its end; its start is more use
  if (error.code === "MISSING_CHAR" && /quote/i.test(error.message)) {
    const opened = openQuote(text, Math.min(offset, text.length)) ?? offset;
    return {
      message: "a quote is opened and never closed",
      fix: "close the quote",
      offset: opened,
    };
  }
  const trap = trapOf(line, start);
  if (trap) return trap;
  if (line.startsWith("\t") || /^ *\t/.test(line)) {
    return {
      message: "a tab is used to indent",
      fix: "indent with spaces",
      offset: start + line.indexOf("\t"),
    };
  }
  const previous = start > 0 ? lineAt(text, start - 1) : null;
  const earlier = previous && trapOf(previous.line, previous.start);
  return earlier ?? { ...plain, message: `this is not YAML: ${lowerFirst(error.message)}` };
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
