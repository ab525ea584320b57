/** Edges between groups: names that match an expression, user data, stages. */
import { compileTemplate } from "../core/template.ts";
import { compileMatcher, literalPrefix, sameTemplate } from "../core/template-match.ts";
import { sameTable } from "../core/parameters.ts";
import type { TextTemplate } from "../core/workflow.ts";
import type { Path } from "./document.ts";
import type { EdgeSet } from "./edge-set.ts";
import type { Mistakes } from "./mistakes.ts";
import { EXPANSION_LIMIT } from "./name-index.ts";
import { compilePattern, literalOf } from "./regexes.ts";
import type { Draft } from "./tasks.ts";

type Range = readonly [first: number, count: number];

/** Long enough for any expression that ends at all. */
const PATIENCE_MS = 1500;

/** Names that all expressions of a document together are compared with. */
const MOST_NAMES = 100_000_000;

/** A function from an expression to the tasks whose names it matches; tells an expression that is wrong or matches none. */
export function nameMatcher(
  drafts: readonly Draft[],
  mistakes: Mistakes,
): (source: string, where: Path) => readonly Range[] {
  const known = new Map<string, readonly Range[]>();
  const effort = { left: MOST_NAMES };
  return (source, where) => {
    const before = known.get(source);
    if (before && before.length > 0) return before;
    const pattern = compilePattern(source);
    if ("error" in pattern) {
      mistakes.add(where, pattern.error, pattern.fix, { needle: source });
      return [];
    }
    const found = matchAll(drafts, source, pattern.regex, effort);
    if (typeof found === "string") mistakes.add(where, `'${source}': ${found}`, FIX);
    else if (found.length === 0)
      mistakes.add(
        where,
        `'${source}' matches the name of no task`,
        "correct it, or name the tasks",
      );
    const ranges = typeof found === "string" ? [] : found;
    known.set(source, ranges);
    return ranges;
  };
}

const FIX = "write the beginning of the names: ^prepare_";

function matchAll(
  drafts: readonly Draft[],
  source: string,
  regex: RegExp,
  effort: { left: number },
): readonly Range[] | string {
  const literal = literalOf(source);
  const ranges: [number, number][] = [];
  const add = (first: number, count: number): void => {
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === first) last[1] += count;
    else ranges.push([first, count]);
  };
  const startedMs = performance.now();
  let looked = 0;
  if ((effort.left -= drafts.length) < 0) return "there are too many expressions for so many tasks";
  for (const { table, body, first, count } of drafts) {
    const { name } = body;
    if (table === null || typeof name === "string") {
      if (regex.test(name as string)) add(first, count);
      looked += 1;
    } else {
      const certain = literal === null ? null : decided(name, literal);
      if (certain !== null) {
        if (certain) add(first, count);
        continue;
      }
      looked += count;
      if (looked > EXPANSION_LIMIT)
        return `there are too many tasks (${looked}) to look at every name`;
      const print = compileTemplate(name, table);
      for (let i = 0; i < count; i++) {
        if (regex.test(print(i))) add(first + i, 1);
        if ((i & 1023) === 0 && performance.now() - startedMs > PATIENCE_MS)
          return "it takes too long";
      }
    }
    if ((looked & 255) === 0 && performance.now() - startedMs > PATIENCE_MS)
      return "it takes too long";
  }
  return ranges;
}

/** Whether all (true) or none (false) of a template's names hold a text; null when that depends on the values. */
function decided(
  name: Exclude<TextTemplate, string>,
  { text, anchored }: { text: string; anchored: boolean },
): boolean | null {
  const prefix = literalPrefix(name);
  if (anchored) {
    if (prefix.startsWith(text)) return true;
    return text.startsWith(prefix) ? null : false;
  }
  return name.some((piece) => typeof piece === "string" && piece.includes(text)) ? true : null;
}

/** Who reads user data comes after all who make it. */
export function dataEdges(drafts: readonly Draft[], edges: EdgeSet): void {
  const makers = new Map<string, [number, number][]>();
  const templates: {
    template: TextTemplate;
    draft: Draft;
    match: (text: string) => number | null;
  }[] = [];
  for (const draft of drafts) {
    for (const template of draft.makesData) {
      if (typeof template !== "string") {
        templates.push({ template, draft, match: compileMatcher(template, draft.table!) });
        continue;
      }
      const known = makers.get(template);
      if (known) known.push([draft.first, draft.count]);
      else makers.set(template, [[draft.first, draft.count]]);
    }
  }
  if (makers.size === 0 && templates.length === 0) return;
  const ofName = (name: string): [number, number][] => {
    const found = [...(makers.get(name) ?? [])];
    for (const { draft, match } of templates) {
      const index = match(name);
      if (index !== null) found.push([draft.first + index, 1]);
    }
    return found;
  };
  for (const draft of drafts) {
    for (const template of draft.readsData) {
      if (typeof template === "string") {
        const members = ofName(template);
        if (members.length > 0) edges.set(members, [draft.first, draft.count]);
        continue;
      }
      const table = draft.table!;
      const same = templates.find(
        (other) => sameTemplate(other.template, template) && sameTable(other.draft.table!, table),
      );
      if (same && makers.size === 0 && templates.length === 1) {
        edges.run(same.draft.first, draft.first, draft.count);
        continue;
      }
      const print = compileTemplate(template, table);
      for (let i = 0; i < Math.min(draft.count, EXPANSION_LIMIT); i++) {
        for (const [first, count] of ofName(print(i)))
          for (let k = 0; k < count; k++) edges.pair(first + k, draft.first + i);
      }
    }
  }
}

/** All tasks of a stage come after all tasks of the stage before. */
export function stageEdges(drafts: readonly Draft[], edges: EdgeSet): void {
  const stages = new Map<number, [number, number][]>();
  for (const { stage, first, count } of drafts) {
    if (stage === null) continue;
    const ranges = stages.get(stage);
    const last = ranges?.at(-1);
    if (!ranges) stages.set(stage, [[first, count]]);
    else if (last && last[0] + last[1] === first) last[1] += count;
    else ranges.push([first, count]);
  }
  const order = [...stages.keys()].toSorted((a, b) => a - b);
  for (let i = 1; i < order.length; i++) {
    const members = stages.get(order[i - 1]!)!;
    for (const dependents of stages.get(order[i]!)!) edges.set(members, dependents);
  }
}
