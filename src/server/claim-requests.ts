/** What runners that poll send: fields of Torc's bodies, also as query parameters, and a few of our own. Unknown fields are ignored, as Torc does. */
import { z } from "zod";
import { CLAIM_ORDERS } from "../core/claim.ts";
import { HoldallError } from "../core/error.ts";
import { outcomeIndex, OUTCOMES } from "../core/states.ts";
import { parseDuration } from "../core/units.ts";
import type { WorkflowDefinition } from "../core/workflow.ts";
import type { Completion } from "./claim-results.ts";
import type { ClaimRequest } from "./claims.ts";

/** Tasks per claim, whatever was asked for. */
export const CLAIM_LIMIT = 10_000;
/** What `claim_next_jobs` gives to those who do not say how many. */
const NEXT_LIMIT = 10;
const MAX_LEASE_SECONDS = 30 * 24 * 3600;
/** Torc's runners say nothing of their disk: it is no obstacle then. */
const ANY_DISK_BYTES: number = 2 ** 50;
/** Output that is kept of each stream. */
const OUTPUT_LIMIT_BYTES = 65_536;

const amount = z
  .number()
  .min(0)
  .max(2 ** 40);
const lease = z.number().positive().max(MAX_LEASE_SECONDS).nullable().optional();
const limit = z.int().min(0).optional();

const common = {
  limit,
  lease_seconds: lease,
  sort_method: z.enum(CLAIM_ORDERS).optional(),
  strict_scheduler_match: z.boolean().optional(),
  scheduler_config_id: z.int().nullable().optional(),
  host: z.string().min(1).max(255).optional(),
  features: z.array(z.string()).optional(),
};

const resourcesBody = z.object({
  ...common,
  num_cpus: amount,
  memory_gb: amount,
  num_gpus: amount.default(0),
  num_nodes: z.int().min(1).default(1),
  disk_gb: amount.optional(),
  custom: z.record(z.string(), amount).optional(),
  time_limit: z.string().nullable().optional(),
});

const nextBody = z.object(common);

const renewBody = z.object({ lease_seconds: lease });

/** Fields that are numbers, booleans and lists where they stand in a query. */
const NUMBERS = new Set([
  "limit",
  "lease_seconds",
  "scheduler_config_id",
  "num_cpus",
  "memory_gb",
  "num_gpus",
  "num_nodes",
  "disk_gb",
]);

/** The fields of a request: its body, and what the query says besides. Throws usage. */
function fieldsOf(query: URLSearchParams, text: string): unknown {
  const fields: Record<string, unknown> = {};
  for (const [name, word] of query) {
    if (NUMBERS.has(name)) fields[name] = word.trim() === "" ? word : Number(word);
    else if (name === "strict_scheduler_match") fields[name] = booleanOf(word);
    else if (name === "features") fields[name] = word.split(",").filter((each) => each !== "");
    else fields[name] = word;
  }
  if (text.trim() === "") return fields;
  const body = jsonOf(text);
  if (body === null || typeof body !== "object" || Array.isArray(body))
    throw new HoldallError("usage", "the request is not a JSON object");
  return { ...fields, ...body };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HoldallError("usage", `the request is not JSON: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function booleanOf(word: string): unknown {
  if (word === "true" || word === "1") return true;
  return word === "false" || word === "0" ? false : word;
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue!.path.join(".");
  throw new HoldallError("usage", `${where === "" ? "" : `${where}: `}${issue!.message}`, {
    fix: "docs/claims.md lists the fields",
  });
}

/** `from`: the address the request came from. Throws usage (400), and spec (422) for a time limit that is none. */
export function claimRequest(
  kind: "resources" | "next",
  query: URLSearchParams,
  text: string,
  from: string | null,
  schedulers: WorkflowDefinition["schedulers"],
): ClaimRequest {
  const fields = fieldsOf(query, text);
  const shared = (given: z.infer<typeof nextBody>): Pick<ClaimRequest, "leaseMs" | "order"> => ({
    leaseMs: inMs(given.lease_seconds ?? null),
    order: given.sort_method ?? "none",
  });
  const offered = (given: z.infer<typeof nextBody>) => ({
    scheduler: schedulerOf(given.scheduler_config_id ?? null, schedulers),
    host: given.host ?? from ?? "unknown",
    features: given.features ?? [],
  });
  if (kind === "next") {
    const given = check(nextBody, fields);
    const most = Math.min(given.limit ?? NEXT_LIMIT, CLAIM_LIMIT);
    return {
      ...shared(given),
      capacity: {
        cpus: 0,
        memoryBytes: 0,
        diskBytes: 0,
        gpus: 0,
        maxParallel: most,
        timeLimitSeconds: null,
        ...offered(given),
      },
      nodes: null,
      limit: most,
      // The next ones, whoever they are meant for, unless the runner says who it is or that it matters.
      strict:
        given.strict_scheduler_match ??
        (typeof given.scheduler_config_id === "number" ? false : null),
    };
  }
  const given = check(resourcesBody, fields);
  return {
    ...shared(given),
    capacity: {
      cpus: given.num_cpus,
      memoryBytes: Math.trunc(given.memory_gb * 2 ** 30),
      diskBytes: given.disk_gb === undefined ? ANY_DISK_BYTES : Math.trunc(given.disk_gb * 2 ** 30),
      gpus: given.num_gpus,
      ...(given.custom ? { custom: given.custom } : {}),
      maxParallel: null,
      timeLimitSeconds: timeLimitOf(given.time_limit ?? null),
      ...offered(given),
    },
    nodes: given.num_nodes,
    limit: Math.min(given.limit ?? CLAIM_LIMIT, CLAIM_LIMIT),
    strict: given.strict_scheduler_match ?? false,
  };
}

function inMs(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000;
}

/** A number that the document does not have is that of a scheduler to which nothing is bound. */
function schedulerOf(
  id: number | null,
  schedulers: WorkflowDefinition["schedulers"],
): string | null {
  if (id === null) return null;
  return schedulers[id - 1]?.name ?? `\0${id}`;
}

function timeLimitOf(text: string | null): number | null {
  if (text === null) return null;
  const parsed = parseDuration(text);
  if ("value" in parsed) return parsed.value;
  throw new HoldallError("spec", `time_limit: ${parsed.error}`, { fix: parsed.fix });
}

/** The lease asked for with a renewal; undefined = the one there is. */
export function renewRequest(query: URLSearchParams, text: string): number | null | undefined {
  const seconds = check(renewBody, fieldsOf(query, text)).lease_seconds;
  return seconds === undefined ? undefined : inMs(seconds);
}

/** Torc's completion statuses, by name and number. */
const COMPLETIONS: Readonly<Record<string, "completed" | "failed" | "canceled" | "terminated">> = {
  completed: "completed",
  "5": "completed",
  failed: "failed",
  "6": "failed",
  canceled: "canceled",
  "7": "canceled",
  terminated: "terminated",
  "8": "terminated",
};

const resultBody = z.object({
  job_id: z.int().optional(),
  workflow_id: z.int().optional(),
  attempt_id: z.int().min(1).nullable().optional(),
  return_code: z.int().min(-255).max(255),
  exec_time_minutes: z.number().min(0).max(1e7).optional(),
  peak_memory_bytes: z.int().min(0).nullable().optional(),
  avg_cpu_percent: z.number().min(0).nullable().optional(),
  outcome: z.enum(OUTCOMES).optional(),
  message: z.string().max(10_000).nullable().optional(),
  stdout: z.string().nullable().optional(),
  stderr: z.string().nullable().optional(),
});

/** Outcomes that a runner may report for a job that failed. */
const REPORTED: readonly string[] = OUTCOMES.filter(
  (outcome) => outcome !== "ok" && outcome !== "superseded" && outcome !== "canceled",
);

/** Throws usage (400) for a body that is none, and spec (422) for one of another job. */
export function completionOf(status: string, job: number, text: string): Completion {
  const completed = COMPLETIONS[status.toLowerCase()];
  if (!completed)
    throw new HoldallError("usage", `${status} is no status that a job is completed with`, {
      fix: "completed, failed, canceled or terminated",
    });
  const given = check(resultBody, fieldsOf(new URLSearchParams(), text));
  if (given.job_id !== undefined && given.job_id !== job)
    throw new HoldallError("spec", `the result is of job ${given.job_id}, not of ${job}`);
  const minutes = given.exec_time_minutes;
  const cpu = given.avg_cpu_percent ?? null;
  return {
    ...endOf(completed, given.return_code, given.outcome),
    wallUs: minutes === undefined ? null : Math.round(minutes * 60e6),
    meanCpus: cpu === null ? null : cpu / 100,
    peakBytes: given.peak_memory_bytes ?? null,
    attempt: given.attempt_id ?? null,
    message: given.message ?? null,
    output: outputOf(given.stdout ?? null, given.stderr ?? null),
  };
}

/** What a status means here. `terminated` is the end of the job, as if a signal had ended it. */
function endOf(
  status: "completed" | "failed" | "canceled" | "terminated",
  code: number,
  outcome: (typeof OUTCOMES)[number] | undefined,
): { outcome: number; exit: number } {
  if (status === "completed") return { outcome: outcomeIndex("ok"), exit: code };
  if (status === "canceled") return { outcome: outcomeIndex("canceled"), exit: code };
  if (outcome !== undefined && REPORTED.includes(outcome))
    return { outcome: outcomeIndex(outcome), exit: code };
  if (code < 0) return { outcome: outcomeIndex("signal"), exit: code };
  if (status === "terminated") return { outcome: outcomeIndex("signal"), exit: -15 };
  return { outcome: outcomeIndex("exit"), exit: code };
}

function outputOf(stdout: string | null, stderr: string | null): Completion["output"] {
  if (stdout === null && stderr === null) return null;
  const [out, err] = [stdout, stderr].map((text) =>
    text === null ? null : new TextEncoder().encode(text),
  ) as [Uint8Array | null, Uint8Array | null];
  return {
    stdout: out?.subarray(0, OUTPUT_LIMIT_BYTES) ?? null,
    stderr: err?.subarray(0, OUTPUT_LIMIT_BYTES) ?? null,
    stdoutBytes: out?.length ?? 0,
    stderrBytes: err?.length ?? 0,
  };
}
