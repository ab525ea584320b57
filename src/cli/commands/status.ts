import { buildCommand, type Command } from "@stricli/core";
import { TASK_STATES } from "../../core/states.ts";
import type { WorkflowStatus } from "../../protocol/api.ts";
import { withClient } from "../connect.ts";
import type { CliContext } from "../context.ts";
import { workflowRef } from "../names.ts";
import { actionsText } from "../output/actions.ts";
import { categoriesText } from "../output/categories.ts";
import { printJson } from "../output/json.ts";
import { type Column, table } from "../output/table.ts";
import { count } from "../output/units.ts";
import { serverPlace } from "../state-dir.ts";
import { usage } from "../usage.ts";
import { ACCESS_FLAG, JSON_FLAG, STATE_DIR_FLAG, toggle, WORKFLOW_ARGUMENT } from "./shared.ts";

interface Flags {
  all?: boolean | undefined;
  actions?: boolean | undefined;
  categories?: boolean | undefined;
  access?: string | undefined;
  stateDir?: string | undefined;
  json?: boolean | undefined;
}

export const statusCommand: Command<CliContext> = buildCommand<Flags, [string?], CliContext>({
  async func(flags, id) {
    const { io } = this;
    const stateDir = serverPlace(io, flags);
    if (flags.all === true) {
      if (flags.categories === true)
        throw usage("--all and --categories: categories are those of one workflow", "leave --all");
      if (flags.actions === true)
        throw usage("--all and --actions: actions are those of one workflow", "leave --all");
      if (id !== undefined) throw usage(`--all and "${id}": which one?`, "leave one of them");
      const workflows = await withClient(this, stateDir, ({ client }) => client.workflows());
      if (flags.json === true) printJson(io, { workflows: workflows.map(statusJson) });
      else io.stdout.write(workflowsText(workflows));
      return;
    }
    const ref = workflowRef(id);
    if (flags.categories === true) {
      const categories = await withClient(this, stateDir, ({ client }) => client.categories(ref));
      if (flags.json === true) printJson(io, { categories });
      else io.stdout.write(categoriesText(categories));
      return;
    }
    if (flags.actions === true) {
      const actions = await withClient(this, stateDir, ({ client }) => client.actions(ref));
      if (flags.json === true) printJson(io, { actions });
      else io.stdout.write(actionsText(actions));
      return;
    }
    const status = await withClient(this, stateDir, ({ client }) => client.workflow(ref));
    if (flags.json === true) printJson(io, statusJson(status));
    else io.stdout.write(statusText(status));
  },
  parameters: {
    positional: { kind: "tuple", parameters: [WORKFLOW_ARGUMENT] },
    flags: {
      all: toggle("every workflow of the state directory"),
      actions: toggle("what became of each of its actions"),
      categories: toggle("what was measured of each category, and what its tasks are given"),
      access: ACCESS_FLAG,
      stateDir: STATE_DIR_FLAG,
      json: JSON_FLAG,
    },
  },
  docs: {
    brief: "how far a workflow is",
    fullDescription:
      "How many tasks of a workflow are in which state, also while it runs in another terminal.",
    customUsage: [
      { input: "", brief: "the newest workflow" },
      { input: "3 --json", brief: "workflow 3, for programs" },
      { input: "--all", brief: "one line for each workflow" },
    ],
  },
});

/** The fixed output: these fields in this order, whatever a newer server may add. */
export function statusJson(status: WorkflowStatus): WorkflowStatus {
  const tasks = Object.fromEntries(
    TASK_STATES.map((state) => [state, status.tasks[state]]),
  ) as unknown as WorkflowStatus["tasks"];
  return { workflow_id: status.workflow_id, name: status.name, state: status.state, tasks };
}

export function statusText(status: WorkflowStatus): string {
  const total = totalOf(status);
  const rows = TASK_STATES.filter((state) => status.tasks[state] > 0).map((state) => [
    `  ${state}`,
    count(status.tasks[state]),
  ]);
  rows.push(["  total", count(total)]);
  return (
    `workflow ${status.workflow_id}, ${status.name}: ${status.state}\n` +
    table([{ title: "" }, { title: "", align: "right" }], rows)
  );
}

function totalOf({ tasks }: WorkflowStatus): number {
  return TASK_STATES.reduce((sum, state) => sum + tasks[state], 0);
}

export function workflowsText(workflows: readonly WorkflowStatus[]): string {
  if (workflows.length === 0) return "";
  const right = (title: string): Column => ({ title, align: "right" });
  return table(
    [
      right("ID"),
      { title: "NAME" },
      { title: "STATE" },
      right("TASKS"),
      right("SUCCEEDED"),
      right("FAILED"),
    ],
    workflows.map((status) => [
      String(status.workflow_id),
      status.name,
      status.state,
      count(totalOf(status)),
      count(status.tasks.succeeded),
      count(status.tasks.failed),
    ]),
  );
}
