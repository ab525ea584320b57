/** What a document says of the workers that run it, of what is recorded, and to people. */
import type { MonitorSettings, NodeSettings, WorkflowDefinition } from "../core/workflow.ts";
import { type Path, type SpecMap, type SpecValue } from "./document.ts";
import { checkKeys, MONITOR_KEYS } from "./fields.ts";
import {
  readBoolean,
  readChoice,
  readMap,
  readNumber,
  readWritten,
  type Reader,
  withoutNulls,
} from "./values.ts";

export type Surroundings = Pick<
  WorkflowDefinition,
  "slurmDefaults" | "nodes" | "monitor" | "pendingFailed" | "about"
>;

/** What each scheduler says for itself. */
const OWN_OPTIONS: ReadonlySet<string> = new Set([
  "partition",
  "nodes",
  "walltime",
  "time",
  "mem",
  "gres",
  "name",
  "job-name",
]);

/** What pilots say for themselves: without these they could not be found again, nor told to end. */
const PILOTS_OPTIONS: ReadonlySet<string> = new Set([
  "array",
  "comment",
  "open-mode",
  "output",
  "parsable",
  "signal",
  "wrap",
]);

export function readSurroundings(reader: Reader, root: SpecMap): Surroundings {
  const found: Surroundings = {};
  const has = (key: string): boolean => Object.hasOwn(root, key);
  if (has("slurm_defaults")) {
    const defaults = readSlurmDefaults(reader, root["slurm_defaults"]!);
    if (defaults) found.slurmDefaults = defaults;
  }
  const nodes = readNodes(reader, root);
  if (Object.keys(nodes).length > 0) found.nodes = nodes;
  if (has("resource_monitor")) {
    const monitor = readMonitor(reader, root["resource_monitor"]!);
    if (monitor) found.monitor = monitor;
  }
  if (
    has("use_pending_failed") &&
    readBoolean(reader, root["use_pending_failed"]!, ["use_pending_failed"])
  )
    found.pendingFailed = true;
  const about: Record<string, string> = {};
  for (const key of ["description", "user", "project", "metadata"]) {
    if (!has(key)) continue;
    const text = readWritten(reader, root[key]!, [key]);
    if (text !== undefined) about[key] = text;
  }
  if (Object.keys(about).length > 0) found.about = about;
  return found;
}

function readSlurmDefaults(
  reader: Reader,
  value: SpecValue,
): Readonly<Record<string, string>> | undefined {
  const path: Path = ["slurm_defaults"];
  const whole = readMap(reader, value, path);
  if (!whole) return undefined;
  const defaults: Record<string, string> = {};
  const map = withoutNulls(whole);
  for (const key of Object.keys(map)) {
    const at = [...path, key];
    const option = key.replaceAll("_", "-");
    if (OWN_OPTIONS.has(option)) {
      const message = `'${key}' is said by each scheduler for itself`;
      reader.mistakes.add(at, message, "move it into slurm_schedulers", { key: true });
      continue;
    }
    if (PILOTS_OPTIONS.has(option)) {
      const message = `'${key}' is set by Holdall itself for what it submits`;
      reader.mistakes.add(at, message, "remove it", { key: true });
      continue;
    }
    if (!/^[a-z][a-z\d-]*$/.test(option)) {
      const message = `'${key}' cannot be an option of sbatch`;
      reader.mistakes.add(at, message, "write a long option without its dashes: mail-type", {
        key: true,
      });
      continue;
    }
    const text = readWritten(reader, map[key]!, at);
    if (text !== undefined) defaults[option] = text;
  }
  return defaults;
}

function readNodes(reader: Reader, root: SpecMap): NodeSettings {
  const nodes: NodeSettings = {};
  const number = (key: string): number | undefined =>
    Object.hasOwn(root, key)
      ? readNumber(reader, root[key]!, [key], { min: 0, max: 1_000_000_000 })
      : undefined;
  const buffer = number("compute_node_expiration_buffer_seconds");
  const wait = number("compute_node_wait_for_new_jobs_seconds");
  const minutes = number("compute_node_wait_for_healthy_database_minutes");
  const minTime = number("compute_node_min_time_for_new_jobs_seconds");
  if (buffer !== undefined) nodes.expirationBufferSeconds = buffer;
  if (wait !== undefined) nodes.waitForNewTasksSeconds = wait;
  if (minutes !== undefined) nodes.waitForServerMinutes = minutes;
  if (minTime !== undefined) nodes.minTimeForNewTasksSeconds = minTime;
  const key = "compute_node_ignore_workflow_completion";
  if (Object.hasOwn(root, key)) {
    const ignores = readBoolean(reader, root[key]!, [key]);
    if (ignores !== undefined) nodes.ignoreWorkflowCompletion = ignores;
  }
  return nodes;
}

function readMonitor(reader: Reader, value: SpecValue): MonitorSettings | undefined {
  const path: Path = ["resource_monitor"];
  const whole = readMap(reader, value, path);
  if (!whole) return undefined;
  const map = withoutNulls(whole);
  checkKeys(reader, map, MONITOR_KEYS, path, "a resource monitor");
  const has = (key: string): boolean => Object.hasOwn(map, key);
  const boolean = (key: string): boolean =>
    has(key) && readBoolean(reader, map[key]!, [...path, key]) === true;
  const granularities = ["summary", "time_series", "Summary", "TimeSeries"] as const;
  const granularity = has("granularity")
    ? readChoice(reader, map["granularity"]!, [...path, "granularity"], granularities)
    : "summary";
  const interval = has("sample_interval_seconds")
    ? readNumber(reader, map["sample_interval_seconds"]!, [...path, "sample_interval_seconds"], {
        min: 0,
        above: true,
        max: 86_400,
        integer: false,
      })
    : 5;
  return {
    enabled: boolean("enabled"),
    granularity:
      granularity?.startsWith("t") || granularity === "TimeSeries" ? "time_series" : "summary",
    sampleIntervalSeconds: interval ?? 5,
    plots: boolean("generate_plots"),
  };
}
