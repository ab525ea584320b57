/**
 * POST /api/v1/workflows, and /api/v1/workflows/ID/tasks for more tasks of one that exists. The definition travels as the ledger stores it, arrays unexpanded; every field is checked before anything
 * is stored, because what comes is not always what our own client made.
 */
import { z } from "zod";
import { OUTCOMES } from "../core/states.ts";
import { ALGORITHMS, ALLOCATIONS } from "../core/workflow.ts";
import { taskBodies, TEXT_MAX } from "./task-bodies.ts";
import type {
  Block,
  Command,
  ParameterTable,
  ParameterValues,
  TaskBody,
  TextTemplate,
  WorkflowDefinition,
} from "../core/workflow.ts";

const count: z.ZodNumber = z.int().min(0).max(1e9);
const amount: z.ZodNumber = z.number().min(0).max(1e18);
const text: z.ZodString = z
  .string()
  .max(TEXT_MAX)
  .refine((value) => !value.includes("\0"), "holds a NUL");
const template: z.ZodType<TextTemplate> = z.union([
  text,
  z
    .array(
      z.union([
        text,
        z.strictObject({ p: z.int().min(0).max(1000), f: z.string().max(20).optional() }),
      ]),
    )
    .max(1000),
]) as z.ZodType<TextTemplate>;
const command: z.ZodType<Command> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("argv"), argv: z.array(template).min(1) }),
  z.strictObject({ kind: z.literal("auto"), text: template }),
  z.strictObject({ kind: z.literal("shell"), shell: z.enum(["sh", "bash"]), text: template }),
  z.strictObject({ kind: z.literal("words"), text: template }),
]);
const body: z.ZodType<TaskBody> = z.strictObject({
  name: template,
  command,
  inputs: z.array(template).optional(),
  outputs: z.array(template).optional(),
  env: z.record(z.string(), template).optional(),
}) as z.ZodType<TaskBody>;
const values: z.ZodType<ParameterValues> = z.union([
  z.strictObject({ from: z.number(), step: z.number(), count, decimals: z.int().min(0).max(20) }),
  z.array(text),
]);
const parameters: z.ZodType<ParameterTable> = z.strictObject({
  names: z.array(z.string()).max(1000),
  values: z.array(values).max(1000),
  mode: z.enum(["product", "zip"]),
});
const absolute: z.ZodString = text.refine(
  (path) => path.startsWith("/"),
  "is not an absolute path",
);
const attempts: z.ZodNumber = z.int().min(0).max(60_000);
const faults = z.strictObject({
  retryOn: z.partialRecord(z.enum(OUTCOMES), attempts).optional(),
  backoff: z
    .strictObject({
      initialSeconds: amount,
      factor: z.number().min(0).max(1e6),
      maxSeconds: amount,
      jitter: z.number().min(0).max(1),
    })
    .optional(),
  exitRules: z
    .array(
      z.strictObject({
        exitCodes: z.array(z.int().min(-1000).max(1000)).nullable(),
        retries: attempts,
        recovery: text.nullable(),
      }),
    )
    .max(1000)
    .optional(),
  crashLimit: attempts.optional(),
});
const algorithm = z.enum(ALGORITHMS);
const placement = z.strictObject({
  algorithm: algorithm.optional(),
  preferredHosts: z.array(text).optional(),
  requiredHosts: z.array(text).optional(),
  features: z.array(text).optional(),
});
const multiple = z.number().positive().max(1e9).nullable();
const category = z.looseObject({
  allocation: z.enum(ALLOCATIONS).optional(),
  maxConcurrent: z.int().min(1).max(1e9).optional(),
  fastAbort: multiple.optional(),
  speculate: multiple.optional(),
  algorithm: algorithm.optional(),
});
/** What a newer client may know of a block travels on: the core looks at what it knows. */
const policy = {
  requirement: z.looseObject({
    cpus: amount,
    memoryBytes: amount,
    diskBytes: amount,
    gpus: amount,
    nodes: count,
    runtimeSeconds: amount.nullable(),
    custom: z.record(z.string(), amount).optional(),
  }),
  category: text,
  retries: attempts,
  timeoutSeconds: amount.nullable(),
  onUpstreamFailure: z.enum(["skip", "run"]),
  priority: z.number(),
  cwd: absolute.nullable(),
  scheduler: text.nullable(),
  faults: faults.optional(),
  placement: placement.optional(),
  idempotent: z.boolean().optional(),
  first: count,
  count: z.int().min(1).max(1e9),
};
const block: z.ZodType<Block> = z.discriminatedUnion("kind", [
  z.looseObject({ kind: z.literal("array"), title: text, parameters, body, ...policy }),
  z.looseObject({ kind: z.literal("explicit"), bodies: taskBodies(body), ...policy }),
]) as unknown as z.ZodType<Block>;
const range: z.ZodType<readonly [number, number]> = z.tuple([count, z.int().min(1).max(1e9)]);
const definition: z.ZodType<WorkflowDefinition> = z.looseObject({
  name: text.min(1).max(1000),
  source: text.nullable(),
  specDir: text,
  cwd: absolute,
  blocks: z.array(block).min(1),
  edges: z.array(count),
  runs: z.array(z.strictObject({ upstream: count, dependent: count, count })),
  sets: z.array(z.strictObject({ members: z.array(range), dependents: z.array(range) })),
  taskCount: z.int().min(1).max(1e8),
  priority: z.number(),
  sortMethod: z.enum(["auto", "gpus_runtime_memory", "gpus_memory_runtime", "none"]),
  schedulers: z.array(z.strictObject({ name: text, fields: z.record(z.string(), z.unknown()) })),
  categories: z.record(z.string(), category).optional(),
  algorithm: algorithm.optional(),
  maxFailures: z.int().min(1).max(1e9).nullable().optional(),
  onFailure: z.enum(["continue", "stop"]).optional(),
  ageSeconds: amount.optional(),
}) as unknown as z.ZodType<WorkflowDefinition>;

const idempotencyKey = z.string().min(1).max(200).nullable().default(null);

export interface SubmitRequest {
  definition: WorkflowDefinition;
  stdout: "capture" | "none";
  stderr: "capture" | "none";
  /** absolute, or null */
  output_dir: string | null;
  /** the same key again is the same workflow */
  idempotency_key: string | null;
}

export interface SubmitAnswer {
  workflow_id: number;
  name: string;
  tasks: number;
}

export const submitRequest: z.ZodType<SubmitRequest> = z.strictObject({
  definition,
  stdout: z.enum(["capture", "none"]).default("capture"),
  stderr: z.enum(["capture", "none"]).default("capture"),
  output_dir: absolute.nullable().default(null),
  idempotency_key: idempotencyKey,
});

export interface AddTasksRequest {
  /** the tasks, numbered from 0; settings of the workflow stay what they are */
  definition: WorkflowDefinition;
  /** what waits for nothing in `definition` waits for these tasks of the workflow: names, titles of arrays, globs */
  after?: string[] | undefined;
  /** the same key again is the same addition */
  idempotency_key?: string | null | undefined;
}

export interface AddTasksAnswer {
  workflow_id: number;
  name: string;
  /** how many were added */
  tasks: number;
}

export const addTasksRequest: z.ZodType<AddTasksRequest> = z.strictObject({
  definition,
  after: z.array(z.string().min(1).max(10_000)).max(10_000).default([]),
  idempotency_key: idempotencyKey,
});
