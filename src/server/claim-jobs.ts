/** Tasks as runners that poll know them: Torc's job model, with what is needed to run one. */
import { compileCommandText } from "../core/command-text.ts";
import { TASK_STATES, type TaskState } from "../core/states.ts";
import type { Tasks } from "../core/tasks.ts";
import { compileTemplate } from "../core/template.ts";
import type {
  Block,
  Command,
  ParameterTable,
  TaskBody,
  WorkflowDefinition,
} from "../core/workflow.ts";
import { heldClass } from "../core/allocate.ts";
import type { Ledger, WorkflowRow } from "../ledger/ledger.ts";
import type { JobModel, JobStatus } from "../protocol/claims.ts";
import { blockOf } from "./names.ts";

const STATUS: Readonly<Record<TaskState, JobStatus>> = {
  blocked: "blocked",
  ready: "ready",
  assigned: "pending",
  running: "running",
  succeeded: "completed",
  failed: "failed",
  canceled: "canceled",
  skipped: "canceled",
};

export function jobStatus(tasks: Tasks, task: number): JobStatus {
  return STATUS[TASK_STATES[tasks.state[task]!]!];
}

/** The number of a named scheduler, from 1, in the order of the document; null = none, or not in the document. */
export function schedulerId(definition: WorkflowDefinition, name: string | null): number | null {
  const at = definition.schedulers.findIndex((each) => each.name === name);
  return at < 0 ? null : at + 1;
}

/** The jobs of these tasks, in their order; `attempts` are those that the claim holds. */
export function jobModels(
  ledger: Ledger,
  row: WorkflowRow,
  tasks: Tasks,
  list: readonly number[],
  attempts: readonly number[],
): JobModel[] {
  const { blocks } = tasks.definition;
  const explicit = list.filter((task) => blockOf(blocks, task).kind === "explicit");
  const bodies = explicit.length > 0 ? ledger.bodies(row.id, explicit) : [];
  let next = 0;
  return list.map((task, i) => {
    const block = blockOf(blocks, task);
    const maker =
      block.kind === "array" ? arrayMaker(block) : compileBody(bodies[next++]!, NO_PARAMETERS);
    return jobModel(row, tasks, task, attempts[i]!, block, maker(task - block.first));
  });
}

const NO_PARAMETERS: ParameterTable = { names: [], values: [], mode: "product" };

type Own = Pick<JobModel, "name" | "command" | "argv" | "shell" | "env" | "inputs" | "outputs">;
type Maker = (index: number) => Own;

/** Templates are compiled once per block. */
const makers = new WeakMap<Block, Maker>();

function arrayMaker(block: Extract<Block, { kind: "array" }>): Maker {
  let maker = makers.get(block);
  if (!maker) makers.set(block, (maker = compileBody(block.body, block.parameters)));
  return maker;
}

function compileBody(body: TaskBody, table: ParameterTable): Maker {
  const compile = (text: TaskBody["name"]): ((index: number) => string) =>
    compileTemplate(text, table);
  const name = compile(body.name);
  const command = compileCommandText(body.command, table);
  const argv = body.command.kind === "argv" ? body.command.argv.map(compile) : null;
  const shell = shellOf(body.command);
  const env = Object.entries(body.env ?? {}).map(([key, text]) => [key, compile(text)] as const);
  const inputs = (body.inputs ?? []).map(compile);
  const outputs = (body.outputs ?? []).map(compile);
  return (index) => ({
    name: name(index),
    command: command(index),
    argv: argv?.map((word) => word(index)) ?? null,
    shell,
    env: Object.fromEntries(env.map(([key, text]) => [key, text(index)])),
    inputs: inputs.map((path) => path(index)),
    outputs: outputs.map((path) => path(index)),
  });
}

function shellOf(command: Command): JobModel["shell"] {
  if (command.kind === "shell") return command.shell;
  return command.kind === "auto" ? "auto" : "none";
}

function jobModel(
  row: WorkflowRow,
  tasks: Tasks,
  task: number,
  attempt: number,
  block: Block,
  own: Own,
): JobModel {
  const { definition } = tasks;
  const recovery = tasks.recovery.get(task);
  // What the attempt was given, where that is learned; else what the task declares.
  const need = heldClass(tasks, task).requirement;
  return {
    id: row.firstTaskId + task,
    workflow_id: row.id,
    status: jobStatus(tasks, task),
    attempt_id: attempt,
    invocation_script: null,
    cwd: block.cwd ?? definition.cwd,
    ...own,
    env: {
      HOLDALL_WORKFLOW_ID: String(row.id),
      HOLDALL_TASK: own.name,
      HOLDALL_ATTEMPT: String(attempt),
      ...own.env,
    },
    resource_requirements: {
      num_cpus: need.cpus,
      num_gpus: need.gpus,
      num_nodes: need.nodes,
      memory_bytes: need.memoryBytes,
      memory_gb: need.memoryBytes / 2 ** 30,
      disk_bytes: need.diskBytes,
      runtime: need.runtimeSeconds === null ? null : `PT${need.runtimeSeconds}S`,
      custom: { ...need.custom },
    },
    timeout_seconds: block.timeoutSeconds,
    recovery: recovery ? { command: recovery.command, exit_code: recovery.exitCode } : null,
    priority: block.priority,
    scheduler_id: schedulerId(definition, block.scheduler),
    cancel_on_blocking_job_failure: block.onUpstreamFailure === "skip",
    supports_termination: false,
  };
}
