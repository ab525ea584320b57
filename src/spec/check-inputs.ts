/** Inputs that nobody makes have to exist before anything starts. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { parameterCount } from "../core/parameters.ts";
import { compileTemplate } from "../core/template.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import { isList, type SpecMap, type SpecValue } from "./document.ts";
import { absoluteTemplate } from "./edges.ts";
import { keyOf } from "./fields.ts";
import { builtOf } from "./load.ts";
import { gatherMistakes } from "./mistakes.ts";
import { nearest } from "./nearest.ts";

/** Tasks of one array looked at; attempts check again anyway. */
const LOOKED_AT = 1_000_000;

/** Looking for near names is slow where there are many. */
const SUGGESTIONS = 10;

/** Throws `spec` with every input that is absent and that no task makes. For workflows from `loadSpec`; others pass. */
export function checkInputs(definition: WorkflowDefinition): void {
  const built = builtOf(definition);
  if (!built) return;
  const { document, drafts, outputs } = built;
  const mistakes = gatherMistakes(document);
  const exists = fileLookup();
  for (const draft of drafts) {
    if (mistakes.enough) break;
    const inputs = draft.body.inputs ?? [];
    for (const [i, input] of inputs.entries()) {
      const template = absoluteTemplate(input, draft.policy.cwd ?? definition.cwd);
      const print = draft.table ? compileTemplate(template, draft.table) : () => template as string;
      const count =
        draft.table && typeof template !== "string"
          ? Math.min(parameterCount(draft.table), LOOKED_AT)
          : 1;
      let absent = 0;
      let first = "";
      for (let index = 0; index < count; index++) {
        const file = print(index);
        if (exists(file) || outputs.find(file) !== null) continue;
        if ((absent += 1) === 1) first = file;
      }
      if (absent === 0) continue;
      const shown = first.startsWith(`${definition.cwd}/`)
        ? first.slice(definition.cwd.length + 1)
        : first;
      const more = absent > 1 ? ` (and ${absent - 1} more of this array)` : "";
      mistakes.add(
        inputPath(document.value as SpecMap, draft.path, i),
        `the input '${shown}' does not exist${more}, and no task makes it`,
        mistakes.count < SUGGESTIONS
          ? fixFor(first, definition.cwd, outputs.texts.keys())
          : `relative paths start at ${definition.cwd}`,
      );
    }
  }
  mistakes.throwAny();
}

function inputPath(
  root: SpecMap,
  at: readonly (string | number)[],
  item: number,
): (string | number)[] {
  const task = (root[at[0] as string] as readonly SpecValue[])[at[1] as number] as SpecMap;
  const key = keyOf(task, "inputs", "input_files");
  const list = key === undefined ? undefined : task[key];
  // what only the command refers to stands in no list
  if (key === undefined || list === undefined) return [...at, "command"];
  return isList(list) && item < list.length ? [...at, key, item] : [...at, key];
}

function fixFor(file: string, cwd: string, outputs: Iterable<string>): string {
  const made = nearest(file, outputs);
  if (made !== null) return `did you mean ${path.relative(cwd, made)}, which a task makes?`;
  let names: string[] = [];
  try {
    names = readdirSync(path.dirname(file));
  } catch {
    return `there is no folder ${path.dirname(file)}; relative paths start at ${cwd}`;
  }
  const near = nearest(path.basename(file), names);
  if (near !== null) return `did you mean '${near}' in the same folder?`;
  return `put it there, or list it as an output of the task that makes it; relative paths start at ${cwd}`;
}

/** After this many questions about one folder its whole listing is cheaper. */
const LISTING_PAYS = 16;

function fileLookup(): (file: string) => boolean {
  const folders = new Map<string, { asked: number; names: Set<string> | null }>();
  return (file) => {
    const slash = file.lastIndexOf("/");
    const folder = file.slice(0, slash);
    let known = folders.get(folder);
    if (!known) folders.set(folder, (known = { asked: 0, names: null }));
    if (known.names) return known.names.has(file.slice(slash + 1));
    if ((known.asked += 1) < LISTING_PAYS || slash <= 0) return existsSync(file);
    try {
      known.names = new Set(readdirSync(folder));
    } catch {
      known.names = new Set();
    }
    return known.names.has(file.slice(slash + 1));
  };
}
