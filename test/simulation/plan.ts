/** What one seed stands for: a workflow, its workers, and everything that goes wrong. */
import type {
  ArrayBlock,
  BlockPolicy,
  CategorySettings,
  DependencySet,
  ExitRule,
  ExplicitBlock,
  FaultPolicy,
  Placement,
  Requirement,
  WorkflowDefinition,
} from "../../src/core/workflow.ts";
import { ALLOCATIONS, DEFAULT_REQUIREMENT } from "../../src/core/workflow.ts";
import type { Offer } from "../../src/protocol/session.ts";
import { type Random, random } from "./random.ts";

/** Every kind of fault and of interference by users. Each has to occur over the seeds of a test. */
export const FAULT_KINDS = [
  "server_crash",
  "crash_before_commit",
  "crash_after_commit",
  "disk_full",
  "worker_death",
  "worker_pause",
  "worker_pause_beyond_loss",
  "worker_slow",
  "disconnect",
  "disconnect_late_frames",
  "half_open",
  "partition",
  "partition_beyond_loss",
  "duplicate_frame",
  "executor_failure",
  "preempt",
  "drain",
  "cancel_tasks",
  "cancel_all",
  "retry",
  "rebuild",
  "undo",
  "submit_more",
  "extend",
  "block_host",
  "poller_death",
  "poller_stall",
  "lossy_network",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** What else has to occur over the seeds of a test: the rarer things that follow from all this. */
export const EVENT_KINDS = [
  // learned allocations
  "learned_allocation",
  "exhausted_tried_larger",
  // runners that poll
  "claim_given",
  "claim_after_restart",
  "lease_renewed",
  "lease_over",
  "late_start_refused",
  "late_complete_refused",
  "claim_released",
  "key_repeated",
  "key_repeated_after_restart",
  // hosts
  "block_over",
  "required_host",
  "required_feature",
  // additions and crash limits
  "extended_running",
  "extended_ended",
  "crash_limit_reached",
  // two attempts at a time
  "duplicate",
  "first_of_two_failed",
  // a retry of what is dying
  "retry_of_dying",
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** A runner that polls: another program, on a host of its own. */
export interface PollerPlan {
  host: string;
  by: "resources" | "next";
  cpus: number;
  memoryBytes: number;
  limit: number;
  features: string[];
  scheduler: string | null;
  strict: boolean | null;
  leaseMs: number | null;
  /** it renews its lease in time, unless something happens to it */
  renews: boolean;
  /** share of its calls that carry an idempotency key */
  keyed: number;
  /** share of requests, and of answers, that get lost */
  loss: number;
}

export interface Fault {
  /** place in the plan, the name of the fault when it is replayed */
  index: number;
  kind: FaultKind;
  atMs: number;
  /** how long, for those that last */
  forMs: number;
  /** which worker, taken modulo their number */
  worker: number;
  /** which tasks, and how slow */
  draw: number;
}

export interface Plan {
  seed: number;
  definition: WorkflowDefinition;
  more: WorkflowDefinition;
  /** added to the first workflow one by one */
  additions: WorkflowDefinition[];
  offers: Offer[];
  pollers: PollerPlan[];
  /** workers live in the server's process and die with it */
  embedded: boolean;
  faults: Fault[];
  /** chance that an attempt fails by itself */
  failureRate: number;
}

/** Faults happen within this time from the start. */
export const HORIZON_MS = 500;

export function makePlan(seed: number, taskCount: number): Plan {
  const draw = random(seed, "plan");
  const offers = Array.from({ length: draw.integer(5, 8) }, (_, slot) => makeOffer(slot, draw));
  const faultCount = draw.integer(8, 30);
  const faults: Fault[] = [];
  for (let index = 0; index < faultCount; index++) {
    const each = random(seed, "fault", index);
    faults.push({
      index,
      kind: drawKind(each),
      atMs: each.between(0, HORIZON_MS),
      forMs: each.between(1, 40),
      worker: each.integer(0, 99),
      draw: each.integer(0, 2 ** 30),
    });
  }
  const embedded = draw.chance(0.2);
  const pollers = random(seed, "pollers");
  return {
    seed,
    definition: makeWorkflow(random(seed, "workflow"), taskCount, "first"),
    more: makeWorkflow(random(seed, "more"), Math.ceil(taskCount / 6), "more"),
    additions: [0, 1].map((at) => makeAddition(random(seed, "addition", at), taskCount, at)),
    offers,
    // A `run` has no runners that poll.
    pollers: Array.from({ length: embedded ? 0 : pollers.integer(1, 2) }, (_, at) =>
      makePoller(pollers, at),
    ),
    embedded,
    faults,
    failureRate: draw.pick([0, 0.02, 0.1, 0.25]),
  };
}

function drawKind(draw: Random): FaultKind {
  const kind = draw.pick(FAULT_KINDS);
  // Where all is canceled, little else can happen.
  return kind === "cancel_all" && draw.chance(0.7) ? "cancel_tasks" : kind;
}

/** The first worker can run everything, so that no task waits for ever once faults have stopped. */
function makeOffer(slot: number, draw: Random): Offer {
  const anchor = slot === 0;
  return {
    cpus: anchor ? 8 : draw.pick([1, 2, 4, 4, 8]),
    memoryBytes: (anchor ? 64 : draw.integer(1, 16)) * 2 ** 30,
    diskBytes: 2 ** 40,
    gpus: anchor ? 2 : draw.pick([0, 0, 1]),
    custom: { license: anchor ? 3 : draw.integer(0, 2) },
    maxParallel: !anchor && draw.chance(0.2) ? draw.integer(1, 6) : null,
    timeLimitSeconds: null,
    scheduler: anchor ? "alpha" : draw.pick([null, null, "alpha", "beta"]),
    features: anchor || draw.chance(0.3) ? ["fast"] : [],
  };
}

function makePoller(draw: Random, at: number): PollerPlan {
  const leaseMs = draw.chance(0.8) ? draw.integer(10, 300) : null;
  return {
    host: `p${at}`,
    by: draw.chance(0.7) ? "resources" : "next",
    cpus: draw.integer(1, 6),
    memoryBytes: draw.integer(1, 8) * 2 ** 30,
    limit: draw.integer(1, 6),
    features: draw.chance(0.3) ? ["fast"] : [],
    scheduler: draw.pick([null, "alpha", "beta"]),
    strict: draw.pick([true, false, null]),
    leaseMs,
    renews: draw.chance(0.5),
    keyed: draw.pick([0.5, 1]),
    loss: draw.pick([0, 0.05, 0.2]),
  };
}

/** Names of its own: `requireNewNames` is not asked here. */
function makeAddition(draw: Random, taskCount: number, at: number): WorkflowDefinition {
  const count = Math.ceil(taskCount / draw.integer(10, 20));
  return makeWorkflow(draw, count, "first", `x${at}_`);
}

function makeWorkflow(
  draw: Random,
  taskCount: number,
  name: string,
  prefix = "",
): WorkflowDefinition {
  const blocks: (ArrayBlock | ExplicitBlock)[] = [];
  let first = 0;
  while (first < taskCount) {
    const before = blocks.at(-1);
    const count =
      before && draw.chance(0.3)
        ? before.count // so that they can be joined element by element
        : draw.integer(1, Math.max(2, Math.ceil(taskCount / 4)));
    const policy = makePolicy(draw, `${name}-${draw.integer(0, 3)}`);
    blocks.push(
      draw.chance(0.7)
        ? arrayBlock(first, count, policy, prefix)
        : explicitBlock(first, count, policy, prefix),
    );
    first += count;
  }
  const edges: number[] = [];
  const runs: { upstream: number; dependent: number; count: number }[] = [];
  const sets: DependencySet[] = [];
  for (let at = 1; at < blocks.length; at++) {
    const block = blocks[at]!;
    for (let links = draw.integer(at === 1 ? 1 : 0, 2); links > 0; links--) {
      const upstream = blocks[draw.integer(Math.max(0, at - 3), at - 1)]!;
      join(draw, upstream, block, { edges, runs, sets });
    }
    // Edges within a block make chains.
    if (draw.chance(0.2))
      for (let task = block.first + 1; task < block.first + Math.min(block.count, 12); task++)
        edges.push(task - 1, task);
  }
  return {
    name,
    source: null,
    specDir: "/w",
    cwd: "/w",
    blocks,
    edges,
    runs,
    sets,
    taskCount: first,
    priority: draw.integer(0, 1),
    categories: makeCategories(draw, name),
    maxFailures: draw.chance(0.1) ? 20 : null,
    onFailure: draw.chance(0.05) ? "stop" : "continue",
    ageSeconds: draw.pick([0.05, 600]),
    sortMethod: draw.pick(["auto", "gpus_runtime_memory", "gpus_memory_runtime", "none"]),
    schedulers: [
      { name: "alpha", fields: {} },
      { name: "beta", fields: {} },
    ],
  };
}

interface Links {
  edges: number[];
  runs: { upstream: number; dependent: number; count: number }[];
  sets: DependencySet[];
}

type Range = { first: number; count: number };

function join(draw: Random, upstream: Range, block: Range, { edges, runs, sets }: Links): void {
  const part = ({ first, count }: Range): [number, number] => {
    const from = draw.integer(0, count - 1);
    return [first + from, draw.integer(1, count - from)];
  };
  switch (draw.pick(["set", "part of a set", "run", "part of a run", "edges"])) {
    case "set":
      sets.push({
        members: [[upstream.first, upstream.count]],
        dependents: [[block.first, block.count]],
      });
      return;
    case "part of a set":
      sets.push({ members: [part(upstream)], dependents: [part(block)] });
      return;
    case "run":
      runs.push({
        upstream: upstream.first,
        dependent: block.first,
        count: Math.min(upstream.count, block.count),
      });
      return;
    case "part of a run": {
      const [from, count] = part(upstream);
      runs.push({ upstream: from, dependent: block.first, count: Math.min(count, block.count) });
      return;
    }
    case "edges":
      for (let i = draw.integer(1, 15); i > 0; i--)
        edges.push(
          upstream.first + draw.integer(0, upstream.count - 1),
          block.first + draw.integer(0, block.count - 1),
        );
  }
}

function makePolicy(draw: Random, category: string): BlockPolicy {
  const requirement: Requirement = {
    ...DEFAULT_REQUIREMENT,
    cpus: draw.pick([0.5, 1, 1, 1, 2, 5]),
    memoryBytes: draw.pick([0, 0, 2 ** 28, 3 * 2 ** 30]),
    gpus: draw.pick([0, 0, 0, 0, 0.5, 1]),
    ...(draw.chance(0.15) ? { custom: { license: 1 } } : {}),
  };
  return {
    requirement,
    category,
    retries: draw.pick([0, 0, 1, 1, 3]),
    timeoutSeconds: draw.chance(0.1) ? 0.06 : null,
    onUpstreamFailure: draw.chance(0.25) ? "run" : "skip",
    priority: draw.pick([0, 0, 0, 1]),
    cwd: null,
    scheduler: draw.chance(0.12) ? "alpha" : null,
    idempotent: draw.chance(0.7),
    ...(draw.chance(0.25) ? { placement: makePlacement(draw) } : {}),
    ...(draw.chance(0.4) ? { faults: makeFaultPolicy(draw) } : {}),
  };
}

function makeFaultPolicy(draw: Random): FaultPolicy {
  const exitRules: ExitRule[] = [];
  if (draw.chance(0.5))
    exitRules.push({
      exitCodes: [1, 137],
      retries: draw.integer(0, 2),
      recovery: draw.chance(0.5) ? "repair" : null,
    });
  if (draw.chance(0.3)) exitRules.push({ exitCodes: null, retries: 1, recovery: null });
  return {
    ...(draw.chance(0.5) ? { retryOn: { timeout: 1, launch_error: 2, input_missing: 1 } } : {}),
    ...(draw.chance(0.5)
      ? { backoff: { initialSeconds: 0.01, factor: 2, maxSeconds: 0.1, jitter: 0.5 } }
      : {}),
    ...(draw.chance(0.6) ? { crashLimit: draw.integer(1, 3) } : {}),
    exitRules,
  };
}

/** The first worker, on host h1, can run everything. */
function makePlacement(draw: Random): Placement {
  return {
    ...(draw.chance(0.4) ? { requiredHosts: ["h1", `h${draw.integer(2, 5)}`] } : {}),
    ...(draw.chance(0.3) ? { preferredHosts: [`h${draw.integer(1, 8)}`] } : {}),
    ...(draw.chance(0.4) ? { features: ["fast"] } : {}),
  };
}

/** Categories are called after the workflow and a number from 0 to 3. */
function makeCategories(draw: Random, name: string): Record<string, CategorySettings> {
  const learned = (share: number): CategorySettings =>
    draw.chance(share) ? { allocation: draw.pick(ALLOCATIONS) } : {};
  return {
    [`${name}-0`]: { speculate: 2, fastAbort: null, ...learned(0.3) },
    [`${name}-1`]: { maxConcurrent: draw.integer(1, 4), ...learned(0.3) },
    [`${name}-2`]: { fastAbort: 2, speculate: draw.chance(0.5) ? 2 : null, ...learned(0.3) },
    [`${name}-3`]: learned(0.8),
  };
}

function arrayBlock(first: number, count: number, policy: BlockPolicy, prefix: string): ArrayBlock {
  return {
    ...policy,
    kind: "array",
    first,
    count,
    title: `${prefix}a${first}_{i}`,
    parameters: { names: ["i"], values: [{ from: 0, step: 1, count, decimals: 0 }], mode: "zip" },
    body: {
      name: [`${prefix}a${first}_`, { p: 0 }],
      command: { kind: "argv", argv: ["work", [{ p: 0 }]] },
    },
  };
}

function explicitBlock(
  first: number,
  count: number,
  policy: BlockPolicy,
  prefix: string,
): ExplicitBlock {
  return {
    ...policy,
    kind: "explicit",
    first,
    count,
    bodies: Array.from({ length: count }, (_, i) => ({
      name: `${prefix}t${first + i}`,
      command: { kind: "argv", argv: ["work", String(first + i)] },
    })),
  };
}
