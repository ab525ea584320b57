/** Edges from `depends_on` and from files that one task makes and another reads. Nothing is expanded that need not be. */
import path from "node:path";
import { compileTemplate } from "../core/template.ts";
import { compileMatcher, literalPrefix, uniqueByConstruction } from "../core/template-match.ts";
import type { TextTemplate } from "../core/workflow.ts";
import { isList, type Path } from "./document.ts";
import { edgeSet, type EdgeSet } from "./edge-set.ts";
import type { Mistakes } from "./mistakes.ts";
import { EXPANSION_LIMIT, type NameIndex, nameIndex } from "./name-index.ts";
import { dataEdges, nameMatcher, stageEdges } from "./group-edges.ts";
import { nearest } from "./nearest.ts";
import type { Draft } from "./tasks.ts";

/** A path as every mention of the same file gives it: absolute, without `.` and `//`. */
export function absoluteTemplate(template: TextTemplate, cwd: string): TextTemplate {
  if (typeof template === "string") return path.resolve(cwd, template);
  const first = template[0];
  const literal = typeof first === "string" ? first : "";
  const start = path.posix.normalize(literal.startsWith("/") ? literal : `${cwd}/${literal}`);
  const rest = template
    .slice(typeof first === "string" ? 1 : 0)
    .map((piece) => (typeof piece === "string" ? piece.replaceAll(/\/(?:\.?\/)+/g, "/") : piece));
  return [start, ...rest];
}

export interface Files {
  /** files that tasks of the document make, by absolute path */
  outputs: NameIndex;
}

/** Everything that tasks list as output. Two tasks with one output are a mistake. */
export function indexOutputs(drafts: readonly Draft[], cwd: string): NameIndex {
  const outputs = nameIndex();
  for (const draft of drafts) {
    const folder = draft.policy.cwd ?? cwd;
    for (const output of draft.body.outputs ?? []) {
      const template = absoluteTemplate(output, folder);
      if (draft.table === null) outputs.addText(template as string, draft.first);
      else
        outputs.addTemplate({
          template,
          table: draft.table,
          first: draft.first,
          count: draft.count,
        });
    }
  }
  return outputs;
}

/** The tasks of every array, by its name as written; also of arrays that were written out. */
export function arrayRanges(
  drafts: readonly Draft[],
): ReadonlyMap<string, readonly [first: number, count: number]> {
  const arrays = new Map<string, readonly [number, number]>();
  for (const draft of drafts) {
    const title = draft.table === null ? draft.arrayTitle : draft.title;
    if (title === null) continue;
    const before = arrays.get(title);
    const goesOn = before && before[0] + before[1] === draft.first;
    arrays.set(title, goesOn ? [before[0], before[1] + draft.count] : [draft.first, draft.count]);
  }
  return arrays;
}

/** Looking for near names is slow where there are many. */
const SUGGESTIONS = 10;

/** Lists shorter than this are cheaper repeated than remembered. */
const SHARED_LIST = 8;

export function findEdges(
  drafts: readonly Draft[],
  names: NameIndex,
  outputs: NameIndex,
  cwd: string,
  mistakes: Mistakes,
): EdgeSet {
  const edges = edgeSet();
  const arrays = arrayRanges(drafts);
  const matcher = nameMatcher(drafts, mistakes);
  const shared = new Map<unknown, readonly (readonly [number, number])[]>();
  let unknowns = 0;
  const makesFiles = outputs.texts.size > 0 || outputs.templates.length > 0;
  for (const draft of drafts) {
    if (draft.dependsOn.length > 0) dependsOnEdges(draft);
    for (const { text, where } of draft.dependsOnRegexes) {
      const members = matcher(text as string, where);
      if (members.length > 0) edges.set(members, [draft.first, draft.count]);
    }
    if (makesFiles && draft.body.inputs) {
      const folder = draft.policy.cwd ?? cwd;
      for (const input of draft.body.inputs) fileEdges(draft, absoluteTemplate(input, folder));
    }
  }
  dataEdges(drafts, edges);
  stageEdges(drafts, edges);
  return edges;

  function resolve(text: string): readonly [number, number] | null {
    const task = names.find(text);
    return task === null ? (arrays.get(text) ?? null) : [task, 1];
  }

  function dependsOnEdges(draft: Draft): void {
    const list = draft.dependsOnList;
    const known = shared.get(list);
    if (known) return edges.set(known, [draft.first, draft.count]);
    const members: (readonly [number, number])[] = [];
    for (const { text: template, where } of draft.dependsOn) {
      if (typeof template !== "string") {
        templateDependency(draft, template, where);
        continue;
      }
      const found = resolve(template);
      if (found) members.push(found);
      else unknown(where, template);
    }
    if (
      isList(list) &&
      draft.dependsOn.length >= SHARED_LIST &&
      members.length === draft.dependsOn.length
    ) {
      shared.set(list, members);
      return edges.set(members, [draft.first, draft.count]);
    }
    for (const member of members) edges.set([member], [draft.first, draft.count]);
  }

  function unknown(where: Path, name: string): void {
    if ((unknowns += 1) > SUGGESTIONS) {
      mistakes.add(
        where,
        `no task is called '${name}'`,
        "name a task, or an array by its name as written",
      );
      return;
    }
    const near = nearest(name, [...arrays.keys(), ...names.texts.keys()]);
    const fix =
      near === null ? "name a task, or an array by its name as written" : `did you mean '${near}'?`;
    mistakes.add(where, `no task is called '${name}'`, fix);
  }

  /** `depends_on: prepare_{i}` in an array: element by element. */
  function templateDependency(draft: Draft, template: TextTemplate, where: Path): void {
    const table = draft.table!;
    const same = names.same(template, table);
    if (same) return edges.run(same.first, draft.first, draft.count);
    if (!expandable(draft, where)) return;
    const print = compileTemplate(template, table);
    let missing: string | null = null;
    const upstreams = function* (): Generator<number | null> {
      for (let index = 0; index < draft.count; index++) {
        const name = print(index);
        const found = names.find(name);
        if (found === null) missing ??= name;
        yield found;
      }
    };
    edges.list(upstreams(), draft.first);
    if (missing !== null) unknown(where, missing);
  }

  function fileEdges(draft: Draft, input: TextTemplate): void {
    if (typeof input === "string") {
      const maker = outputs.find(input);
      if (maker !== null) edges.set([[maker, 1]], [draft.first, draft.count]);
      return;
    }
    const table = draft.table!;
    const same = outputs.same(input, table);
    if (same) return edges.run(same.first, draft.first, draft.count);
    const prefix = literalPrefix(input);
    if (outputs.near(prefix).length === 0) {
      // only single tasks can make these files: ask for each of theirs which index reads it
      const made = [...outputs.texts].filter(([text]) => text.startsWith(prefix));
      if (made.length === 0) return;
      if (uniqueByConstruction(input, table)) {
        const match = compileMatcher(input, table);
        for (const [text, task] of made) {
          const index = match(text);
          if (index !== null) edges.pair(task, draft.first + index);
        }
        return;
      }
    }
    if (!expandable(draft, draft.path)) return;
    const print = compileTemplate(input, table);
    const upstreams = function* (): Generator<number | null> {
      for (let index = 0; index < draft.count; index++) yield outputs.find(print(index));
    };
    edges.list(upstreams(), draft.first);
  }

  function expandable(draft: Draft, where: Path): boolean {
    if (draft.count <= EXPANSION_LIMIT) return true;
    mistakes.add(
      where,
      `'${draft.title}' has ${draft.count} tasks, too many to match with the tasks they depend on one by one`,
      "give both arrays the same parameters and write the name or file in the same way",
    );
    return false;
  }
}
