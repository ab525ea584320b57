/** Regular expressions of documents, in the syntax of Torc (that of Rust), un-anchored. */

export type Pattern = { regex: RegExp } | { error: string; fix: string };

/** A regular expression that answers in time that grows with the text, not with its square. */
export function compilePattern(source: string): Pattern {
  let text = source.replaceAll("(?P<", "(?<").replaceAll(String.raw`\A`, "^");
  text = text.replaceAll(/\\[zZ]/g, "$");
  let flags = "";
  const inline = /^\(\?([imsx]+)\)/.exec(text);
  if (inline) {
    if (inline[1]!.includes("x"))
      return { error: `the flag x of '${source}' is not known`, fix: "write it without spaces" };
    flags = [...new Set(inline[1])].join("");
    text = text.slice(inline[0].length);
  }
  if (repeatsGroup(text)) {
    return {
      error: `'${source}' repeats a group that itself repeats or chooses, which can take for ever`,
      fix: "repeat single characters only, such as [a-z]+ or .*",
    };
  }
  try {
    return { regex: new RegExp(text, flags.includes("u") ? flags : `${flags}u`) };
  } catch (error) {
    // what only Rust and the older syntax of JavaScript allow, such as an escaped dash
    try {
      return { regex: new RegExp(text, flags) };
    } catch {
      const reason = (error as Error).message.replace(/^Invalid regular expression: /, "");
      return {
        error: `'${source}' is no regular expression: ${reason}`,
        fix: String.raw`correct it; a special character that stands for itself is written \(`,
      };
    }
  }
}

/** `(…+)*`, `(a|b)+`, or many repetitions in a row. */
function repeatsGroup(text: string): boolean {
  const groups: { risky: boolean }[] = [{ risky: false }];
  let repetitions = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === "\\") i += 1;
    else if (character === "[") i = endOfClass(text, i);
    else if (character === "(") groups.push({ risky: false });
    else if (character === "|") groups.at(-1)!.risky = true;
    else if (character === ")") {
      const group = groups.length > 1 ? groups.pop()! : groups[0]!;
      if (group.risky && isRepetition(text, i + 1)) return true;
      if (group.risky) groups.at(-1)!.risky = true;
    } else if (isRepetition(text, i)) {
      groups.at(-1)!.risky = true;
      repetitions += 1;
    }
  }
  return repetitions > 8;
}

function isRepetition(text: string, at: number): boolean {
  return text[at] === "*" || text[at] === "+" || /^\{\d+,\d*\}/.test(text.slice(at, at + 20));
}

function endOfClass(text: string, from: number): number {
  let at = from + 1;
  if (text[at] === "^") at += 1;
  if (text[at] === "]") at += 1;
  while (at < text.length && text[at] !== "]") at += text[at] === "\\" ? 2 : 1;
  return at;
}

/** Text that matches only itself. */
export function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

/** The literal text that whatever matches has to hold, when the expression is that and no more: `^abc.*`, `abc`. */
export function literalOf(source: string): { text: string; anchored: boolean } | null {
  const match = /^(\^?)([\w/ :,=@%~-]+)(?:\.\*\$?)?$/.exec(source);
  return match ? { text: match[2]!, anchored: match[1] === "^" } : null;
}
