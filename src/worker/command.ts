/** From a command as written to what is executed. */
import type { Command, ParameterTable, TextTemplate } from "../core/workflow.ts";
import { compileTemplate } from "../core/template.ts";
import { isFile } from "./files.ts";

/** Characters that mean nothing to a shell anywhere in a word. */
const PLAIN = /^[\w@%+:,./ -]*$/;
/** Characters that, unquoted, need a shell. `{` and `}` are plain inside words. */
const SPECIAL = new Set("|&;<>()$`*?[]\n");

/** Words that a shell understands; those that are also files on the PATH (echo, test, …) run as files. */
const SHELL_WORDS = new Set(
  (
    "if then else elif fi do done case esac while until for in { } ! . : [[ alias bg break cd command continue echo eval exec exit " +
    "export false fg getopts hash jobs kill local printf pwd read readonly return set shift source test times trap true type ulimit " +
    "umask unalias unset wait"
  ).split(" "),
);

/**
 * Splits POSIX words (quotes and backslashes as in sh). Null when something unquoted needs a shell: an operator, expansion,
 * pattern, comment, tilde, assignment or an unclosed quote. `literal`: no shell will be asked, so all but quotes, backslashes and
 * white space stands for itself.
 */
export function splitWords(text: string, literal = false): string[] | null {
  if (PLAIN.test(text)) return text.split(" ").filter((word) => word !== "");
  const words: string[] = [];
  let word: string | null = null;
  let i = 0;
  while (i < text.length) {
    const c = text[i]!;
    if (c === " " || c === "\t" || (literal && c === "\n")) {
      if (word !== null) words.push(word);
      word = null;
    } else if (c === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) return null;
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (c === '"') {
      word ??= "";
      for (i++; text[i] !== '"'; i++) {
        const d = text[i];
        if (d === undefined || (!literal && (d === "$" || d === "`"))) return null;
        if (d === "\\" && '"\\$`\n'.includes(text[i + 1] ?? "")) {
          i++;
          if (text[i] === undefined) return null;
          if (text[i] !== "\n") word += text[i];
        } else word += d;
      }
    } else if (c === "\\") {
      const next = text[i + 1];
      if (next === undefined) return null;
      if (next !== "\n") word = (word ?? "") + next;
      i++;
    } else if (literal) word = (word ?? "") + c;
    else if (SPECIAL.has(c)) return null;
    else if ((c === "#" || c === "~") && word === null) return null;
    else if (c === "=" && words.length === 0) return null;
    else word = (word ?? "") + c;
    i++;
  }
  if (word !== null) words.push(word);
  return words;
}

/** True when `word` names an executable-looking file: a path, or found on `path` (as in PATH). Results are remembered per finder. */
export function createPathFinder(): (word: string, path: string, cwd: string) => boolean {
  const known = new Map<string, boolean>();
  return (word, path, cwd) => {
    const key = `${word}\0${path}\0${cwd}`;
    const before = known.get(key);
    if (before) return true;
    const found = path
      .split(":")
      .some((folder) =>
        isFile(folder.startsWith("/") ? `${folder}/${word}` : `${cwd}/${folder || "."}/${word}`),
      );
    // Only what is there is remembered: a file may appear later. The bound keeps odd workloads from growing it.
    if (found && known.size < 10_000) known.set(key, true);
    return found;
  };
}

/** Decides how a command text is run. When in doubt, the shell. */
export function commandToArgv(
  text: string,
  path: string,
  cwd: string,
  onPath: (word: string, path: string, cwd: string) => boolean,
): string[] {
  const words = splitWords(text);
  const first = words?.[0];
  if (words && first !== undefined) {
    if (first.includes("/")) return words;
    if (onPath(first, path, cwd)) return words;
    // Neither a file nor a word of the shell: executed directly, so that it is told apart as `launch_error`.
    if (!SHELL_WORDS.has(first)) return words;
  }
  return ["/bin/sh", "-c", text];
}

export type ArgvMaker = (
  index: number,
  path: string,
  cwd: string,
  onPath: (word: string, path: string, cwd: string) => boolean,
) => string[];

/** Compiles a command template: called once per block, the result once per task. */
export function compileCommand(command: Command, table: ParameterTable): ArgvMaker {
  const compile = (template: TextTemplate): ((index: number) => string) =>
    compileTemplate(template, table);
  switch (command.kind) {
    case "argv": {
      const parts = command.argv.map(compile);
      return (index) => parts.map((part) => part(index));
    }
    case "shell": {
      const text = compile(command.text);
      const shell = command.shell === "bash" ? "bash" : "/bin/sh";
      return (index) => [shell, "-c", text(index)];
    }
    case "words": {
      const text = compile(command.text);
      return (index) => splitWords(text(index), true) ?? text(index).trim().split(/\s+/);
    }
    case "auto": {
      if (typeof command.text === "string") {
        let fixed: string[] | null = null;
        const text = command.text;
        return (_index, path, cwd, onPath) => (fixed ??= commandToArgv(text, path, cwd, onPath));
      }
      const text = compile(command.text);
      return (index, path, cwd, onPath) => commandToArgv(text(index), path, cwd, onPath);
    }
  }
}
