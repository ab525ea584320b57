/**
 * Arrays whose tasks cannot stay one template: several of them have one name, or what they refer to differs in a way
 * that has to be looked up. They are written out; instances of one name and command become one task with everything
 * that any of them waits for, reads and makes.
 */
import { parameterCount, valueCount } from "../core/parameters.ts";
import { compileTemplate } from "../core/template.ts";
import { uniqueByConstruction } from "../core/template-match.ts";
import type { TextTemplate } from "../core/workflow.ts";
import type { Path, SpecValue } from "./document.ts";
import { EXPANSION_LIMIT } from "./name-index.ts";
import { type Draft, type Placed, readTask, type TaskContext } from "./tasks.ts";

/** Instances that are written out at most. */
const WRITTEN_OUT = 100_000;

/** The draft itself, or the tasks it stands for. */
export function instancesOf(
  context: TaskContext,
  value: SpecValue,
  at: Path,
  draft: Draft,
): readonly Draft[] {
  if (draft.table === null || (!draft.late && !hasRepeatedNames(draft))) return [draft];
  const total = parameterCount(draft.table);
  if (total > WRITTEN_OUT) {
    context.mistakes.add(
      [...at, "name"],
      draft.late
        ? `'${draft.title}' has ${total} tasks, too many to look up their files one by one`
        : `several of the ${total} tasks of '${draft.title}' have one name, too many to be brought together`,
      draft.late
        ? "write the files' names with the same parameters and formats in `files` and in the task"
        : "put every parameter with several values into the name",
    );
    return [draft];
  }
  const byName = new Map<string, { draft: Draft; merged: Merged | null; key: string }>();
  for (let index = 0; index < total && !context.mistakes.enough; index++) {
    const one = readTask(context, value, at, index);
    if (!one) continue;
    const known = byName.get(one.title);
    const key = JSON.stringify([one.body.command, one.body.env]);
    if (!known) byName.set(one.title, { draft: one, merged: null, key });
    else if (known.key === key) (known.merged ??= mergedOf(known.draft)).add(one);
    else {
      context.mistakes.add(
        [...at, "name"],
        `several tasks of this array are called '${one.title}', and their commands differ`,
        "put every parameter that the command uses into the name",
      );
      break;
    }
  }
  return [...byName.values()].map(({ draft: one, merged }) => (merged ? merged.result() : one));
}

function hasRepeatedNames({ body, table, count }: Draft): boolean {
  if (count < 2 || uniqueByConstruction(body.name, table!)) return false;
  const used = new Set(
    (typeof body.name === "string" ? [] : body.name).flatMap((piece) =>
      typeof piece === "string" ? [] : [piece.p],
    ),
  );
  if (table!.mode === "product" && table!.values.some((v, p) => valueCount(v) > 1 && !used.has(p)))
    return true;
  // whether the others differ is told when all names are compared
  if (count > EXPANSION_LIMIT) return false;
  const print = compileTemplate(body.name, table!);
  const seen = new Set<string>();
  for (let index = 0; index < count; index++) {
    if (seen.size !== index) return true;
    seen.add(print(index));
  }
  return seen.size !== count;
}

interface Merged {
  add(other: Draft): void;
  result(): Draft;
}

function mergedOf(first: Draft): Merged {
  const placed = (list: readonly Placed[]): Map<TextTemplate, Placed> =>
    new Map(list.map((each) => [each.text, each]));
  const dependsOn = placed(first.dependsOn);
  const regexes = placed(first.dependsOnRegexes);
  const inputs = new Set(first.body.inputs);
  const outputs = new Set(first.body.outputs);
  const reads = new Set(first.readsData);
  const makes = new Set(first.makesData);
  return {
    add(other) {
      for (const each of other.dependsOn) dependsOn.set(each.text, each);
      for (const each of other.dependsOnRegexes) regexes.set(each.text, each);
      for (const each of other.body.inputs ?? []) inputs.add(each);
      for (const each of other.body.outputs ?? []) outputs.add(each);
      for (const each of other.readsData) reads.add(each);
      for (const each of other.makesData) makes.add(each);
    },
    result: () => ({
      ...first,
      body: {
        ...first.body,
        ...(inputs.size > 0 ? { inputs: [...inputs] } : {}),
        ...(outputs.size > 0 ? { outputs: [...outputs] } : {}),
      },
      dependsOn: [...dependsOn.values()],
      dependsOnList: undefined,
      dependsOnRegexes: [...regexes.values()],
      readsData: [...reads],
      makesData: [...makes],
    }),
  };
}
