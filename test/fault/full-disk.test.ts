// The disk under the state directory is full for a while. Tasks run and write elsewhere.

import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdall, ledgerRows, linesOf, run, start, tasks, until } from "../support/holdall.ts";
import { requiresDisks, smallDisk } from "../support/disk.ts";
import { scratchDir } from "../support/scratch.ts";
import { connectedWorker, serve, worker } from "../support/server.ts";

const BEAT = ["--heartbeat", "300"];
const DISK_MIB = 48;
/** Output that fills the disk sooner than many small rows would: every second one goes to the ledger, the others to files. */
const COMMAND =
  "echo {i}.$HOLDALL_ATTEMPT >>ran; until [ -e go ]; do sleep 0.02; done; head -c $((60000 + {i} % 2 * 40000)) /dev/zero | tr '\\0' x; echo {i} >>ended";

async function submit(cwd: string, state: string[], name: string): Promise<string> {
  const args = ["submit", ...state, "--json", "--name", name, "--array", "0-39"];
  const { code, stdout, stderr } = await run(cwd, [...args, "--", "sh", "-c", COMMAND]);
  return code === 0 ? "accepted" : `${code} ${stdout}${stderr}`;
}

describe.skipIf(requiresDisks())("a full disk", () => {
  test("under a server: new work is refused by name, results wait at the workers, all goes on when space returns", async () => {
    const cwd = scratchDir();
    const disk = smallDisk(DISK_MIB);
    const state = ["--state-dir", join(disk.dir, "state")];
    const access = ["--access", join(cwd, "access.json")];
    const server = await serve(cwd, [...BEAT, ...state, ...access], { stateDir: state[1]! });
    await connectedWorker(server, cwd, [...access, "--cpus", "4"]);
    expect(await submit(cwd, state, "first")).toBe("accepted");
    await until("some run", () => linesOf(join(cwd, "ran")).length === 4);
    disk.fill(200_000);
    writeFileSync(join(cwd, "go"), "");
    const refused = await until("new work is refused", async () => {
      const answer = await submit(cwd, state, "again");
      return answer === "accepted" ? null : answer;
    });
    expect(refused).toStartWith("4 ");
    expect(refused).toContain('"code":"storage"');
    expect(refused).toContain("the disk is full");
    const raw = await server.fetch("/api/v1/workflows/1/cancel", { method: "POST", body: "{}" });
    expect(raw.status).toBe(507);
    // Still asked and answered; what was acknowledged is told.
    const told = (await server.fetch("/api/v1/workflows/1/tasks")).status;
    expect(told).toBe(200);
    // A worker that arrives now is taken up or waits, as space allows; it does not end.
    const late = worker(cwd, [...access, "--cpus", "4"], {
      command: ["sh", "-c", `exec ${holdall} "$@" 2>late.log`, "sh"],
    });
    const connected = async (): Promise<boolean> =>
      (await server.workers()).some(({ pid }) => pid === late.pid);
    await until(
      "the late worker waits or is there",
      async () =>
        linesOf(join(cwd, "late.log")).some((line) => line.includes("the disk is full")) ||
        (await connected()),
    );

    disk.free();
    const count = async (): Promise<number> => {
      const all = await (await server.fetch("/api/v1/workflows")).json();
      return (all as { workflows: { state: string }[] }).workflows.filter(
        (each) => each.state !== "succeeded",
      ).length;
    };
    await until("everything is done", async () => (await count()) === 0, 30_000);
    await until("the late worker is there", connected);
    expect(await submit(cwd, state, "last")).toBe("accepted");
    await until("that is done, too", async () => (await count()) === 0, 30_000);
    for (const [i, { name }] of Object.entries(Object.values(await tasks(cwd, ["1", ...state])))) {
      const output = await server.fetch(`/api/v1/workflows/1/tasks/${name}/output`);
      expect((await output.text()).length).toBe(60_000 + (Number(i) % 2) * 40_000);
    }
    server.kill("SIGTERM");
    const stderr = (await server.result).stderr;
    expect(stderr).toContain("the disk is full");
    expect(stderr).toContain("going on");
    // Each task ran once: the full disk was no reason to run anything again.
    const rows = ledgerRows<{ workflow_id: number; task: number; attempt: number }>(
      state[1]!,
      "SELECT workflow_id, task, attempt FROM results",
    );
    const workflows = new Set(rows.map(({ workflow_id }) => workflow_id)).size;
    expect(rows).toHaveLength(40 * workflows);
    expect(rows.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(linesOf(join(cwd, "ended"))).toHaveLength(40 * workflows);
  }, 90_000);

  test("a server that is asked to end on a full disk ends, and its successor gets the results", async () => {
    const cwd = scratchDir();
    const disk = smallDisk(DISK_MIB);
    const stateDir = join(disk.dir, "state");
    const args = [...BEAT, "--state-dir", stateDir, "--access", join(cwd, "access.json")];
    const first = await serve(cwd, args, { stateDir });
    await connectedWorker(first, cwd, ["--access", "access.json", "--cpus", "4"]);
    expect(await submit(cwd, ["--state-dir", stateDir], "w")).toBe("accepted");
    await until("some run", () => linesOf(join(cwd, "ran")).length === 4);
    disk.fill(50_000);
    writeFileSync(join(cwd, "go"), "");
    await until("it is full", async () => {
      const answer = await first.fetch("/api/v1/workflows/1/retry", { method: "POST", body: "{}" });
      return answer.status === 507;
    });
    first.kill("SIGTERM");
    expect((await first.result).code).toBe(0);
    // Nothing new has to be written to begin.
    const second = await serve(cwd, args, { stateDir });
    expect(second.access).toEqual(first.access);
    disk.free();
    const wait = ["wait", "--state-dir", stateDir, "--timeout", "30"];
    expect((await run(cwd, wait)).code).toBe(0);
    const rows = Object.values(await tasks(cwd, ["--state-dir", stateDir]));
    expect(rows).toHaveLength(40);
    for (const row of rows) expect(row).toMatchObject({ state: "succeeded", attempts: 1 });
    expect(linesOf(join(cwd, "ended"))).toHaveLength(40);
  }, 90_000);

  test("under a run: it waits and goes on", async () => {
    const cwd = scratchDir();
    const disk = smallDisk(DISK_MIB);
    const stateDir = join(disk.dir, "state");
    const process = start(cwd, [
      ...["run", "--json", "--state-dir", stateDir, "--cpus", "4", "--array", "0-39"],
      ...["--", "sh", "-c", COMMAND],
    ]);
    try {
      await until("some run", () => linesOf(join(cwd, "ran")).length === 4);
      disk.fill(200_000);
      writeFileSync(join(cwd, "go"), "");
      await until("no more is started", async () => {
        const before = linesOf(join(cwd, "ran")).length;
        await Bun.sleep(300);
        return linesOf(join(cwd, "ran")).length === before;
      });
      const before = linesOf(join(cwd, "ended")).length;
      expect(before).toBeLessThan(40);
      disk.free();
      const { code, stdout, stderr } = await process.result;
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ succeeded: 40, failed: 0, attempts: 40 });
      expect(stderr).toContain("the disk is full");
    } finally {
      process.kill("SIGKILL");
      await process.result;
    }
  }, 60_000);
});
