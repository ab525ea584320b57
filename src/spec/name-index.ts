/** Which task has a name or makes a file, for explicit texts and for templates that are never expanded. */
import {
  compileMatcher,
  literalPrefix,
  sameTemplate,
  uniqueByConstruction,
} from "../core/template-match.ts";
import { sameTable } from "../core/parameters.ts";
import { compileTemplate } from "../core/template.ts";
import type { ParameterTable, TextTemplate } from "../core/workflow.ts";

export interface TemplateEntry {
  template: TextTemplate;
  table: ParameterTable;
  first: number;
  count: number;
}

interface Indexed extends TemplateEntry {
  match: (text: string) => number | null;
}

/** Two tasks with one text. `unproven`: nothing is known, and expanding is too much. */
export type Clash = { text: string; a: number; b: number } | { unproven: TemplateEntry };

/** Texts that are compared one by one at most, where a template proves nothing. */
export const EXPANSION_LIMIT = 1_000_000;

export interface NameIndex {
  /** the first task that has this text, or null */
  find(text: string): number | null;
  addText(text: string, task: number): void;
  addTemplate(entry: TemplateEntry): void;
  /** all templates, in order */
  readonly templates: readonly TemplateEntry[];
  /** explicit texts with their tasks */
  readonly texts: ReadonlyMap<string, number>;
  /** the entry that prints the same text for every index, or undefined */
  same(template: TextTemplate, table: ParameterTable): TemplateEntry | undefined;
  /** templates that can print texts starting like this */
  near(prefix: string): TemplateEntry[];
  /** what two different tasks share; stops at `limit` */
  clashes(limit: number): Clash[];
}

export function nameIndex(): NameIndex {
  const texts = new Map<string, number>();
  const templates: Indexed[] = [];
  const byPrefix = new Map<string, Indexed[]>();
  let lengths: number[] = [];
  const twice: Clash[] = [];

  const findTemplate = (text: string): number | null => {
    for (const length of lengths) {
      if (length > text.length) break;
      for (const entry of byPrefix.get(text.slice(0, length)) ?? []) {
        const index = entry.match(text);
        if (index !== null) return entry.first + index;
      }
    }
    return null;
  };

  const near = (prefix: string): Indexed[] => {
    if (templates.length === 0) return [];
    return templates.filter((entry) => {
      const own = literalPrefix(entry.template);
      return own.startsWith(prefix) || prefix.startsWith(own);
    });
  };

  return {
    texts,
    templates,
    near,
    same: (template, table) =>
      byPrefix
        .get(literalPrefix(template))
        ?.find((entry) => sameTemplate(entry.template, template) && sameTable(entry.table, table)),
    find: (text) => texts.get(text) ?? findTemplate(text),
    addText(text, task) {
      const before = texts.get(text);
      if (before === undefined) texts.set(text, task);
      else if (before !== task && twice.length < 100) twice.push({ text, a: before, b: task });
    },
    addTemplate(entry) {
      const indexed = { ...entry, match: compileMatcher(entry.template, entry.table) };
      templates.push(indexed);
      const prefix = literalPrefix(entry.template);
      const bucket = byPrefix.get(prefix);
      if (bucket) bucket.push(indexed);
      else byPrefix.set(prefix, [indexed]);
      if (!lengths.includes(prefix.length)) {
        lengths = [...lengths, prefix.length].toSorted((a, b) => a - b);
      }
    },
    clashes(limit) {
      const found = twice.slice(0, limit);
      for (const entry of templates) {
        if (found.length >= limit) return found;
        const clash = withinTemplate(entry);
        if (clash) found.push(clash);
      }
      if (templates.length > 0) {
        for (const [text, task] of texts) {
          if (found.length >= limit) return found;
          const other = findTemplate(text);
          if (other !== null && other !== task)
            found.push({ text, a: Math.min(task, other), b: Math.max(task, other) });
        }
      }
      betweenTemplates(templates, found, limit);
      return found;
    },
  };
}

function withinTemplate(entry: TemplateEntry): Clash | null {
  if (uniqueByConstruction(entry.template, entry.table)) return null;
  if (typeof entry.template === "string") {
    return { text: entry.template, a: entry.first, b: entry.first + 1 };
  }
  if (entry.count > EXPANSION_LIMIT) return { unproven: entry };
  const print = compileTemplate(entry.template, entry.table);
  const seen = new Map<string, number>();
  for (let index = 0; index < entry.count; index++) {
    const text = print(index);
    const before = seen.get(text);
    if (before !== undefined) return { text, a: entry.first + before, b: entry.first + index };
    seen.set(text, index);
  }
  return null;
}

/** Only templates whose literal starts and ends fit can print the same; sorted by start, they are neighbours. */
function betweenTemplates(templates: readonly Indexed[], found: Clash[], limit: number): void {
  const sorted = templates
    .map((entry) => ({
      entry,
      prefix: literalPrefix(entry.template),
      suffix: literalSuffix(entry.template),
    }))
    .toSorted((a, b) => (a.prefix < b.prefix ? -1 : a.prefix > b.prefix ? 1 : 0));
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i + 1; j < sorted.length && sorted[j]!.prefix.startsWith(sorted[i]!.prefix); j++) {
      if (found.length >= limit) return;
      const [a, b] = [sorted[i]!, sorted[j]!];
      if (!a.suffix.endsWith(b.suffix) && !b.suffix.endsWith(a.suffix)) continue;
      const clash = pairClash(a.entry, b.entry);
      if (clash) found.push(clash);
    }
  }
}

function literalSuffix(template: TextTemplate): string {
  if (typeof template === "string") return template;
  const last = template.at(-1);
  return typeof last === "string" ? last : "";
}

function pairClash(a: Indexed, b: Indexed): Clash | null {
  if (a.first === b.first) {
    // one task that lists a file twice harms nobody; two tasks of its array might
    if (sameTemplate(a.template, b.template)) return null;
  } else if (sameTemplate(a.template, b.template) && sameTable(a.table, b.table)) {
    return { text: compileTemplate(a.template, a.table)(0), a: a.first, b: b.first };
  }
  const [small, large] = a.count <= b.count ? [a, b] : [b, a];
  if (small.count > EXPANSION_LIMIT) return { unproven: large };
  const print = compileTemplate(small.template, small.table);
  for (let index = 0; index < small.count; index++) {
    const text = print(index);
    const other = large.match(text);
    if (other === null) continue;
    const [x, y] = [small.first + index, large.first + other];
    if (x !== y) return { text, a: Math.min(x, y), b: Math.max(x, y) };
  }
  return null;
}
