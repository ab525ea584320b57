/** What a task says of the worker that gets it. */
import { ALGORITHMS, type Placement } from "../core/workflow.ts";
import type { Path, SpecMap } from "./document.ts";
import { readChoice, readNames, type Reader } from "./values.ts";

/** Undefined when the task leaves it to the category or the workflow. */
export function readPlacement(reader: Reader, task: SpecMap, at: Path): Placement | undefined {
  const placement: Placement = {};
  if (Object.hasOwn(task, "algorithm")) {
    const chosen = readChoice(reader, task["algorithm"]!, [...at, "algorithm"], ALGORITHMS);
    if (chosen !== undefined) placement.algorithm = chosen;
  }
  const names = (key: string): readonly string[] | undefined =>
    Object.hasOwn(task, key) ? readNames(reader, task[key]!, [...at, key]) : undefined;
  const preferredHosts = names("preferred_hosts");
  const requiredHosts = names("required_hosts");
  const features = names("features");
  if (preferredHosts) placement.preferredHosts = preferredHosts;
  // their order says nothing, so equal policies are equal however they are written
  if (requiredHosts) placement.requiredHosts = requiredHosts.toSorted();
  if (features) placement.features = features.toSorted();
  return Object.keys(placement).length > 0 ? placement : undefined;
}
