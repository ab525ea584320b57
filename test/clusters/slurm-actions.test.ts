// `schedule_nodes`: a server asks a real Slurm for the nodes that a workflow wants, when it wants them.

import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { ledgerRows, linesOf, parseJson, run, spec } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";
import { endAll, serve } from "../support/server.ts";
import { requiresSlurm, type SlurmCluster, startSlurm } from "./slurm/cluster.ts";

setDefaultTimeout(180_000);
afterEach(endAll);

if (!requiresSlurm()) {
  let slurm: SlurmCluster;
  beforeAll(async () => {
    slurm = await startSlurm([]);
  });
  afterAll(async () => await slurm.stop());

  test("nodes at the start of a workflow, and for a stage when it is ready", async () => {
    const cwd = scratchDir();
    const env = { SLURM_CONF: slurm.conf };
    const server = await serve(cwd, [], { env });
    const document = spec(cwd, {
      name: "staged",
      compute_node_wait_for_new_jobs_seconds: 2,
      slurm_defaults: { nice: 5 },
      slurm_schedulers: [
        { name: "first", nodes: 1, walltime: "00:10:00" },
        { name: "second", nodes: 1, walltime: "00:10:00" },
      ],
      jobs: [
        { name: "a", command: "echo a $SLURM_JOB_ID >> ran", scheduler: "first" },
        {
          name: "b_{i}",
          command: "echo b $SLURM_JOB_ID >> ran",
          parameters: { i: "1:2" },
          depends_on: ["a"],
          scheduler: "second",
        },
      ],
      actions: [
        { trigger_type: "on_workflow_start", action_type: "schedule_nodes", scheduler: "first" },
        {
          trigger_type: "on_jobs_ready",
          action_type: "schedule_nodes",
          scheduler: "second",
          job_name_regexes: ["^b_"],
          max_parallel_jobs: 1,
        },
      ],
    });
    const submitted = await run(cwd, ["submit", document, "--json"], { env });
    expect(submitted.code).toBe(0);
    const waited = await run(cwd, ["wait", "--json", "--timeout", "120"], { env });
    expect(parseJson(waited.stdout, waited.stderr)).toMatchObject({
      state: "succeeded",
      tasks: { succeeded: 3 },
    });
    const ran = linesOf(join(cwd, "ran")).map((line) => line.split(" "));
    expect(ran.map(([name]) => name)).toEqual(["a", "b", "b"]);
    // another allocation for the second stage, and one only
    expect(ran[1]![1]).not.toBe(ran[0]![1]);
    expect(ran[2]![1]).toBe(ran[1]![1]);
    server.kill("SIGTERM");
    await server.result;
    const rows = ledgerRows<{ exit_code: number; message: string }>(
      join(cwd, ".holdall"),
      "SELECT exit_code, message FROM actions ORDER BY action",
    );
    expect(rows.map(({ exit_code }) => exit_code)).toEqual([0, 0]);
    for (const { message } of rows) expect(message).toMatch(/^Slurm job \d+: 1 allocations$/);
  });
}
