/**
 * `MAKEFLOW FILE [FOLDER]` and `workflow` of JX: the rules of another file take the place of the one that names it.
 * Those that wait for no rule of that file wait for the sources, and what no rule of it makes is made when all are done.
 */
import path from "node:path";
import { pathOf, type Rule } from "./rules.ts";

/** Rules that stand for `rule`, whose command names another workflow. Throws what the caller's reader tells. */
export type NestedReader = (rule: Rule, file: string, folder: string, args: unknown) => Rule[];

export function inlined(rule: Rule, nested: readonly Rule[]): Rule[] {
  const made = new Set(nested.flatMap((each) => each.outputs.map((use) => pathOf(each, use.path))));
  const rules: Rule[] = nested.map((each) => {
    if (rule.inputs.length === 0) return each;
    if (each.inputs.some((use) => made.has(pathOf(each, use.path)))) return each;
    const own = new Set(each.inputs.map((use) => pathOf(each, use.path)));
    const more = rule.inputs
      .filter((use) => !own.has(pathOf(rule, use.path)))
      .map((use) => ({ ...use, path: seenFrom(each.dir, pathOf(rule, use.path)) }));
    return { ...each, inputs: [...each.inputs, ...more] };
  });
  const left = rule.outputs.filter((use) => !made.has(pathOf(rule, use.path)));
  if (left.length > 0 || rules.length === 0)
    rules.push({ ...rule, command: ":", outputs: left, after: rules.filter(isLast(rules)) });
  for (const each of rules) {
    // of the rule that names the file: the nested one knows better
    each.env = { ...rule.env, ...each.env };
    if (rule.local) each.local = true;
  }
  return rules;
}

/** Rules whose outputs none of the others reads. */
function isLast(rules: readonly Rule[]): (rule: Rule) => boolean {
  const read = new Set(rules.flatMap((each) => each.inputs.map((use) => pathOf(each, use.path))));
  return (rule) => !rule.outputs.some((use) => read.has(pathOf(rule, use.path)));
}

function seenFrom(dir: string, file: string): string {
  if (dir === "" || path.posix.isAbsolute(file)) return file;
  return path.posix.relative(path.posix.join("/", dir), path.posix.join("/", file));
}
