// `serve`, `worker`, `submit` and `wait` as processes of their own, when nothing goes wrong.

import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  linesOf,
  parseJson,
  run,
  spec,
  start,
  tasks,
  until,
  untilFile,
} from "../support/holdall.ts";
import { encodeFrames } from "../../src/protocol/codec.ts";
import { SESSION_VERSION } from "../../src/protocol/session.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, endAll, readAccess, serve, worker } from "../support/server.ts";

setDefaultTimeout(60_000);
afterEach(endAll);

interface Answer {
  workflow_id: number;
  name: string;
  tasks: number;
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

async function submit(cwd: string, args: readonly string[]): Promise<Answer> {
  const { code, stdout, stderr } = await run(cwd, ["submit", "--json", ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return parseJson(stdout, stderr) as Answer;
}

test("a bag over two workers of one host: each task once, both at work", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  await connectedWorker(server, cwd, ["--cpus", "1"]);
  const command = "echo {i} $HOLDALL_MARK >> ran; sleep 0.03";
  const answer = await submit(cwd, ["--array", "0-39", "--name", "bag", "--", "sh", "-c", command]);
  expect(answer).toEqual({ workflow_id: 1, name: "bag", tasks: 40 });
  const waited = await run(cwd, ["wait", "--json", "--timeout", "30"]);
  expect(waited.code).toBe(0);
  expect(parseJson(waited.stdout, waited.stderr)).toMatchObject({
    workflow_id: 1,
    state: "succeeded",
    tasks: { succeeded: 40 },
  });
  const ran = linesOf(join(cwd, "ran")).map((line) => line.split(" "));
  expect(ran.map(([i]) => Number(i)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 40 }, (_, i) => i),
  );
  expect(new Set(ran.map(([, mark]) => mark)).size).toBe(2);
});

test("only the access file opens the server: 0600, exit 6 with another token, 401 everywhere but /healthz", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  expect(statSync(join(cwd, ".holdall/access.json")).mode & 0o777).toBe(0o600);
  expect(Buffer.from(server.access.token, "base64url").length).toBe(32);
  expect(new URL(server.access.url).hostname).toBe("127.0.0.1");
  const { url } = server.access;
  const wrong = { authorization: `Bearer ${server.access.token.slice(0, -1)}_` };
  const asked: [string, RequestInit][] = [
    ["/api/v1/workflows", {}],
    ["/api/v1/workflows", { headers: wrong }],
    ["/api/v1/workflows", { method: "POST", body: "{}" }],
    ["/api/v1/workers", {}],
    ["/api/v1/session", { headers: { upgrade: "websocket", connection: "upgrade" } }],
    ["/api/v1/session/beat?instance=x", { headers: wrong }],
    ["/anything", {}],
  ];
  for (const [path, init] of asked) {
    const response = await fetch(`${url}${path}`, init);
    expect([path, response.status]).toEqual([path, 401]);
    expect(await codeOf(response)).toBe("unauthorized");
  }
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await server.fetch("/api/v1/workflows")).status).toBe(200);

  writeFileSync(join(cwd, "wrong.json"), JSON.stringify({ url, token: "x".repeat(43) }));
  for (const args of [["status"], ["tasks"], ["cancel"], ["worker"], ["submit", "--", "true"]]) {
    const [command, ...rest] = args as [string, ...string[]];
    const { code, stderr } = await run(cwd, [command, "--access", "wrong.json", ...rest]);
    expect([command, code]).toEqual([command, 6]);
    expect(stderr).toContain("fix: ");
  }
});

test("commands from anywhere, through --access and HOLDALL_ACCESS", async () => {
  const cwd = scratchDir();
  const elsewhere = scratchDir();
  const server = await serve(cwd, ["--access", "copy.json"]);
  await connectedWorker(server, elsewhere, ["--access", join(cwd, "copy.json")]);
  const access = ["--access", join(cwd, "copy.json")];
  await submit(elsewhere, [...access, "--name", "far", "--", "sh", "-c", "pwd; exit 3"]);
  expect((await run(elsewhere, ["wait", ...access])).code).toBe(1);
  const env = { HOLDALL_ACCESS: join(cwd, "copy.json") };
  const listed = await run(elsewhere, ["tasks", "--json"], { env });
  const [task] = (parseJson(listed.stdout, listed.stderr) as { tasks: { name: string }[] }).tasks;
  expect(task).toMatchObject({ state: "failed", exit_code: 3 });
  expect((await run(elsewhere, ["logs", task!.name, ...access])).stdout).toBe(`${elsewhere}\n`);
  expect((await run(elsewhere, ["retry", ...access])).code).toBe(0);
  expect((await run(elsewhere, ["wait", ...access])).code).toBe(1);
  const [again] = Object.values(await tasks(elsewhere, access));
  expect(again).toMatchObject({ state: "failed", attempts: 2 });
});

test("wait: 7 after its timeout, 5 without a server; cancel ends what runs", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd);
  await submit(cwd, ["--name", "long", "--", "sh", "-c", "echo up > up; sleep 300"]);
  await untilFile(join(cwd, "up"));
  expect((await run(cwd, ["wait", "--timeout", "0.2s"])).code).toBe(7);
  const waiting = start(cwd, ["wait"]);
  expect((await run(cwd, ["cancel"])).code).toBe(0);
  expect((await waiting.result).code).toBe(1);
  await submit(cwd, ["--", "sleep", "300"]);
  server.kill("SIGTERM");
  expect((await server.result).code).toBe(0);
  const alone = await run(cwd, ["wait"]);
  expect(alone.code).toBe(5);
  expect(alone.stderr).toContain("nobody works on it");
  const access = ["--access", ".holdall/access.json"];
  expect((await run(cwd, ["status", ...access])).code).toBe(5);
  expect((await run(cwd, ["status", "--access", "none.json"])).code).toBe(5);
});

test("each submission is a new workflow, except under one idempotency key", async () => {
  const cwd = scratchDir();
  await serve(cwd);
  const w = spec(cwd, { name: "w", tasks: [{ name: "a", command: "true" }] });
  expect((await submit(cwd, [w])).workflow_id).toBe(1);
  const { stdout, stderr } = await run(cwd, ["status", "--json"]);
  expect(parseJson(stdout, stderr)).toMatchObject({ state: "running", tasks: { ready: 1 } });
  expect((await submit(cwd, [w])).workflow_id).toBe(2);
  expect((await submit(cwd, [w, "--idempotency-key", "k"])).workflow_id).toBe(3);
  expect((await submit(cwd, [w, "--idempotency-key", "k"])).workflow_id).toBe(3);
  const both = [w, "--idempotency-key", "at once"];
  const ids = (await Promise.all([submit(cwd, both), submit(cwd, both)])).map(
    ({ workflow_id }) => workflow_id,
  );
  expect(ids).toEqual([4, 4]);
  const other = await run(cwd, ["submit", "--idempotency-key", "k", "--", "false"]);
  expect(other.code).toBe(4);
});

test("the key counts after a restart too, and so do url and token", async () => {
  const cwd = scratchDir();
  const first = await serve(cwd);
  const args = ["--name", "w", "--idempotency-key", "k", "--", "true"];
  expect((await submit(cwd, args)).workflow_id).toBe(1);
  first.kill("SIGKILL");
  await first.result;
  const second = await serve(cwd, ["--port", "0"]);
  expect(second.access).toEqual(first.access);
  expect((await submit(cwd, args)).workflow_id).toBe(1);
  second.kill("SIGKILL");
  await second.result;
  const squatter = Bun.serve({
    hostname: "127.0.0.1",
    port: Number(new URL(first.access.url).port),
    fetch: () => new Response("mine"),
  });
  const refused = await run(cwd, ["serve"]);
  await squatter.stop(true);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain(new URL(first.access.url).port);
  expect(readAccess(cwd)).toEqual(first.access);
});

test("a second server, and a run, on the same state directory are refused", async () => {
  const cwd = scratchDir();
  await serve(cwd);
  for (const args of [["serve"], ["run", "--", "true"]]) {
    const { code, stderr } = await run(cwd, args);
    expect([args[0], code]).toEqual([args[0], 4]);
    expect(stderr).toContain("in use");
    if (args[0] === "run") expect(stderr).toContain("fix: give it the workflow: holdall submit");
  }
});

test("broken and hostile submissions are refused and leave nothing", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const post = (body: unknown): Promise<Response> =>
    server.fetch("/api/v1/workflows", {
      method: "POST",
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
  const policy = {
    requirement: { cpus: 1, memoryBytes: 0, diskBytes: 0, gpus: 0, nodes: 1, runtimeSeconds: null },
    category: "c",
    retries: 0,
    timeoutSeconds: null,
    onUpstreamFailure: "skip",
    priority: 0,
    cwd: null,
    scheduler: null,
  };
  const body = (name: string): object => ({ name, command: { kind: "auto", text: "true" } });
  const explicit = {
    ...policy,
    kind: "explicit",
    first: 0,
    count: 2,
    bodies: [body("a"), body("b")],
  };
  const array = {
    ...policy,
    kind: "array",
    first: 0,
    count: 5,
    title: "t_{i}",
    parameters: {
      names: ["i"],
      values: [{ from: 0, step: 1, count: 5, decimals: 0 }],
      mode: "zip",
    },
    body: body("t"),
  };
  const good = {
    name: "w",
    source: null,
    specDir: cwd,
    cwd,
    blocks: [explicit],
    edges: [],
    runs: [],
    sets: [],
    taskCount: 2,
    priority: 0,
    sortMethod: "auto",
    schedulers: [],
  };
  const bad: [string, unknown][] = [
    ["no JSON", "{"],
    ["nothing", ""],
    ["a list", []],
    ["no definition", {}],
    ["an unknown field", { definition: good, extra: 1 }],
    ["no blocks", { definition: { ...good, blocks: [] } }],
    ["relative cwd", { definition: { ...good, cwd: "x" } }],
    ["a count that lies", { definition: { ...good, taskCount: 3 } }],
    ["too many", { definition: { ...good, taskCount: 1e12 } }],
    ["bodies missing", { definition: { ...good, blocks: [{ ...explicit, bodies: [body("a")] }] } }],
    [
      "two of one name",
      { definition: { ...good, blocks: [{ ...explicit, bodies: [body("a"), body("a")] }] } },
    ],
    ["an edge into nothing", { definition: { ...good, edges: [0, 7] } }],
    ["half an edge", { definition: { ...good, edges: [0] } }],
    ["a circle", { definition: { ...good, edges: [0, 1, 1, 0] } }],
    [
      "a set beyond the end",
      { definition: { ...good, sets: [{ members: [[0, 9]], dependents: [[1, 1]] }] } },
    ],
    [
      "a negative need",
      {
        definition: {
          ...good,
          blocks: [{ ...explicit, requirement: { ...policy.requirement, cpus: -1 } }],
        },
      },
    ],
    [
      "an array larger than its table",
      { definition: { ...good, taskCount: 6, blocks: [{ ...array, count: 6 }] } },
    ],
    [
      "a parameter that is not there",
      {
        definition: {
          ...good,
          taskCount: 5,
          blocks: [{ ...array, body: { ...body("t"), name: ["t", { p: 3 }] } }],
        },
      },
    ],
    [
      "an argv of nothing",
      {
        definition: {
          ...good,
          blocks: [
            {
              ...explicit,
              bodies: [body("a"), { name: "b", command: { kind: "argv", argv: [] } }],
            },
          ],
        },
      },
    ],
  ];
  for (const field of [
    { faults: 5 },
    { faults: { retryOn: { exit: -1 } } },
    { faults: { exitRules: [{}] } },
    { placement: { algorithm: "best" } },
    { retries: 1.5 },
    { timeoutSeconds: "1" },
    { idempotent: "yes" },
  ])
    bad.push([
      JSON.stringify(field),
      { definition: { ...good, blocks: [{ ...explicit, ...field }] } },
    ]);
  for (const field of [
    { categories: [] },
    { maxFailures: 0 },
    { onFailure: "x" },
    { priority: "1" },
  ])
    bad.push([JSON.stringify(field), { definition: { ...good, ...field } }]);
  for (const [what, request] of bad) {
    const response = await post(request);
    expect([what, response.status]).toEqual([what, 422]);
    expect(await codeOf(response)).toBe("spec");
  }
  expect(await (await server.fetch("/api/v1/workflows")).json()).toEqual({ workflows: [] });
  const accepted = await post({ definition: good });
  expect(accepted.status).toBe(201);
  expect(await accepted.json()).toEqual({ workflow_id: 1, name: "w", tasks: 2 });
});

test("a document with a mistake, an absent input: exit 2, nothing submitted", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const w = spec(cwd, { name: "w", tasks: [{ name: "a", command: "cat x", inputs: ["x"] }] });
  expect((await run(cwd, ["submit", w])).code).toBe(2);
  expect(await (await server.fetch("/api/v1/workflows")).json()).toEqual({ workflows: [] });
});

test("SIGTERM: a worker finishes what it runs, gives the rest back, and ends with 0", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const leaving = await connectedWorker(server, cwd, ["--cpus", "1"]);
  const command = "echo {i} >> ran; until [ -e go ]; do sleep 0.02; done";
  await submit(cwd, ["--array", "0-3", "--", "sh", "-c", command]);
  await untilFile(join(cwd, "ran"));
  leaving.kill("SIGTERM");
  await until("it is draining", async () =>
    (await server.workers()).some((each) => each.state === "draining"),
  );
  writeFileSync(join(cwd, "go"), "");
  expect((await leaving.result).code).toBe(0);
  expect(linesOf(join(cwd, "ran"))).toHaveLength(1);
  worker(cwd);
  expect((await run(cwd, ["wait", "--timeout", "20"])).code).toBe(0);
  expect(linesOf(join(cwd, "ran")).sort()).toEqual(["0", "1", "2", "3"]);
});

test("worker --drain N, and --idle-timeout", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const first = await connectedWorker(server, cwd);
  const idle = worker(cwd, ["--idle-timeout", "0.5s"]);
  expect((await idle.result).code).toBe(0);
  const [{ worker_id } = { worker_id: 0 }] = await server.workers();
  expect((await run(cwd, ["worker", "--drain", "99"])).code).toBe(3);
  expect((await run(cwd, ["worker", "--drain", String(worker_id)])).code).toBe(0);
  expect((await first.result).code).toBe(0);
  expect(await server.workers()).toEqual([]);
});

test("output beyond 64 KiB, and a follower, through a server", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd);
  const command = "seq 1 60000; until [ -e go ]; do sleep 0.02; done; echo last";
  await submit(cwd, ["--name", "big", "--", "sh", "-c", command]);
  const [task] = await until("it runs", async () => {
    const rows = Object.values(await tasks(cwd));
    return rows[0]?.state === "running" ? rows : null;
  });
  const follower = start(cwd, ["logs", "-f", task!.name]);
  await Bun.sleep(200);
  writeFileSync(join(cwd, "go"), "");
  const followed = await follower.result;
  const wanted = `${Array.from({ length: 60000 }, (_, i) => i + 1).join("\n")}\nlast\n`;
  expect(followed.stdout === wanted).toBe(true);
  expect((await run(cwd, ["wait"])).code).toBe(0);
  expect((await run(cwd, ["logs", task!.name])).stdout === wanted).toBe(true);
});

test("--host of another address listens there and warns", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd, ["--host", "0.0.0.0"]);
  server.kill("SIGTERM");
  const { stderr } = await server.result;
  expect(stderr.split("\n").filter((line) => line.startsWith("warning: "))).toHaveLength(1);
});

test("run ID where a server owns the state directory: a worker of it until that workflow has ended", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const command = "test -e good && echo {i} >> ran";
  await submit(cwd, ["--name", "w", "--array", "0-4", "--", "sh", "-c", command]);
  const first = await run(cwd, ["run", "1", "--json"]);
  expect(first.code).toBe(1);
  const report = { workflow_id: 1, tasks: 5, cached: 0, attempts: 5 };
  expect(parseJson(first.stdout, first.stderr)).toMatchObject({ ...report, failed: 5 });
  writeFileSync(join(cwd, "good"), "");
  const second = await run(cwd, ["run", "1", "--json"]);
  expect(second.code).toBe(0);
  expect(parseJson(second.stdout, second.stderr)).toMatchObject({ ...report, succeeded: 5 });
  expect(linesOf(join(cwd, "ran"))).toHaveLength(5);
  expect(await server.workers()).toEqual([]);
  expect((await run(cwd, ["run", "7"])).code).toBe(3);
});

test("--output-dir writes files of each attempt, also through a server", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await connectedWorker(server, cwd);
  await submit(cwd, ["--name", "w", "--output-dir", "out", "--array", "0-1", "--", "echo", "{i}"]);
  expect((await run(cwd, ["wait"])).code).toBe(0);
  const names = Object.keys(await tasks(cwd));
  expect(await untilFile(join(cwd, "out", `${names[1]}.1.out`))).toBe("1\n");
});

test("broken and hostile sessions are closed with a reason, and harm nobody", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  const version = SESSION_VERSION;
  const offer = {
    cpus: 1,
    memoryBytes: 0,
    diskBytes: 0,
    gpus: 0,
    maxParallel: null,
    timeLimitSeconds: null,
    scheduler: null,
  };
  const hello = { type: "hello", version, instance: "x", host: "h", pid: 1, offer, held: [] };
  const open = async (): Promise<WebSocket> => {
    const headers = { authorization: `Bearer ${server.access.token}` };
    const socket = new WebSocket(`${server.access.url.replace("http", "ws")}/api/v1/session`, {
      headers,
    } as unknown as string[]);
    await new Promise((done) => socket.addEventListener("open", done));
    return socket;
  };
  const closing = (socket: WebSocket): Promise<CloseEvent> =>
    new Promise((done) => socket.addEventListener("close", done));
  const refused: [string, string | Uint8Array<ArrayBuffer>][] = [
    ["text", "hello"],
    ["noise", crypto.getRandomValues(new Uint8Array(100))],
    ["nothing", new Uint8Array(0)],
    ["no hello first", encodeFrames([{ type: "alive" }])],
    ["a later version", encodeFrames([{ ...hello, version: version + 1 }])],
    ["no offer", encodeFrames([{ ...hello, offer: null }])],
  ];
  for (const [what, message] of refused) {
    const socket = await open();
    const closed = closing(socket);
    socket.send(message);
    const { code, reason } = await closed;
    expect([what, code]).toEqual([what, 4400]);
    expect(reason).not.toBe("");
  }
  expect(await server.workers()).toEqual([]);

  // Well formed, and all of it untrue.
  const liar = await open();
  const batch = {
    workflow: 7,
    cls: 9,
    tasks: [0, 4e9, -1],
    attempts: [1, 2, 3],
    outcomes: [0, 99, -1],
    exits: [0, 0, 0],
    startedMs: [0, 0, 0],
    wallUs: [0, 0, 0],
    userUs: [0, 0, 0],
    systemUs: [0, 0, 0],
    peakBytes: [0, 0, 0],
    outputs: [],
    messages: [],
    files: [],
    recoveryFailed: [],
  };
  await submit(cwd, ["--name", "w", "--", "sleep", "300"]);
  liar.send(
    encodeFrames([
      { ...hello, held: [{ workflow: 1, tasks: [0, 9], attempts: [5, 1], started: [true, true] }] },
      { type: "started", workflow: 1, tasks: [0, 50], attempts: [9, 9], startedMs: [0, 0] },
      { type: "finished", seq: 1, batches: [batch, { ...batch, workflow: 1 }] },
      { type: "revoked", workflow: 1, tasks: [70], attempts: [1] },
      { type: "follow", workflow: 1 },
    ]),
  );
  expect((await closing(liar)).code).toBe(4400);
  const other = await open();
  other.send(
    encodeFrames([hello, { type: "finished", seq: 1, batches: [{ ...batch, workflow: 1 }] }]),
  );
  await until("it is taken for a worker", async () => (await server.workers()).length === 1);
  expect((await run(cwd, ["cancel"])).code).toBe(0);
  expect(Object.values(await tasks(cwd)).map((task) => task.state)).toEqual(["canceled"]);
  other.close();
});
