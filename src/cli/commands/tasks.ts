import { buildCommand, type Command } from "@stricli/core";
import type { HoldallClient, TaskQuery, WorkflowRef } from "../../client/client.ts";
import { TASK_STATES, type TaskState } from "../../core/states.ts";
import type { TaskItem, TaskPage } from "../../protocol/api.ts";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { workflowRef } from "../names.ts";
import { type Colors, colorsFor } from "../output/colors.ts";
import { printJson } from "../output/json.ts";
import { shellWord } from "../output/summary.ts";
import { table } from "../output/table.ts";
import { bytes, duration } from "../output/units.ts";
import { serverPlace } from "../state-dir.ts";
import { usage } from "../usage.ts";
import {
  ACCESS_FLAG,
  flag,
  integerFrom,
  JSON_FLAG,
  STATE_DIR_FLAG,
  text,
  WORKFLOW_ARGUMENT,
} from "./shared.ts";

const DEFAULT_LIMIT = 1000;
/** Asked of the server at once; it may answer fewer. */
const PAGE = 1000;

interface Flags {
  state?: TaskState | undefined;
  name?: string | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const tasksCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, id) {
    const { io } = this;
    const ref = workflowRef(id);
    const stateDir = serverPlace(io, flags);
    const limit = flags.limit ?? DEFAULT_LIMIT;
    const page = await withClient(this, stateDir, ({ client }) =>
      collect(client, ref, { state: flags.state, name: flags.name, cursor: flags.cursor }, limit),
    );
    if (flags.json === true) {
      printJson(io, { tasks: page.tasks.map(taskJson), next_cursor: page.next_cursor });
      return;
    }
    io.stdout.write(tasksText(page.tasks, colorsFor(io, io.stdout)));
    if (page.tasks.length === 0) io.stderr.write("no such tasks\n");
    if (page.next_cursor !== null) {
      const filter =
        (flags.state === undefined ? "" : ` --state ${flags.state}`) +
        (flags.name === undefined ? "" : ` --name ${shellWord(flags.name)}`);
      const again = `tasks${id === undefined ? "" : ` ${id}`}${filter}${stateDir.flag}`;
      io.stderr.write(`more: holdall ${again} --cursor ${shellWord(page.next_cursor)}\n`);
    }
  },
  parameters: {
    positional: { kind: "tuple", parameters: [WORKFLOW_ARGUMENT] },
    flags: {
      state: flag(taskState, "STATE", "only tasks in this state"),
      name: flag(text, "GLOB", "only tasks of this name; * and ? stand for anything"),
      limit: flag(integerFrom(1), "N", `at most so many (default ${DEFAULT_LIMIT})`),
      cursor: flag(text, "TEXT", "go on where the last answer ended (its next_cursor)"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "the tasks of a workflow: state, exit code, time, memory",
    customUsage: [
      { input: "", brief: "all tasks of the newest workflow" },
      { input: "3 --state failed", brief: "what failed in workflow 3" },
      { input: "--name 'compress_0*' --json", brief: "for programs" },
    ],
  },
});

function taskState(input: string): TaskState {
  const state = TASK_STATES.find((name) => name === input);
  if (state === undefined) {
    throw usage(`'${input}' is not a task state`, `one of ${TASK_STATES.join(", ")}`);
  }
  return state;
}

/** Pages until `limit` tasks are there or no more follow. */
async function collect(
  client: HoldallClient,
  ref: WorkflowRef,
  query: TaskQuery,
  limit: number,
): Promise<TaskPage> {
  // The newest workflow may be another one when the second page is asked for.
  const id = ref === "latest" ? (await client.workflow(ref)).workflow_id : ref;
  const tasks: TaskItem[] = [];
  let { cursor } = query;
  for (;;) {
    const page = await client.tasks(id, {
      ...query,
      cursor,
      limit: Math.min(PAGE, limit - tasks.length),
    });
    tasks.push(...page.tasks);
    if (page.next_cursor === null || tasks.length >= limit) {
      return { tasks, next_cursor: page.next_cursor };
    }
    cursor = page.next_cursor;
  }
}

/** The fixed output: these fields in this order, whatever a newer server may add. */
export function taskJson(task: TaskItem): TaskItem {
  return {
    name: task.name,
    state: task.state,
    attempts: task.attempts,
    exit_code: task.exit_code,
    outcome: task.outcome,
    host: task.host,
    wall_seconds: task.wall_seconds,
    cpu_seconds: task.cpu_seconds,
    peak_memory_bytes: task.peak_memory_bytes,
  };
}

export function tasksText(tasks: readonly TaskItem[], colors: Colors): string {
  if (tasks.length === 0) return "";
  const or = <T>(value: T | null, show: (value: T) => string): string =>
    value === null ? "-" : show(value);
  const rows = tasks.map((task) => [
    task.name,
    task.state,
    String(task.attempts),
    or(task.exit_code, String),
    or(task.outcome, String),
    or(task.wall_seconds, duration),
    or(task.cpu_seconds, duration),
    or(task.peak_memory_bytes, bytes),
    or(task.host, String),
  ]);
  const styles: Partial<Record<TaskState, (cell: string) => string>> = {
    succeeded: colors.green,
    failed: colors.red,
    skipped: colors.yellow,
    canceled: colors.yellow,
  };
  return table(
    [
      { title: "NAME" },
      { title: "STATE" },
      { title: "ATTEMPTS", align: "right" },
      { title: "EXIT", align: "right" },
      { title: "OUTCOME" },
      { title: "TIME", align: "right" },
      { title: "CPU", align: "right" },
      { title: "MEMORY", align: "right" },
      { title: "HOST" },
    ],
    rows,
    (cell, row, column) => {
      const state = tasks[row]?.state;
      return column === 1 && state !== undefined ? (styles[state]?.(cell) ?? cell) : cell;
    },
  );
}
