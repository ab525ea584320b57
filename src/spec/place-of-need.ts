/** Where the document says what a task needs: for what is found wrong with it only after reading. */
import type { Place } from "../core/error.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import { isMap, type Path, type SpecMap, type SpecValue } from "./document.ts";
import { REQUIREMENT_KEYS } from "./fields.ts";
import { builtOf } from "./load.ts";

/** `need` is a resource ("memory", or the name of a custom one) or another key of a task ("scheduler"). Undefined for what no document describes. */
export function placeOfNeed(
  definition: WorkflowDefinition,
  task: number,
  need: string,
): Place | undefined {
  const built = builtOf(definition);
  const draft = built?.drafts.find(({ first, count }) => task >= first && task < first + count);
  if (!built || !draft) return undefined;
  const { document } = built;
  let value: SpecValue | undefined = document.value;
  for (const step of draft.path) value = (value as Record<string | number, SpecValue>)[step];
  return { file: document.file, ...document.locate([...draft.path, ...pathIn(value, need)]) };
}

/** The nearest to it that is there: the resource, the requirements it is among, or the task's name. */
function pathIn(task: SpecValue | undefined, need: string): Path {
  if (!isMap(task)) return [];
  const names = Object.keys(REQUIREMENT_KEYS).filter((key) => REQUIREMENT_KEYS[key] === need);
  const direct = [need, ...names].find((key) => Object.hasOwn(task, key));
  if (direct !== undefined) return [direct];
  if (hasCustom(task, need)) return ["custom", need];
  const among = task["resource_requirements"];
  if (among === undefined) return ["name"];
  if (!isMap(among)) return ["resource_requirements"];
  const inside = names.find((key) => Object.hasOwn(among, key));
  if (inside !== undefined) return ["resource_requirements", inside];
  return ["resource_requirements", ...(hasCustom(among, need) ? ["custom", need] : [])];
}

function hasCustom(map: SpecMap, name: string): boolean {
  const custom = map["custom"];
  return isMap(custom) && Object.hasOwn(custom, name);
}
