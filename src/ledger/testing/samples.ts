/** Workflows and records that tests make ledgers of. */
import { OUTCOME_OK } from "../../core/states.ts";
import { DEFAULT_REQUIREMENT } from "../../core/workflow.ts";
import type { ArrayBlock, BlockPolicy, TaskBody, WorkflowDefinition } from "../../core/workflow.ts";
import type { LedgerRecord, WorkflowOptions } from "../ledger.ts";

type FinishedRecord = Extract<LedgerRecord, { kind: "finished" }>;

export const OPTIONS: WorkflowOptions = { stdout: "capture", stderr: "none", outputDir: null };

export const POLICY: BlockPolicy = {
  requirement: DEFAULT_REQUIREMENT,
  category: "c",
  retries: 0,
  timeoutSeconds: null,
  onUpstreamFailure: "skip",
  priority: 0,
  cwd: null,
  scheduler: null,
};

export const DEFINITION: WorkflowDefinition = {
  name: "w",
  source: "/s/w.yaml",
  specDir: "/s",
  cwd: "/s",
  blocks: [],
  edges: [],
  runs: [],
  sets: [],
  taskCount: 0,
  priority: 0,
  sortMethod: "auto",
  schedulers: [],
};

export function arrayBlock(first: number, count: number): ArrayBlock {
  return {
    ...POLICY,
    kind: "array",
    first,
    count,
    title: "t_{i}",
    parameters: { names: ["i"], values: [{ from: 0, step: 1, count, decimals: 0 }], mode: "zip" },
    body: {
      name: ["t_", { p: 0 }],
      command: { kind: "argv", argv: ["true", [{ p: 0, f: "03d" }]] },
    },
  };
}

export function arrayWorkflow(count: number): WorkflowDefinition {
  return { ...DEFINITION, taskCount: count, blocks: [arrayBlock(0, count)] };
}

export function explicitWorkflow(bodies: readonly TaskBody[]): WorkflowDefinition {
  const count = bodies.length;
  return {
    ...DEFINITION,
    taskCount: count,
    blocks: [{ ...POLICY, kind: "explicit", first: 0, count, bodies }],
  };
}

export function body(name: string): TaskBody {
  return { name, command: { kind: "auto", text: `run ${name}` }, env: { A: name } };
}

/** Attempts that succeeded and were accepted, unless told otherwise. */
export function finished(
  workflow: number,
  tasks: readonly number[],
  change: Partial<Omit<FinishedRecord, "columns">> & {
    attempt?: number;
    outcome?: number;
    columns?: Partial<FinishedRecord["columns"]>;
  } = {},
): FinishedRecord {
  const { attempt = 1, outcome = OUTCOME_OK, columns, ...rest } = change;
  return {
    kind: "finished",
    workflow,
    worker: 1,
    columns: {
      tasks,
      attempts: tasks.map(() => attempt),
      outcomes: tasks.map(() => outcome),
      exits: tasks.map(() => 0),
      startedMs: tasks.map(() => 1_800_000_000_000),
      wallUs: tasks.map((task) => 1000 + task),
      userUs: tasks.map(() => 20),
      systemUs: tasks.map(() => 3),
      peakBytes: tasks.map(() => 2 ** 40),
      ...columns,
    },
    accepted: new Uint8Array(tasks.length).fill(1),
    messages: [],
    outputs: [],
    ...rest,
  };
}
