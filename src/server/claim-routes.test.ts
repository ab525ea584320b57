import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OUTCOMES } from "../core/states.ts";
import type { ArrayBlock, WorkflowDefinition } from "../core/workflow.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openLedger } from "../ledger/sqlite/open.ts";
import { arrayBlock, arrayWorkflow, DEFINITION, OPTIONS } from "../ledger/testing/samples.ts";
import type { ClaimAnswer, ClaimState, CompleteAnswer, JobModel } from "../protocol/claims.ts";
import { createClaimRoutes, type ClaimRoutes } from "./claim-routes.ts";
import { TICK_MS } from "./claims.ts";
import { Engine } from "./engine.ts";

let stateDir: string;
let ledger: Ledger;
let engine: Engine;
let routes: ClaimRoutes;
let nowMs = 0;

function open(): void {
  ledger = openLedger(stateDir, { fsync: false });
  engine = new Engine({ ledger, stateDir, now: Date.now });
  for (const row of ledger.workflows()) if (row.endedMs === null) engine.load(row.id, false);
  routes = createClaimRoutes(engine, () => nowMs);
}

function close(): void {
  engine.close();
  ledger.close();
}

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "holdall-claims-"));
  open();
});
afterEach(() => {
  close();
  rmSync(stateDir, { recursive: true });
});

function submit(change: Partial<WorkflowDefinition> | number): number {
  const definition =
    typeof change === "number" ? arrayWorkflow(change) : { ...DEFINITION, ...change };
  return engine.submit(definition, "d", OPTIONS).id;
}

function blocks(
  ...changes: (Partial<ArrayBlock> & { count: number })[]
): Partial<WorkflowDefinition> {
  let first = 0;
  const placed = changes.map((change) => {
    const made: ArrayBlock = { ...arrayBlock(first, change.count), ...change, first };
    first += change.count;
    return { ...made, body: { ...made.body, name: [`b${first}_`, { p: 0 }] } };
  });
  return { blocks: placed, taskCount: first };
}

/** Whatever is asked for. */
type Body = ClaimAnswer &
  Omit<ClaimState, "claim"> &
  JobModel &
  CompleteAnswer & { error: { message: string } };

async function ask(
  line: string,
  body?: object | string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Body }> {
  const [method, path] = line.split(" ") as [string, string];
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const init = { method, headers, ...(body === undefined ? {} : { body: text }) };
  const response = (await routes.answer(new Request(`http://x${path}`, init), "10.0.0.9"))!;
  return { status: response.status, body: (await response.json()) as Body };
}

const OFFER = { num_cpus: 4, memory_gb: 8, num_gpus: 0, num_nodes: 1 };

async function claim(workflow: number, change: object = {}): Promise<ClaimAnswer> {
  const path = `/workflows/${workflow}/claim_jobs_based_on_resources`;
  const { status, body } = await ask(`POST ${path}`, { ...OFFER, ...change });
  expect(status).toBe(200);
  return body;
}

const result = (job: JobModel, change: object = {}): object => ({
  job_id: job.id,
  workflow_id: job.workflow_id,
  run_id: 1,
  attempt_id: job.attempt_id,
  compute_node_id: 1,
  return_code: 0,
  exec_time_minutes: 0.5,
  completion_time: "2026-01-01T00:00:00Z",
  status: "completed",
  ...change,
});

const start = (job: JobModel, more = "") => ask(`PUT /jobs/${job.id}/start_job/1/1${more}`);
const complete = (job: JobModel, change: object = {}, status = "completed", more = "") =>
  ask(`POST /jobs/${job.id}/complete_job/${status}/1${more}`, result(job, change));
const states = (workflow: number): string[] =>
  Array.from(engine.tasks(workflow)!.state, (state) => String(state));
const stateOf = async (job: { id: number }): Promise<string> =>
  (await ask(`GET /jobs/${job.id}`)).body.status;

/** Time passes for leases, tick by tick. */
async function pass(ms: number): Promise<void> {
  for (let gone = 0; gone < ms + 2 * TICK_MS; gone += TICK_MS) {
    nowMs += TICK_MS;
    routes.claims.tick();
  }
  await engine.whenDurable();
}

test("claim, start, complete: a job carries what is needed to run it", async () => {
  submit(2);
  const id = submit({
    ...blocks({
      count: 3,
      requirement: {
        cpus: 2,
        memoryBytes: 2 ** 30,
        diskBytes: 0,
        gpus: 0,
        nodes: 1,
        runtimeSeconds: 90,
      },
      scheduler: "fast",
      timeoutSeconds: 5,
    }),
    schedulers: [
      { name: "slow", fields: {} },
      { name: "fast", fields: {} },
    ],
  });
  const answer = await claim(id, { scheduler_config_id: 2, strict_scheduler_match: true });
  expect(answer).toMatchObject({ reason: null, lease_seconds: null, held_seconds: 300 });
  expect(answer.jobs).toHaveLength(2);
  expect(answer.jobs[1]).toEqual({
    id: 4,
    workflow_id: id,
    name: "b3_1",
    status: "pending",
    attempt_id: 1,
    command: "true 001",
    argv: ["true", "001"],
    shell: "none",
    invocation_script: null,
    cwd: "/s",
    env: { HOLDALL_WORKFLOW_ID: String(id), HOLDALL_TASK: "b3_1", HOLDALL_ATTEMPT: "1" },
    inputs: [],
    outputs: [],
    resource_requirements: {
      num_cpus: 2,
      num_gpus: 0,
      num_nodes: 1,
      memory_bytes: 2 ** 30,
      memory_gb: 1,
      disk_bytes: 0,
      runtime: "PT90S",
      custom: {},
    },
    timeout_seconds: 5,
    recovery: null,
    priority: 0,
    scheduler_id: 2,
    cancel_on_blocking_job_failure: true,
    supports_termination: false,
  });
  const [job] = answer.jobs as [JobModel];
  expect(await start(job)).toMatchObject({ status: 200, body: { id: 3, status: "running" } });
  const done = await complete(job, { peak_memory_bytes: 77, avg_cpu_percent: 50, stdout: "hi" });
  expect(done).toMatchObject({ status: 200, body: { id: 3, status: "completed" } });
  expect(ledger.latestAttempts(id, [0])[0]).toMatchObject({
    attempt: 1,
    outcome: 0,
    exit: 0,
    wallUs: 30e6,
    userUs: 15e6,
    peakBytes: 77,
  });
  expect(ledger.workerHost(ledger.latestAttempts(id, [0])[0]!.worker)).toBe("10.0.0.9");
  expect(new TextDecoder().decode(ledger.output(id, 0, 1)!.stdout!)).toBe("hi");
  expect((await complete(job)).status).toBe(422);
  expect((await start(job)).status).toBe(409);
});

test("both verbs and both places; fields of the body as query parameters; limit in the path or not", async () => {
  const id = submit(9);
  const query = "num_cpus=4&memory_gb=1.5&num_gpus=0&num_nodes=1";
  const lines = [
    `GET /workflows/${id}/claim_jobs_based_on_resources?limit=1&${query}`,
    `GET /torc-service/v1/workflows/${id}/claim_jobs_based_on_resources/1?${query}`,
    `POST /torc-service/v1/workflows/${id}/claim_jobs_based_on_resources/1?sort_method=none`,
    `GET /torc-service/v1/workflows/${id}/claim_next_jobs?limit=1`,
    `POST /workflows/${id}/claim_next_jobs?limit=1`,
  ];
  const got: string[] = [];
  for (const line of lines) {
    const offer = line.includes("/1?sort") ? OFFER : undefined;
    const { status, body } = await ask(line, offer);
    expect([line, status]).toEqual([line, 200]);
    got.push(...body.jobs.map(({ name }: JobModel) => name));
  }
  expect(got).toEqual(["t_0", "t_1", "t_2", "t_3", "t_4"]);
  const { body } = await ask(`POST /workflows/${id}/claim_next_jobs`);
  expect(body.jobs).toHaveLength(4);
  expect((await ask(`POST /workflows/${id}/claim_next_jobs`)).body).toMatchObject({
    jobs: [],
    reason: null,
    claim: null,
    lease_seconds: null,
    held_seconds: null,
  });
});

test("what cannot be is refused: 400, 404, 405, 413, 422", async () => {
  const id = submit(1);
  const at = `/workflows/${id}/claim_jobs_based_on_resources`;
  const cases: [line: string, body: object | string | undefined, status: number][] = [
    [`POST ${at}`, "{", 400],
    [`POST ${at}`, "[]", 400],
    [`POST ${at}`, {}, 400],
    [`POST ${at}`, { ...OFFER, num_cpus: -1 }, 400],
    [`POST ${at}`, { ...OFFER, num_cpus: "4" }, 400],
    [`POST ${at}?sort_method=best`, OFFER, 400],
    [`POST ${at}?strict_scheduler_match=maybe`, OFFER, 400],
    [`POST ${at}/many`, OFFER, 400],
    [`POST ${at}`, { ...OFFER, lease_seconds: 0 }, 400],
    [`POST ${at}`, { ...OFFER, time_limit: "soon" }, 422],
    [`GET ${at}?num_cpus=x&memory_gb=1`, undefined, 400],
    [`POST /workflows/99/claim_next_jobs`, undefined, 404],
    [`POST /workflows/x/claim_next_jobs`, undefined, 404],
    [`DELETE ${at}`, undefined, 405],
    [`PUT /jobs/99/start_job/1/1`, undefined, 404],
    [`PUT /jobs/0/start_job/1/1`, undefined, 404],
    [`PUT /jobs/1/start_job/a/1`, undefined, 400],
    [`PUT /jobs/1/start_job/1/1`, undefined, 409],
    [`POST /jobs/99/complete_job/completed/1`, { return_code: 0 }, 404],
    [`POST /jobs/1/complete_job/done/1`, { return_code: 0 }, 400],
    [`POST /jobs/1/complete_job/completed/1`, {}, 400],
    [`POST /jobs/1/complete_job/completed/1`, { return_code: 0, job_id: 2 }, 422],
    [`POST /jobs/1/complete_job/completed/1`, { return_code: 0 }, 409],
    [`POST /workflows/${id}/claims/none/renew`, undefined, 404],
    [`POST ${at}`, "x".repeat(17 * 2 ** 20), 413],
  ];
  for (const [line, body, status] of cases) {
    const answer = await ask(line, body);
    expect([line, JSON.stringify(body ?? null).slice(0, 50), answer.status]).toEqual([
      line,
      JSON.stringify(body ?? null).slice(0, 50),
      status,
    ]);
    expect(answer.body.error.message).toBeString();
  }
  expect(routes.answer(new Request("http://x/api/v1/workflows"), null)).toBeNull();
  expect(states(id)).toEqual(["1"]);
});

test("completions take the core's way: retries, skipped dependents, Torc's words for states", async () => {
  const id = submit({
    ...blocks({ count: 1, retries: 1 }, { count: 1 }, { count: 1 }),
    edges: [0, 1],
  });
  const [first, other] = (await claim(id)).jobs as [JobModel, JobModel];
  const failed = { return_code: 3, status: "failed" };
  expect((await complete(first, failed, "failed")).body.status).toBe("ready");
  const [again] = (await claim(id)).jobs as [JobModel];
  expect(again).toMatchObject({ id: first.id, attempt_id: 2, status: "pending" });
  expect((await complete(first, failed, "failed")).status).toBe(409);
  expect((await complete(again, { return_code: -9 }, "6")).body.status).toBe("failed");
  expect(await stateOf({ id: first.id + 1 })).toBe("canceled");
  expect(ledger.attemptsOf(id, 0).map(({ outcome, exit }) => [OUTCOMES[outcome], exit])).toEqual([
    ["exit", 3],
    ["signal", -9],
  ]);
  expect((await complete(other, {}, "canceled")).body.status).toBe("canceled");
  expect((await ask(`GET /workflows/${id}/is_complete`)).body).toMatchObject({ is_complete: true });
});

test("terminated ends a job; a runner may say more exactly how it ended", async () => {
  const id = submit(2);
  const [a, b] = (await claim(id)).jobs as [JobModel, JobModel];
  await complete(a, { return_code: 143 }, "terminated");
  await complete(b, { return_code: 1, outcome: "preempted" }, "failed");
  const outcomes = [0, 1].map((task) => OUTCOMES[ledger.latestAttempts(id, [task])[0]!.outcome]!);
  expect(outcomes).toEqual(["signal", "preempted"]);
  expect(await stateOf(b)).toBe("ready");
});

test("a canceled workflow says so; a canceled job is not started, and its runner is told", async () => {
  const id = submit(3);
  const answer = await claim(id, { num_cpus: 2, lease_seconds: 9 });
  const [a, b] = answer.jobs as [JobModel, JobModel];
  await start(a);
  engine.event({ type: "cancel", workflow: id, tasks: null, reason: "test" });
  const { body } = await ask(`POST /workflows/${id}/claims/${answer.claim}/renew`);
  expect(body.jobs.map(({ status }: JobModel) => status)).toEqual(["canceled", "canceled"]);
  expect((await start(b)).status).toBe(409);
  expect((await complete(a, { return_code: 143 }, "failed")).body.status).toBe("canceled");
  expect(await claim(id)).toMatchObject({ jobs: [], reason: "Workflow is canceled" });
  expect(engine.core.workers.size).toBe(0);
});

test("without a lease: 300 s to start, then until it is completed", async () => {
  const id = submit(2);
  const { jobs, claim: name } = await claim(id);
  const [a, b] = jobs as [JobModel, JobModel];
  await start(a);
  await pass(299_000 - 3 * TICK_MS);
  expect([await stateOf(a), await stateOf(b)]).toEqual(["running", "pending"]);
  await pass(2000);
  expect([await stateOf(a), await stateOf(b)]).toEqual(["running", "ready"]);
  expect((await start(b)).status).toBe(409);
  expect((await complete(b)).status).toBe(409);
  await pass(3_000_000);
  expect((await complete(a)).status).toBe(200);
  expect((await ask(`POST /workflows/${id}/claims/${name}/renew`)).status).toBe(409);
  const [row] = ledger.attemptsOf(id, 1);
  expect([OUTCOMES[row!.outcome], row!.startedMs]).toEqual(["worker_lost", null]);
});

test("with a lease: held while it is renewed; after it start and complete answer 409, also when another has the job", async () => {
  const id = submit(2);
  const { jobs, claim: name, held_seconds } = await claim(id, { lease_seconds: 10 });
  expect(held_seconds).toBe(10);
  const [a, b] = jobs as [JobModel, JobModel];
  await start(a);
  for (let i = 0; i < 4; i++) {
    await pass(8000);
    const renewed = await ask(`POST /workflows/${id}/claims/${name}/renew`);
    expect(renewed).toMatchObject({ status: 200, body: { lease_seconds: 10 } });
  }
  await pass(11_000);
  expect([await stateOf(a), await stateOf(b)]).toEqual(["ready", "ready"]);
  expect((await start(b)).status).toBe(409);
  expect((await complete(a)).status).toBe(409);
  const next = await claim(id, { lease_seconds: 10 });
  expect(next.jobs.map(({ attempt_id }) => attempt_id)).toEqual([2, 2]);
  expect((await complete(a)).status).toBe(409);
  expect((await start(a, `?claim=${name}`)).status).toBe(409);
  expect((await start(next.jobs[0]!, `?claim=${next.claim}`)).status).toBe(200);
  expect((await start(next.jobs[0]!, `?claim=${next.claim}`)).status).toBe(200);
  expect((await start(next.jobs[0]!)).status).toBe(409);
  expect((await complete(next.jobs[0]!)).status).toBe(200);
});

test("a claim is given back by its release", async () => {
  const id = submit(3);
  const { jobs, claim: name } = await claim(id);
  await complete(jobs[0]!);
  const released = await ask(`POST /workflows/${id}/claims/${name}/release`);
  expect(released.body).toMatchObject({
    jobs: [],
    held_seconds: null,
  } satisfies Partial<ClaimState>);
  expect(states(id)).toEqual(["4", "1", "1"]);
  expect((await ask(`POST /workflows/${id}/claims/${name}/release`)).status).toBe(409);
  expect((await claim(id)).jobs.map(({ attempt_id }) => attempt_id)).toEqual([2, 2]);
});

test("claims survive a restart: what is held, what has started, leases, ended claims", async () => {
  const id = submit(8);
  const plain = await claim(id, { num_cpus: 2 });
  const leased = await claim(id, { num_cpus: 2, lease_seconds: 5 });
  const over = await claim(id, { num_cpus: 1 });
  await ask(`POST /workflows/${id}/claims/${over.claim}/release`);
  const done = await claim(id, { num_cpus: 1 });
  await complete(done.jobs[0]!);
  await start(plain.jobs[0]!);
  close();
  open();
  expect(engine.absentWorkers().size).toBe(0);
  expect(states(id)).toEqual(["3", "2", "2", "2", "4", "1", "1", "1"]);
  expect((await ask(`POST /workflows/${id}/claims/${over.claim}/renew`)).status).toBe(409);
  expect((await ask(`POST /workflows/${id}/claims/${done.claim}/renew`)).status).toBe(404);
  await pass(5000);
  expect(states(id)).toEqual(["3", "2", "1", "1", "4", "1", "1", "1"]);
  expect((await start(leased.jobs[0]!)).status).toBe(409);
  await pass(300_000);
  expect(states(id)).toEqual(["3", "1", "1", "1", "4", "1", "1", "1"]);
  expect((await complete(plain.jobs[0]!)).status).toBe(200);
  close();
  open();
  expect(ledger.claims().filter(({ endedMs }) => endedMs === null)).toEqual([]);
  expect(engine.core.workers.size).toBe(0);
});

test("the same key gets the same answer: at once, later, at the same time, and after a restart", async () => {
  const id = submit(9);
  const line = `POST /workflows/${id}/claim_jobs_based_on_resources/2`;
  const key = { "idempotency-key": "k-1" };
  const both = await Promise.all([ask(line, OFFER, key), ask(line, OFFER, key)]);
  const later = await ask(line, OFFER, key);
  close();
  open();
  const after = await ask(line, OFFER, key);
  for (const answer of [both[1], later, after]) expect(answer).toEqual(both[0]);
  expect(both[0].body.jobs).toHaveLength(2);
  expect(engine.tasks(id)!.counts[2]).toBe(2);
  const other = await ask(line, OFFER, { "idempotency-key": "k-2" });
  expect(other.body.jobs[0]!.id).toBe(3);
  const job = both[0].body.jobs[0] as JobModel;
  const path = `POST /jobs/${job.id}/complete_job/completed/1`;
  const done = await ask(path, result(job), key);
  expect(done.status).toBe(200);
  expect(await ask(path, result(job), key)).toEqual(done);
  expect((await ask(path, result(job))).status).toBe(422);
  expect((await ask(path, result(job), { "idempotency-key": "x".repeat(256) })).status).toBe(400);
});

test("errors are not remembered under a key", async () => {
  const id = submit(1);
  const key = { "idempotency-key": "k" };
  const path = `PUT /jobs/1/start_job/1/1`;
  expect((await ask(path, undefined, key)).status).toBe(409);
  await claim(id);
  expect((await ask(path, undefined, key)).status).toBe(200);
  expect((await ask(path, undefined, key)).status).toBe(200);
});

test("many runners at once: each task is handed out once", async () => {
  const id = submit(500);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      i % 2 === 0
        ? claim(id, { limit: 3, num_cpus: 64 })
        : ask(`GET /workflows/${id}/claim_next_jobs?limit=3`).then(({ body }) => body),
    ),
  );
  const ids = answers.flatMap(({ jobs }: ClaimAnswer) => jobs.map((job) => job.id));
  expect(ids).toHaveLength(500);
  expect(new Set(ids).size).toBe(500);
});

test("a runner that measures no time: it is taken from the start to the completion", async () => {
  const id = submit(2);
  const [a, b] = (await claim(id)).jobs as [JobModel, JobModel];
  nowMs += 500;
  await start(a);
  nowMs += 2000;
  await complete(a, { exec_time_minutes: undefined });
  await complete(b, { exec_time_minutes: undefined });
  const took = ledger.latestAttempts(id, [0, 1]).map((row) => row!.wallUs);
  expect(took).toEqual([2e6, 2.5e6]);
});

test("completed claims leave nothing behind", async () => {
  const id = submit(3);
  const { claim: name, jobs } = await claim(id);
  for (const job of jobs) await complete(job);
  expect((await ask(`POST /workflows/${id}/claims/${name}/renew`)).status).toBe(409);
  expect(ledger.claims()).toEqual([]);
  expect(engine.core.workers.size).toBe(0);
});

test("numbers of workers are used again: the ledger does not grow with every claim", async () => {
  const id = submit(50);
  for (let i = 0; i < 20; i++) await complete((await claim(id, { limit: 1 })).jobs[0]!);
  const workers = new Set(
    Array.from({ length: 20 }, (_, task) => ledger.latestAttempts(id, [task])[0]!.worker),
  );
  expect(workers.size).toBe(1);
});
