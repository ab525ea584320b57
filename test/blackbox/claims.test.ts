// Runners that poll, against `holdall serve` as a process of its own: nothing but HTTP and a shell.

import { expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, parseJson, run, spec, tasks, untilFile } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, serve, type Serving } from "../support/server.ts";

interface Claimed {
  jobs: { id: number; attempt_id: number }[];
}

/** All a runner needs: claims what fits, runs it, tells how it ended, until the workflow is complete. */
const POLLER = `
const [url, token, workflow, cpus, name, stopAfter] = process.argv.slice(2);
const headers = { authorization: "Bearer " + token, "content-type": "application/json" };
const ask = async (method, path, body) => {
  const response = await fetch(url + "/torc-service/v1" + path, {
    method, headers, body: body && JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
};
let done = 0;
async function perform(job, claim) {
  const started = await ask("PUT", "/jobs/" + job.id + "/start_job/1/1?claim=" + claim);
  if (started.status !== 200) return;
  const begin = performance.now();
  const child = Bun.spawn(["bash", "-c", job.command], {
    cwd: job.cwd, env: { ...process.env, ...job.env, POLLER: name }, stdout: "pipe",
  });
  const stdout = await child.stdout.text();
  const code = await child.exited;
  if (stopAfter && ++done > Number(stopAfter)) process.kill(process.pid, "SIGKILL");
  await ask("POST", "/jobs/" + job.id + "/complete_job/" + (code === 0 ? "completed" : "failed") + "/1?claim=" + claim, {
    job_id: job.id, attempt_id: job.attempt_id, return_code: code, stdout,
    exec_time_minutes: (performance.now() - begin) / 60000,
  });
}
for (;;) {
  const { body } = await ask("POST", "/workflows/" + workflow + "/claim_jobs_based_on_resources/" + cpus, {
    num_cpus: Number(cpus), memory_gb: 1, num_gpus: 0, num_nodes: 1, lease_seconds: 2,
  });
  if (body.jobs.length > 0) {
    const renewing = setInterval(() => ask("POST", "/workflows/" + workflow + "/claims/" + body.claim + "/renew"), 500);
    await Promise.all(body.jobs.map((job) => perform(job, body.claim)));
    clearInterval(renewing);
    continue;
  }
  if ((await ask("GET", "/workflows/" + workflow + "/is_complete")).body.is_complete) break;
  await Bun.sleep(20);
}
`;

function poller(cwd: string, server: Serving, ...args: string[]): Bun.Subprocess {
  const { url, token } = server.access;
  return Bun.spawn([process.execPath, join(cwd, "poller.js"), url, token, "1", ...args], {
    cwd,
    stdout: "inherit",
    stderr: "inherit",
  });
}

/** 200 tasks: 20 beginnings, then four further layers, of which every task waits for two of the layer before; then sums. */
function layers(): object {
  const list: object[] = [];
  for (let layer = 0; layer < 10; layer++)
    for (let i = 0; i < 20; i++)
      list.push({
        name: `t${layer}_${i}`,
        command: `echo t${layer}_${i} $POLLER. $HOLDALL_ATTEMPT >> ran; sleep 0.0${i % 4}; echo out t${layer}_${i}`,
        depends_on: layer === 0 ? [] : [`t${layer - 1}_${i}`, `t${layer - 1}_${(i + 7) % 20}`],
      });
  return { name: "layers", tasks: list };
}

test("two pollers, one of which dies, and a worker run 200 tasks to their end", async () => {
  const cwd = scratchDir();
  await Bun.write(join(cwd, "poller.js"), POLLER);
  const server = await serve(cwd);
  expect((await run(cwd, ["submit", spec(cwd, layers())])).code).toBe(0);
  const dying = poller(cwd, server, "3", "dying", "12");
  const steady = poller(cwd, server, "2", "steady");
  await untilFile(join(cwd, "ran"));
  const worker = await connectedWorker(server, cwd, ["--cpus", "2"]);
  await dying.exited;
  expect(dying.signalCode).toBe("SIGKILL");
  const waited = await run(cwd, ["wait", "--json", "--timeout", "60"]);
  expect(parseJson(waited.stdout, waited.stderr)).toMatchObject({
    state: "succeeded",
    tasks: { succeeded: 200 },
  });
  await steady.exited;
  expect(steady.exitCode).toBe(0);
  worker.kill("SIGTERM");

  const ran = linesOf(join(cwd, "ran")).map((line) => line.split(" ") as [string, string, string]);
  expect(new Set(ran.map(([, by]) => by))).toEqual(new Set(["dying.", "steady.", "."]));
  const attempts = ran.map(([task, , attempt]) => `${task}/${attempt}`);
  expect(new Set(attempts).size).toBe(attempts.length);
  // What the dead one had was run again under the next number, nothing else was.
  const again = ran.filter(([, , attempt]) => attempt !== "1");
  const first = new Map(
    ran.filter(([, , attempt]) => attempt === "1").map(([task, by]) => [task, by]),
  );
  expect(again.length).toBeGreaterThan(0);
  for (const [task] of again) expect([undefined, "dying."]).toContain(first.get(task));
  // Nothing began before what it waits for had ended for good.
  const last = new Map(ran.map(([task], at) => [task, at]));
  ran.forEach(([task], at) => {
    const [layer, i] = task.slice(1).split("_").map(Number) as [number, number];
    if (layer === 0) return;
    for (const up of [i, (i + 7) % 20]) expect(last.get(`t${layer - 1}_${up}`)!).toBeLessThan(at);
  });
  const logs = await run(cwd, ["logs", ran.find(([, by]) => by === "steady.")![0]]);
  expect(logs.stdout).toMatch(/^out t\d+_\d+\n$/);
}, 90_000);

test("claims, starts and keys survive kill -9 of the server", async () => {
  const cwd = scratchDir();
  let server = await serve(cwd);
  await run(cwd, ["submit", "--array", "0-9", "--name", "bag", "--", "true"]);
  const path = "/workflows/1/claim_jobs_based_on_resources/3";
  const body = JSON.stringify({ num_cpus: 8, memory_gb: 1, num_gpus: 0, num_nodes: 1 });
  const ask = async (): Promise<Claimed> => {
    const { url, token } = server.access;
    const headers = { authorization: `Bearer ${token}`, "idempotency-key": "one" };
    const response = await fetch(`${url}${path}`, { method: "POST", body, headers });
    return (await response.json()) as Claimed;
  };
  const before = await ask();
  const [a, b] = [before.jobs[0]!, before.jobs[1]!];
  expect((await server.fetch(`/jobs/${a.id}/start_job/1/1`, { method: "PUT" })).status).toBe(200);
  server.kill("SIGKILL");
  await server.result;
  server = await serve(cwd);
  expect(await ask()).toEqual(before);
  const statusOf = async (job: { id: number }): Promise<string> =>
    ((await (await server.fetch(`/jobs/${job.id}`)).json()) as { status: string }).status;
  expect([await statusOf(a), await statusOf(b)]).toEqual(["running", "pending"]);
  for (const { id, attempt_id } of before.jobs) {
    const result = { return_code: 0, attempt_id };
    const done = await server.fetch(`/jobs/${id}/complete_job/completed/1`, {
      method: "POST",
      body: JSON.stringify(result),
    });
    expect(done.status).toBe(200);
  }
  await connectedWorker(server, cwd);
  expect((await run(cwd, ["wait", "--timeout", "30"])).code).toBe(0);
  const all = Object.values(await tasks(cwd));
  expect(all).toHaveLength(10);
  for (const task of all) expect(task).toMatchObject({ state: "succeeded", attempts: 1 });
});

test("claims want the token", async () => {
  const cwd = scratchDir();
  const server = await serve(cwd);
  await run(cwd, ["submit", "--", "true"]);
  for (const path of [
    "/workflows/1/claim_next_jobs",
    "/torc-service/v1/workflows/1/claim_next_jobs",
  ]) {
    expect((await fetch(server.access.url + path, { method: "POST" })).status).toBe(401);
    expect((await server.fetch(path, { method: "POST" })).status).toBe(200);
  }
  const status = await run(cwd, ["status", "--json"]);
  expect(parseJson(status.stdout, status.stderr)).toMatchObject({ tasks: { assigned: 1 } });
});
