/** `holdall plan`: what a document means, before anything runs. */
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { makespan, type Outline, outlineOf, type Shape, stageWidths } from "../../core/outline.ts";
import type { WorkflowDefinition } from "../../core/workflow.ts";
import { loadSpec, specWarnings } from "../../spec/index.ts";
import type { Io } from "../io.ts";
import { detectOffer, thisMachine } from "../offer.ts";
import { printJson } from "../output/json.ts";
import { pairs, table } from "../output/table.ts";
import { bytes, count, duration, plural } from "../output/units.ts";
import { expandTasks, nameOf, titleOf } from "./expand.ts";

export interface PlanFlags {
  workers?: number | undefined;
  cpus?: number | undefined;
  memory?: number | undefined;
  gpus?: number | undefined;
  /** seconds */
  assume?: number | undefined;
  limit?: number | undefined;
  cwd?: string | undefined;
  define?: readonly string[] | undefined;
  json?: boolean | undefined;
}

/** Written out without being asked how many. */
const EXPAND_LIMIT = 100_000;
/** Stages shown to people; of the longest path, as many at each end. */
const MOST_STAGES = 40;
const PATH_ENDS = 4;

export function showPlan(file: string, flags: PlanFlags, io: Io): void {
  const definition = loadSpec(file, {
    cwd: io.cwd,
    ...(flags.cwd === undefined ? {} : { cwdOverride: resolve(io.cwd, flags.cwd) }),
    define: flags.define,
  });
  if (flags.json === true) {
    printJson(io, planJson(definition, flags.limit ?? null));
    return;
  }
  for (const { message } of specWarnings(definition)) io.stderr.write(`note: ${message}\n`);
  const here = detectOffer(io.cwd, thisMachine);
  io.stdout.write(
    planText(definition, {
      workers: flags.workers ?? 1,
      assumeSeconds: flags.assume ?? null,
      shape: {
        cpus: flags.cpus ?? here.cpus,
        memoryBytes: flags.memory ?? here.memoryBytes,
        gpus: flags.gpus ?? here.gpus,
      },
    }),
  );
}

/** Throws usage above 100,000 tasks without a limit. */
export function planJson(definition: WorkflowDefinition, limit: number | null): object {
  if (limit === null && definition.taskCount > EXPAND_LIMIT)
    throw new HoldallError(
      "usage",
      `${count(definition.taskCount)} tasks are not written out: the limit is ${count(EXPAND_LIMIT)}`,
      {
        fix: `give --limit N for the first N tasks (--limit ${definition.taskCount} for all), or leave --json`,
      },
    );
  const tasks = expandTasks(definition, Math.min(limit ?? EXPAND_LIMIT, definition.taskCount));
  const { stage } = outlineOf(definition, () => 0);
  const stages: string[][] = [];
  tasks.forEach(({ name }, task) => (stages[stage[task]!] ??= []).push(name));
  return { tasks, stages: Array.from(stages, (names) => names ?? []) };
}

export interface Estimate {
  workers: number;
  shape: Shape;
  /** of tasks that state no run time; null = unknown */
  assumeSeconds: number | null;
}

export function planText(definition: WorkflowDefinition, estimate: Estimate): string {
  const { blocks, taskCount } = definition;
  const secondsOf = (block: number): number =>
    blocks[block]!.requirement.runtimeSeconds ?? estimate.assumeSeconds ?? 0;
  const outline = outlineOf(definition, secondsOf);
  const widths = stageWidths(outline);
  const unknown =
    estimate.assumeSeconds === null
      ? blocks.reduce(
          (sum, { requirement, count: of }) => sum + (requirement.runtimeSeconds === null ? of : 0),
          0,
        )
      : 0;
  const head = `${definition.name}: ${plural(taskCount, "task")} in ${plural(widths.length, "stage")}\n\n`;
  return (
    head +
    stagesText(definition, outline, widths) +
    "\n" +
    pairs([
      ["longest path", pathText(definition, outline)],
      ...totals(definition, secondsOf),
      ...timeRows(definition, outline, secondsOf, unknown, estimate),
    ])
  );
}

function stagesText(
  definition: WorkflowDefinition,
  { stage }: Outline,
  widths: readonly number[],
): string {
  /** titles of the blocks in a stage, and how many tasks of them */
  const inStage = widths.map(() => new Map<string, number>());
  for (const block of definition.blocks) {
    const title = titleOf(block);
    for (let task = block.first; task < block.first + block.count; task++) {
      const titles = inStage[stage[task]!]!;
      titles.set(title, (titles.get(title) ?? 0) + 1);
    }
  }
  const rows = widths
    .slice(0, MOST_STAGES)
    .map((width, at) => [String(at + 1), count(width), namesText([...inStage[at]!])]);
  if (widths.length > MOST_STAGES)
    rows.push(["", "", `… and ${plural(widths.length - MOST_STAGES, "further stage")}`]);
  return table(
    [{ title: "STAGE", align: "right" }, { title: "TASKS", align: "right" }, { title: "WHICH" }],
    rows,
  );
}

const MOST_TITLES = 5;

function namesText(titles: readonly (readonly [title: string, tasks: number])[]): string {
  const shown = titles
    .slice(0, MOST_TITLES)
    .map(([title, tasks]) => (tasks === 1 ? title : `${title} (${count(tasks)})`));
  const more = titles.length - MOST_TITLES;
  return shown.join(", ") + (more > 0 ? `, and ${more} more` : "");
}

function pathText(
  definition: WorkflowDefinition,
  { criticalPath, criticalSeconds }: Outline,
): string {
  const names = criticalPath.map((task, at) =>
    at < PATH_ENDS || at >= criticalPath.length - PATH_ENDS ? nameOf(definition, task) : "",
  );
  const shown =
    names.length <= 2 * PATH_ENDS
      ? names
      : [...names.slice(0, PATH_ENDS), "…", ...names.slice(-PATH_ENDS)];
  const time = criticalSeconds > 0 ? `, ${duration(criticalSeconds)}` : "";
  return `${plural(criticalPath.length, "task")}${time}: ${shown.join(" → ")}`;
}

function totals(
  definition: WorkflowDefinition,
  secondsOf: (block: number) => number,
): [string, string][] {
  const { blocks } = definition;
  let cpuSeconds = 0;
  let gpuSeconds = 0;
  const most = { cpus: 0, memoryBytes: 0, diskBytes: 0, gpus: 0 };
  blocks.forEach(({ requirement: need, count: tasks }, at) => {
    cpuSeconds += need.cpus * secondsOf(at) * tasks;
    gpuSeconds += need.gpus * secondsOf(at) * tasks;
    for (const key of ["cpus", "memoryBytes", "diskBytes", "gpus"] as const)
      most[key] = Math.max(most[key], need[key]);
  });
  const rows: [string, string][] = [];
  const parts = [plural(most.cpus, "cpu")];
  if (most.memoryBytes > 0) parts.push(`${bytes(most.memoryBytes)} memory`);
  if (most.diskBytes > 0) parts.push(`${bytes(most.diskBytes)} disk`);
  if (most.gpus > 0) parts.push(plural(most.gpus, "gpu"));
  rows.push(["most that one task asks for", parts.join(", ")]);
  if (cpuSeconds > 0) rows.push(["cpu time in all", duration(cpuSeconds)]);
  if (gpuSeconds > 0) rows.push(["gpu time in all", duration(gpuSeconds)]);
  return rows;
}

function timeRows(
  definition: WorkflowDefinition,
  outline: Outline,
  secondsOf: (block: number) => number,
  unknown: number,
  { workers, shape }: Estimate,
): [string, string][] {
  const where = `${plural(workers, "worker")} of ${plural(shape.cpus, "cpu")}`;
  if (unknown > 0)
    return [
      [
        `time on ${where}`,
        `unknown: ${plural(unknown, "task")} without a runtime; --assume 1m estimates with one`,
      ],
    ];
  const seconds = makespan(definition, outline, secondsOf, workers, shape);
  return [
    [
      `time on ${where}`,
      seconds === null
        ? "never: a task asks for more than one of them has"
        : `about ${duration(seconds)}`,
    ],
  ];
}
