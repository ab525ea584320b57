/** What a workflow says of all its tasks together: order, categories, what failures mean. */
import { parseDuration } from "../core/units.ts";
import { ALGORITHMS, type WorkflowDefinition } from "../core/workflow.ts";
import { readCategories } from "./categories.ts";
import type { SpecMap } from "./document.ts";
import { keyOf } from "./fields.ts";
import { readChoice, readNumber, readUnit, type Reader } from "./values.ts";

export type Settings = Pick<
  WorkflowDefinition,
  | "priority"
  | "sortMethod"
  | "categories"
  | "algorithm"
  | "maxFailures"
  | "onFailure"
  | "ageSeconds"
>;

const SORT_METHODS = ["auto", "gpus_runtime_memory", "gpus_memory_runtime", "none"] as const;

export function readSettings(reader: Reader, root: SpecMap): Settings {
  const settings: Settings = { priority: 0, sortMethod: "auto" };
  const has = (key: string): boolean => Object.hasOwn(root, key);
  if (has("priority")) {
    const limits = { min: -1_000_000, max: 1_000_000 };
    settings.priority = readNumber(reader, root["priority"]!, ["priority"], limits) ?? 0;
  }
  const sortKey = keyOf(root, "job_sort_method", "jobs_sort_method");
  if (sortKey !== undefined)
    settings.sortMethod = readChoice(reader, root[sortKey]!, [sortKey], SORT_METHODS) ?? "auto";
  if (has("categories")) {
    const categories = readCategories(reader, root["categories"]!);
    if (categories) settings.categories = categories;
  }
  if (has("algorithm")) {
    const algorithm = readChoice(reader, root["algorithm"]!, ["algorithm"], ALGORITHMS);
    if (algorithm !== undefined) settings.algorithm = algorithm;
  }
  if (has("max_failures")) {
    const limits = { min: 1, max: 1_000_000_000 };
    const most = readNumber(reader, root["max_failures"]!, ["max_failures"], limits);
    if (most !== undefined) settings.maxFailures = most;
  }
  if (has("on_failure")) {
    const choices = ["continue", "stop"] as const;
    const chosen = readChoice(reader, root["on_failure"]!, ["on_failure"], choices);
    if (chosen !== undefined) settings.onFailure = chosen;
  }
  if (has("age")) {
    const seconds = readUnit(reader, root["age"]!, ["age"], parseDuration);
    if (seconds === 0) {
      const message = "with an age of 0, every task passes those of a higher priority at once";
      reader.mistakes.add(["age"], message, "give it some time, or remove it");
    }
    if (seconds !== undefined) settings.ageSeconds = seconds;
  }
  return settings;
}
