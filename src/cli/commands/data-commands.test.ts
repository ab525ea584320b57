import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TaskItem } from "../../protocol/api.ts";
import { runCli } from "../app.ts";
import type { ConnectDeps } from "../connect.ts";
import { testIo } from "../testing.ts";
import { NO_COUNTS } from "../testing-run.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdall-data-"));
  mkdirSync(join(folder, ".holdall"));
  writeFileSync(join(folder, ".holdall/ledger.db"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const task = (n: number): TaskItem => ({
  name: `compress_${String(n).padStart(3, "0")}`,
  state: n === 1 ? "failed" : "succeeded",
  attempts: 1,
  exit_code: n === 1 ? 3 : 0,
  outcome: n === 1 ? "exit" : "ok",
  host: "here",
  wall_seconds: 0.0123,
  cpu_seconds: n === 2 ? null : 0.01,
  peak_memory_bytes: n === 2 ? null : 5_452_595,
});

const counts = { ...NO_COUNTS, succeeded: 2499, failed: 1, later: 7 };
const workflow = { workflow_id: 3, name: "w", state: "failed", tasks: counts, extra: 1 };

/** A server with workflow 3 of 2,500 tasks that answers at most 1,000 at once. */
function serve(request: Request, log: string[], body: string): Response {
  const { pathname, searchParams, search } = new URL(request.url);
  log.push(`${request.method} ${pathname}${search} ${body}`.trim());
  const path = pathname.replace("/api/v1/workflows/", "").replace("latest", "3");
  if (path === "3") {
    return Response.json(workflow);
  }
  if (path === "3/tasks") {
    const from = Number(searchParams.get("cursor") ?? "1");
    const to = Math.min(2500, from + Math.min(1000, Number(searchParams.get("limit"))) - 1);
    const tasks = Array.from({ length: to - from + 1 }, (_, i) => task(from + i));
    return Response.json({ tasks, next_cursor: to < 2500 ? String(to + 1) : null });
  }
  if (path === "3/tasks/both/output") return new Response(`${searchParams.get("stream")} text\n`);
  if (path === "3/tasks/silent/output") return new Response("");
  if (path === "3/tasks/silent") {
    const attempt = { attempt: 1, outcome: "launch_error", exit_code: 127, message: "no ./x" };
    return Response.json({ ...task(1), attempts_detail: [attempt] });
  }
  if (path === "3/tasks/waiting/output") return new Response("");
  if (path === "3/tasks/waiting") {
    return Response.json({ ...task(1), state: "ready", attempts: 0, attempts_detail: [] });
  }
  if (path === "/api/v1/workflows") return Response.json({ workflows: [workflow] });
  if (path === "3/retry") return Response.json({ reset: 2 });
  if (path === "3/cancel") return Response.json({ canceled: 1 });
  return Response.json({ error: { code: "not_found", message: `no ${path}` } }, { status: 404 });
}

async function cli(words: string[]) {
  const io = testIo({ cwd: folder });
  const log: string[] = [];
  let closed = 0;
  const deps: ConnectDeps = {
    openInProcess: () => ({
      fetch: async (request) => serve(request, log, await request.text()),
      close: async () => {
        closed += 1;
      },
    }),
    fetch: () => Promise.reject(new Error("no owner")),
    wait: async () => {},
    now: () => 0,
  };
  const code = await runCli(words, io, deps);
  expect(closed).toBe(1);
  return { code, out: io.out(), err: io.err(), log };
}

test("status", async () => {
  expect((await cli(["status"])).out).toBe(
    "workflow 3, w: failed\n  succeeded  2,499\n  failed         1\n  total      2,500\n",
  );
  const { out, code, log } = await cli(["status", "3", "--json"]);
  expect(code).toBe(0);
  expect(out).toBe(
    '{"workflow_id":3,"name":"w","state":"failed","tasks":{"blocked":0,"ready":0,"assigned":0,"running":0,"succeeded":2499,"failed":1,"canceled":0,"skipped":0}}\n',
  );
  expect(log).toEqual(["GET /api/v1/workflows/3"]);
});

test("status --all", async () => {
  const { out } = await cli(["status", "--all"]);
  expect(out).toBe(
    "ID  NAME  STATE   TASKS  SUCCEEDED  FAILED\n 3  w     failed  2,500      2,499       1\n",
  );
  const json = JSON.parse((await cli(["status", "--all", "--json"])).out);
  expect(json.workflows).toEqual([{ ...workflow, extra: undefined, tasks: expect.anything() }]);
});

test("a workflow that does not exist: exit 3, also as JSON", async () => {
  const { code, out, err } = await cli(["status", "4", "--json"]);
  expect(code).toBe(3);
  expect(JSON.parse(out).error).toMatchObject({ code: "not_found", message: "no 4" });
  expect(err).toBe("error: no 4\n");
});

test("tasks as a table", async () => {
  const { out, err } = await cli(["tasks", "--limit", "2"]);
  expect(out).toBe(
    [
      "NAME          STATE      ATTEMPTS  EXIT  OUTCOME     TIME      CPU    MEMORY  HOST",
      "compress_001  failed            1     3  exit     12.3 ms  10.0 ms  5.20 MiB  here",
      "compress_002  succeeded         1     0  ok       12.3 ms        -         -  here",
      "",
    ].join("\n"),
  );
  expect(err).toBe("more: holdall tasks --cursor 3\n");
});

test("tasks --json: the fixed fields; filters are the server's; pages are put together", async () => {
  const { out, log } = await cli(["tasks", "--json", "--limit", "1"]);
  expect(out).toBe(
    '{"tasks":[{"name":"compress_001","state":"failed","attempts":1,"exit_code":3,"outcome":"exit","host":"here","wall_seconds":0.0123,"cpu_seconds":0.01,"peak_memory_bytes":5452595}],"next_cursor":"2"}\n',
  );
  expect(log.at(-1)).toBe("GET /api/v1/workflows/3/tasks?limit=1");
  const filtered = await cli(["tasks", "3", "--state", "failed", "--name", "c*", "--json"]);
  expect(filtered.log).toEqual(["GET /api/v1/workflows/3/tasks?state=failed&name=c*&limit=1000"]);
  const all = JSON.parse((await cli(["tasks", "--limit", "5000", "--json"])).out);
  expect(all.tasks).toHaveLength(2500);
  expect(all.next_cursor).toBeNull();
  const some = JSON.parse((await cli(["tasks", "--limit", "1500", "--json"])).out);
  expect([some.tasks.length, some.next_cursor]).toEqual([1500, "1501"]);
});

test("logs: the task's bytes on stdout, which is which on stderr", async () => {
  expect(await cli(["logs", "both"])).toMatchObject({
    out: "stdout text\nstderr text\n",
    err: "--- stderr:\n",
    code: 0,
  });
  const one = await cli(["logs", "3/both", "--stderr", "--attempt", "2"]);
  expect(one).toMatchObject({ out: "stderr text\n", err: "" });
  expect(one.log).toEqual(["GET /api/v1/workflows/3/tasks/both/output?attempt=2&stream=stderr"]);
  const followed = await cli(["logs", "-f", "both", "--stdout"]);
  expect(followed.out).toBe("stdout text\n");
  expect(followed.log).toEqual([
    "GET /api/v1/workflows/latest/tasks/both/output?stream=stdout&follow=1",
  ]);
  expect(await cli(["logs", "silent"])).toMatchObject({
    out: "",
    err: "silent: attempt 1 printed nothing; it ended: launch error: no ./x\n",
    code: 0,
  });
  expect((await cli(["logs", "waiting"])).err).toBe(
    "waiting: nothing was printed so far; it is ready\n",
  );
  expect((await cli(["logs", "both", "--json"])).out).toBe(
    '{"name":"both","attempt":null,"stdout":"stdout text\\n","stderr":"stderr text\\n"}\n',
  );
  for (const follow of [[], ["-f"]]) {
    expect(await cli(["logs", "gone", ...follow])).toMatchObject({ code: 3, out: "" });
  }
});

test("after --, names may begin with a dash", async () => {
  const { log } = await cli(["cancel", "3", "--", "-a", "--json"]);
  expect(log[1]).toBe('POST /api/v1/workflows/3/cancel {"tasks":["-a","--json"]}');
});

test("retry", async () => {
  const all = await cli(["retry"]);
  expect(all.log[1]).toBe(
    'POST /api/v1/workflows/3/retry {"states":["failed","skipped","canceled"]}',
  );
  expect(all.err).toBe(
    "workflow 3: 2 tasks will be tried again\nnobody works on it now: holdall run 3\n",
  );
  const some = await cli(["retry", "3", "a", "3/b", "--failed", "--json"]);
  expect(some.log[1]).toBe(
    'POST /api/v1/workflows/3/retry {"tasks":["a","b"],"states":["failed"]}',
  );
  expect(some).toMatchObject({ out: '{"workflow_id":3,"reset":2}\n', err: "", code: 0 });
});

test("cancel", async () => {
  const one = await cli(["cancel", "a", "--reason", "wrong seed"]);
  expect(one.log[1]).toBe('POST /api/v1/workflows/3/cancel {"tasks":["a"],"reason":"wrong seed"}');
  expect(one.err).toBe("workflow 3: 1 task canceled\n");
  expect((await cli(["cancel", "3", "--json"])).out).toBe('{"workflow_id":3,"canceled":1}\n');
});
