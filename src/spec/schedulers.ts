/** `slurm_schedulers`: named ways to ask Slurm for workers, which tasks may be bound to. */
import type { WorkflowDefinition } from "../core/workflow.ts";
import { isMap, type Path, type SpecValue } from "./document.ts";
import { checkKeys, misspelled, SCHEDULER_KEYS } from "./fields.ts";
import { readList, readMap, readNumber, readText, type Reader } from "./values.ts";

export function readSchedulers(
  reader: Reader,
  value: SpecValue | undefined,
): WorkflowDefinition["schedulers"] {
  const schedulers: { name: string; fields: Record<string, unknown> }[] = [];
  if (value === undefined) return schedulers;
  for (const [i, item] of (readList(reader, value, ["slurm_schedulers"]) ?? []).entries()) {
    const at = ["slurm_schedulers", i];
    const map = readMap(reader, item, at);
    if (!map) continue;
    checkKeys(reader, map, SCHEDULER_KEYS, at, "a Slurm scheduler");
    if (!Object.hasOwn(map, "name") && !misspelled(map, SCHEDULER_KEYS, "name"))
      reader.mistakes.add(at, "a Slurm scheduler has no name", "add `name:`");
    const fields: Record<string, unknown> = {};
    let name: string | undefined;
    for (const key of Object.keys(map)) {
      const field = map[key]!;
      if (key === "name") name = readText(reader, field, [...at, key]);
      else if (key === "nodes" || key === "ntasks_per_node")
        fields[key] = readNumber(reader, field, [...at, key], { min: 1 });
      else
        fields[key] =
          typeof field === "string" || isMap(field)
            ? readText(reader, field, [...at, key])
            : readWrittenField(reader, field, [...at, key]);
    }
    if (name === undefined) continue;
    if (schedulers.some((other) => other.name === name)) {
      reader.mistakes.add(
        [...at, "name"],
        `two Slurm schedulers are called '${name}'`,
        "rename one of them",
      );
    }
    schedulers.push({ name, fields });
  }
  return schedulers;
}

function readWrittenField(reader: Reader, value: SpecValue, at: Path): string | undefined {
  return Array.isArray(value) ? readText(reader, value, at) : (value as { text: string }).text;
}
