/**
 * `a->b`: the command sees the file `a` as `b`. Tasks share one folder, where two rules can each have another `b`;
 * so such a command runs in a folder of its own, with links to its inputs, and its outputs are moved to their places.
 */
import path from "node:path";
import type { FileUse, Rule } from "./rules.ts";

export function renamedCommand(rule: Rule): string {
  const { command, inputs, outputs } = rule;
  if (![...inputs, ...outputs].some(({ as }) => as !== null)) return command;
  const lines = [
    'there=$PWD; here=$(mktemp -d "$PWD/.renamed.XXXXXX") || exit 1',
    `trap 'rm -rf "$here"' EXIT; trap 'exit 143' HUP INT TERM`,
  ];
  const folders = new Set<string>();
  for (const { path: file, as } of [...inputs, ...outputs]) {
    const folder = path.posix.dirname(as ?? file);
    if (!path.posix.isAbsolute(folder) && folder !== ".") folders.add(folder);
  }
  for (const folder of folders) lines.push(`mkdir -p "$here"/${quoted(folder)} || exit 1`);
  for (const use of inputs) {
    if (isOutside(use)) continue;
    lines.push(`ln -s ${there(use.path)} "$here"/${quoted(use.as ?? use.path)} || exit 1`);
  }
  // the command ends with its own line, so that a comment in it ends too
  lines.push(`(cd "$here" || exit 1`, command, ") || exit");
  for (const use of outputs) {
    if (isOutside(use)) continue;
    const folder = path.posix.dirname(use.path);
    if (folder !== "." && folder !== "/") lines.push(`mkdir -p ${there(folder)} || exit 1`);
    lines.push(`mv -f "$here"/${quoted(use.as ?? use.path)} ${there(use.path)} || exit 1`);
  }
  return lines.join("\n");
}

/** Found by the command without any help. */
function isOutside({ path: file, as }: FileUse): boolean {
  return path.posix.isAbsolute(as ?? file);
}

function there(file: string): string {
  return path.posix.isAbsolute(file) ? quoted(file) : `"$there"/${quoted(file)}`;
}

/** As one word of the shell. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(text)
    ? text
    : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
