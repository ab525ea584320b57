/** A command as people read it: in lists, `plan`, identity. */
import { compileTemplate } from "./template.ts";
import type { Command, ParameterTable } from "./workflow.ts";

/** Compiled once per block, called once per task. */
export function compileCommandText(
  command: Command,
  table: ParameterTable,
): (index: number) => string {
  if (command.kind !== "argv") return compileTemplate(command.text, table);
  const parts = command.argv.map((part) => compileTemplate(part, table));
  return (index) => parts.map((part) => quoteWord(part(index))).join(" ");
}

export function commandText(command: Command, table: ParameterTable, index: number): string {
  return compileCommandText(command, table)(index);
}

function quoteWord(word: string): string {
  return /^[\w@%+:,./=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
