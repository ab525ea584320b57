import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ErrorJson } from "../core/error.ts";
import type { TaskPage, WorkflowStatus } from "../protocol/api.ts";
import { type Bench, openBench } from "./testing/bench.ts";

let bench: Bench;
beforeEach(() => {
  bench = openBench();
});
afterEach(() => bench.close());

const post = (body: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body) });
const NONE = {
  blocked: 0,
  ready: 0,
  assigned: 0,
  running: 0,
  succeeded: 0,
  failed: 0,
  canceled: 0,
  skipped: 0,
};

test("the state of a workflow from submission to its end", async () => {
  const id = bench.submit(2);
  const at = async (): Promise<unknown> => bench.json(`/${id}`);
  expect(await at()).toEqual({
    workflow_id: id,
    name: "w",
    state: "interrupted",
    tasks: { ...NONE, blocked: 3, ready: 1 },
  });
  const worker = await bench.worker();
  expect(await at()).toMatchObject({
    state: "running",
    tasks: { ...NONE, blocked: 3, assigned: 1 },
  });
  await worker.started(id, 0);
  expect(await at()).toMatchObject({
    state: "running",
    tasks: { ...NONE, blocked: 3, running: 1 },
  });
  await worker.finish(id, [0]);
  await worker.finish(id, [1, 2]);
  await worker.finish(id, [3]);
  expect(await at()).toMatchObject({ state: "succeeded", tasks: { ...NONE, succeeded: 4 } });
  expect(await bench.json("/latest")).toEqual(await at());
  expect(await bench.json("")).toEqual({ workflows: [await at()] });
});

test("a question with wait is answered by the end of the workflow, or after its time", async () => {
  const id = bench.submit(1);
  const worker = await bench.worker();
  await worker.finish(id, [0]);
  const early = await bench.json<WorkflowStatus>(`/${id}?wait=1`);
  expect(early.tasks).toMatchObject({ succeeded: 1, blocked: 1 });
  let answered = false;
  const waiting = bench.json<WorkflowStatus>(`/${id}?wait=60`).finally(() => (answered = true));
  await worker.finish(id, [1]);
  expect(answered).toBe(false);
  await worker.finish(id, [2]);
  expect((await waiting).state).toBe("succeeded");
  expect((await bench.json<WorkflowStatus>(`/${id}?wait=60`)).state).toBe("succeeded");
  expect((await bench.json<ErrorJson>(`/${id}?wait=61`)).error.fix).toBe(
    "give an integer from 0 to 60",
  );
});

test("a failure fails the workflow, a cancellation cancels it", async () => {
  const failed = bench.submit(1);
  const worker = await bench.worker();
  await worker.finish(failed, [0], { outcome: "exit", exit: 3 });
  expect(await bench.json(`/${failed}`)).toMatchObject({
    state: "failed",
    tasks: { failed: 1, skipped: 2 },
  });
  const canceled = bench.submit(1);
  expect(await bench.json(`/${canceled}/cancel`, post({ tasks: ["build"] }))).toEqual({
    canceled: 1,
  });
  expect(await bench.json(`/${canceled}`)).toMatchObject({
    state: "canceled",
    tasks: { canceled: 1, skipped: 2 },
  });
});

test("pages of tasks, by state and by name", async () => {
  const id = bench.submit(5);
  const worker = await bench.worker();
  await worker.finish(id, [0]);
  await worker.finish(id, [2], { outcome: "exit", exit: 3, wallUs: 2_500_000 });
  await worker.started(id, 3);
  const first = await bench.json<TaskPage>(`/${id}/tasks?limit=3`);
  expect(first.next_cursor).toBe("3");
  expect(first.tasks.map(({ name }) => name)).toEqual(["build", "c_000", "c_001"]);
  expect(first.tasks[2]).toEqual({
    name: "c_001",
    state: "failed",
    attempts: 1,
    exit_code: 3,
    outcome: "exit",
    host: "host-a",
    wall_seconds: 2.5,
    cpu_seconds: 0.00025,
    peak_memory_bytes: 4096,
  });
  const second = await bench.json<TaskPage>(`/${id}/tasks?limit=3&cursor=3`);
  expect(second.tasks.map(({ name }) => name)).toEqual(["c_002", "c_003", "c_004"]);
  expect(second.tasks[0]).toMatchObject({
    state: "running",
    attempts: 1,
    host: "host-a",
    outcome: null,
  });
  expect(
    (await bench.json<TaskPage>(`/${id}/tasks?limit=3&cursor=${second.next_cursor}`)).next_cursor,
  ).toBeNull();
  const names = async (query: string): Promise<string[]> =>
    (await bench.json<TaskPage>(`/${id}/tasks?${query}`)).tasks.map(({ name }) => name);
  expect(await names("state=failed,succeeded")).toEqual(["build", "c_001"]);
  expect(await names("state=failed&state=skipped")).toEqual(["c_001", "sum"]);
  expect(await names("name=*_00*")).toHaveLength(5);
  expect(await names("name=*u*")).toEqual(["build", "sum"]);
  expect(await names("name=c_004")).toEqual(["c_004"]);
  expect(await names("name=c_9*")).toEqual([]);
  expect(await names("name=nothing")).toEqual([]);
});

test("one task with its attempts, also after everything was opened again", async () => {
  const id = bench.submit(1);
  const worker = await bench.worker();
  await worker.finish(id, [0], { outcome: "signal", exit: -9, message: "ended by SIGKILL" });
  await bench.json(`/${id}/retry`, post({}));
  await worker.finish(id, [0], {}, 2);
  for (const again of [false, true]) {
    if (again) bench.reopen();
    expect(await bench.json(`/${id}/tasks/build`)).toMatchObject({
      name: "build",
      state: "succeeded",
      attempts: 2,
      exit_code: 0,
      outcome: "ok",
      command: "make -j 2 | cat",
      cwd: "/s",
      attempts_detail: [
        {
          attempt: 1,
          outcome: "signal",
          accepted: false,
          exit_code: null,
          signal: 9,
          host: "host-a",
          started_at: "2027-01-15T08:00:00.000Z",
          message: "ended by SIGKILL",
        },
        { attempt: 2, outcome: "ok", accepted: true, exit_code: 0, signal: null },
      ],
    });
  }
  expect(await bench.json(`/${id}/tasks/c_000`)).toMatchObject({ command: "./c 'a b 0'" });
  expect(await bench.json(`/${id}/tasks/sum`)).toMatchObject({ cwd: "/elsewhere" });
});

test("cancel ends what is named and what depends on it is skipped", async () => {
  const id = bench.submit(3);
  const worker = await bench.worker();
  await worker.finish(id, [0]);
  await worker.started(id, 1);
  const reason = "wrong seed";
  expect(await bench.json(`/${id}/cancel`, post({ tasks: ["c_000"], reason }))).toEqual({
    canceled: 1,
  });
  expect(worker.frames.at(-1)).toMatchObject({ type: "kill", tasks: [1], reason: "canceled" });
  const dying = { state: "canceled", attempts: 1, outcome: null, host: "host-a" };
  expect(await bench.json(`/${id}/tasks/c_000`)).toMatchObject(dying);
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks).toMatchObject({
    canceled: 1,
    skipped: 1,
  });
  expect(await bench.json(`/${id}/cancel`, post({ tasks: ["c_{i:03d}"] }))).toEqual({
    canceled: 2,
  });
  bench.reopen();
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks).toMatchObject({
    succeeded: 1,
    canceled: 3,
    skipped: 1,
  });
});

test("retry sets back what did not succeed, and only what was asked for", async () => {
  const changed: number[] = [];
  bench.close();
  bench = openBench({ onChange: (workflow) => changed.push(workflow) });
  const id = bench.submit(3);
  const worker = await bench.worker();
  await worker.finish(id, [0]);
  await worker.finish(id, [1, 2], { outcome: "exit", exit: 1 });
  await bench.json(`/${id}/cancel`, post({ tasks: ["c_002"] }));
  await worker.finish(id, [3], { outcome: "canceled", exit: -15 });
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks).toMatchObject({
    failed: 2,
    canceled: 1,
    skipped: 1,
  });
  expect(await bench.json(`/${id}/retry`, post({ tasks: ["c_002"], states: ["failed"] }))).toEqual({
    reset: 0,
  });
  expect(await bench.json(`/${id}/retry`, post({ tasks: ["c_00*"], states: ["failed"] }))).toEqual({
    reset: 2,
  });
  expect(await bench.json(`/${id}/retry`, post({}))).toEqual({ reset: 2 });
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks).toMatchObject({
    succeeded: 1,
    assigned: 3,
    blocked: 1,
  });
  expect(changed).toEqual([id, id, id, id]);
});

test("workflows that the engine has not taken up are read and changed, and nothing of them starts", async () => {
  const old = bench.submit(2);
  const first = await bench.worker();
  await first.finish(old, [0], { outcome: "exit", exit: 1, stderr: "no\n" });
  bench.reopen();
  const id = bench.submit(1);
  const worker = await bench.worker();
  expect(await bench.json(`/${old}`)).toMatchObject({ state: "failed" });
  expect(await bench.json(`/${old}/retry`, post({}))).toEqual({ reset: 4 });
  expect(await bench.json(`/${old}`)).toMatchObject({ state: "interrupted", tasks: { ready: 1 } });
  const runs = worker.frames.flatMap((frame) => (frame.type === "run" ? [frame.workflow] : []));
  expect(runs).toEqual([id]);
  expect(await (await bench.get(`/${old}/tasks/build/output?stream=stderr`)).text()).toBe("no\n");
});

test("what cannot be answered says why", async () => {
  const id = bench.submit(30);
  const ask = async (path: string, init?: RequestInit): Promise<[string, string | null]> => {
    const response = await bench.get(path, init);
    const { error } = (await response.json()) as ErrorJson;
    expect(error).toMatchObject({ file: null, line: null, column: null });
    expect(error.message).not.toBe("");
    return [`${response.status} ${error.code}`, error.fix];
  };
  const code = async (path: string, init?: RequestInit): Promise<string> =>
    (await ask(path, init))[0];
  for (const path of ["/99", "/-1", "/x", `/${id}/nothing`, `/${id}/tasks/c_030`]) {
    expect(await code(path)).toBe("404 not_found");
  }
  expect(await ask(`/${id}/tasks/buidl`)).toEqual(["404 not_found", "nearest: build"]);
  expect(await code(`/${id}/tasks/build/output?attempt=3`)).toBe("404 not_found");
  for (const query of ["state=done", "limit=0", "limit=10001", "limit=1e3", "cursor=x"]) {
    expect(await code(`/${id}/tasks?${query}`)).toBe("400 usage");
  }
  expect(await code(`/${id}/tasks/%E0%A4%A`)).toBe("400 usage");
  expect(await code(`/${id}/tasks/build/output?stream=both`)).toBe("400 usage");
  expect(await ask(`/${id}`, { method: "DELETE" })).toEqual(["405 usage", "use GET"]);
  expect(await ask(`/${id}/cancel`)).toEqual(["405 usage", "use POST"]);
  for (const body of ['{"task":["build"]}', '{"tasks":"build"}', "{", "[]", "null"]) {
    expect(await code(`/${id}/cancel`, { method: "POST", body })).toBe("400 usage");
  }
  expect(await code(`/${id}/retry`, post({ states: ["running"] }))).toBe("400 usage");
  expect(await code(`/${id}/retry`, post({ states: ["gone"] }))).toBe("400 usage");
  expect(await ask(`/${id}/cancel`, post({ tasks: ["sun"] }))).toEqual([
    "404 not_found",
    "nearest: sum",
  ]);
  const huge = { method: "POST", body: new Uint8Array(17 * 1024 * 1024) };
  expect(await code(`/${id}/cancel`, huge)).toBe("413 usage");
  expect((await bench.api(new Request("http://localhost/nowhere"))).status).toBe(404);
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks.canceled).toBe(0);
});

test("a read-only server changes nothing", async () => {
  bench.close();
  bench = openBench({ readOnly: true });
  const id = bench.submit(1);
  expect((await bench.get(`/${id}/cancel`, post({}))).status).toBe(409);
  expect((await bench.json<WorkflowStatus>(`/${id}`)).tasks).toMatchObject({
    canceled: 0,
    ready: 1,
  });
});

test("an empty ledger", async () => {
  expect(await bench.json("")).toEqual({ workflows: [] });
  expect((await bench.get("/latest")).status).toBe(404);
  expect(await (await bench.api(new Request("http://localhost/healthz"))).json()).toEqual({
    ok: true,
  });
});
