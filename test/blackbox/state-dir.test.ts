// State directories that are odd, read-only or full, and what is said then.

import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  holdall,
  isAlive,
  ledgerRows,
  linesOf,
  run,
  runReport,
  spec,
  start,
  tasks,
  until,
  untilFile,
} from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const gate = "echo $$ >pid; until [ -e go ]; do sleep 0.02; done; echo finished";

test.each([
  ["a long path", `${"long-name-".repeat(12)}/${"x".repeat(100)}`],
  ["spaces and other scripts", "mein Ordner/größe 数据 'x'"],
])("%s: a run, and another process that asks it", async (_, name) => {
  const stateDir = join(cwd, name);
  mkdirSync(stateDir, { recursive: true });
  const flag = ["--state-dir", stateDir];
  spec(cwd, { name: "w", tasks: [{ name: "t", command: gate }] });
  const running = start(cwd, ["run", "workflow.yaml", "--json", ...flag]);
  await untilFile(join(cwd, "pid"));
  const status = await run(cwd, ["status", "--json", ...flag]);
  expect(JSON.parse(status.stdout)).toMatchObject({ state: "running", tasks: { running: 1 } });
  expect((await run(cwd, ["run", "workflow.yaml", ...flag])).code).toBe(4);
  await Bun.write(join(cwd, "go"), "");
  expect((await running.result).code).toBe(0);
  expect((await run(cwd, ["logs", "t", ...flag])).stdout).toBe("finished\n");
});

test("HOLDALL_STATE_DIR is the default, --state-dir wins", async () => {
  const env = { HOLDALL_STATE_DIR: "from-env" };
  await runReport(cwd, ["--", "true"], { env });
  expect(readdirSync(cwd)).toEqual(["from-env"]);
  await runReport(cwd, ["--state-dir", "by-flag", "--", "true"], { env });
  expect(readdirSync(cwd).toSorted()).toEqual(["by-flag", "from-env"]);
});

const canMount = Bun.spawnSync(["unshare", "-m", "sh", "-c", "mount --bind / /"]).exitCode === 0;
const noMount = requires("a mount namespace", "run as root", canMount);

test.skipIf(noMount)(
  "a read-only state directory: the error says so, and nothing starts",
  async () => {
    await runReport(cwd, ["--", "true"]);
    const script =
      'mount --bind .holdall .holdall && mount -o remount,bind,ro .holdall && exec "$@"';
    const command = ["unshare", "-m", "sh", "-c", script, "sh", holdall];
    const { code, stdout, stderr } = await run(cwd, ["run", "--json", "--", "touch", "ran"], {
      command,
    });
    expect(code).toBe(4);
    const { error } = JSON.parse(stdout);
    expect(error.message).toContain("read-only");
    expect(error.message + error.fix).toContain(".holdall");
    expect(stderr).toContain(error.message);
    expect(readdirSync(cwd)).toEqual([".holdall"]);
    const status = await run(cwd, ["status"], { command });
    expect(status).toMatchObject({ code: 4, stderr: expect.stringContaining("read-only") });
  },
);

test("a state directory that cannot be made", async () => {
  writeFileSync(join(cwd, "file"), "");
  const { code, stdout } = await run(cwd, [
    "run",
    "--json",
    "--state-dir",
    "file/below",
    "--",
    "touch",
    "ran",
  ]);
  expect(code).toBe(4);
  const { error } = JSON.parse(stdout);
  expect(error.message).toContain(join(cwd, "file"));
  expect(error.fix).toBeString();
  expect(readdirSync(cwd)).toEqual(["file"]);
});

test("a ledger that is no ledger is told apart and left alone", async () => {
  mkdirSync(join(cwd, ".holdall"));
  const text = "this was never a database\n".repeat(400);
  writeFileSync(join(cwd, ".holdall/ledger.db"), text);
  const { code, stdout } = await run(cwd, ["run", "--json", "--", "touch", "ran"]);
  expect(code).toBe(4);
  expect(JSON.parse(stdout).error.fix).toBeString();
  expect(await Bun.file(join(cwd, ".holdall/ledger.db")).text()).toBe(text);
});

test("only its owner can read a state directory", async () => {
  await runReport(cwd, ["--", "true"]);
  const { stdout } = Bun.spawnSync(["stat", "-c", "%a", ".holdall", ".holdall/ledger.db"], { cwd });
  expect(stdout.toString().split("\n").slice(0, 2)).toEqual(["700", "600"]);
});

const mounts: string[] = [];
afterEach(() => {
  for (const dir of mounts.splice(0)) Bun.spawnSync(["umount", "-l", dir]);
});

/** A state directory of 2 MB, and a run of 200 tasks that print so many bytes each: far more than fit. */
function smallDisk(bytes: number) {
  const stateDir = join(cwd, "small");
  mkdirSync(stateDir);
  const { exitCode } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", stateDir]);
  expect(exitCode).toBe(0);
  mounts.push(stateDir);
  const command = `echo {i} >>ran; head -c ${bytes} /dev/zero | tr '\\0' x`;
  spec(cwd, { name: "w", tasks: [{ name: "t_{i}", parameters: { i: "1:200" }, command }] });
  const flag = ["--state-dir", stateDir];
  const child = Bun.spawn([holdall, "run", "workflow.yaml", "--json", ...flag], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { readUntil, rest } = reading(child.stderr);
  return {
    stateDir,
    flag,
    child,
    readUntil,
    rest,
    grow: () => Bun.spawnSync(["mount", "-o", "remount,size=64m", stateDir]),
  };
}

function reading(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  let text = "";
  const more = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    if (value) text += new TextDecoder().decode(value);
    return !done;
  };
  return {
    async readUntil(wanted: RegExp) {
      while (!wanted.test(text)) if (!(await more())) throw new Error(`never said: ${text}`);
    },
    async rest() {
      while (await more());
      return text;
    },
  };
}

const acceptedRows = (stateDir: string): number =>
  ledgerRows<{ rows: number }>(stateDir, "SELECT count(*) AS rows FROM results")[0]!.rows;

// Up to 64 KiB are kept in the ledger, more in files beside it.
test.skipIf(noMount).each([60_000, 200_000])(
  "a full disk (%d bytes a task): it says so, waits, and goes on when there is space",
  async (bytes) => {
    const { stateDir, flag, child, readUntil, rest, grow } = smallDisk(bytes);
    await readUntil(/full/);
    const ran = linesOf(join(cwd, "ran")).length;
    expect(ran).toBeGreaterThan(2);
    expect(ran).toBeLessThan(200);
    grow();
    const report = JSON.parse(await child.stdout.text());
    expect(await rest()).toContain("going on");
    expect(await child.exited).toBe(0);
    expect(report).toMatchObject({ tasks: 200, succeeded: 200, failed: 0, attempts: 200 });
    expect(linesOf(join(cwd, "ran"))).toHaveLength(200);
    expect(acceptedRows(stateDir)).toBe(200);
    // Those around the place where it was full, too.
    for (let i = Math.max(1, ran - 6); i <= ran + 6; i++) {
      const { stdout } = await run(cwd, ["logs", `t_${i}`, "--stdout", ...flag]);
      expect([i, stdout.length]).toEqual([i, bytes]);
    }
  },
);

test.skipIf(noMount)(
  "a full disk: who will not wait stops it, and nothing acknowledged is lost",
  async () => {
    const { stateDir, flag, child, readUntil, rest, grow } = smallDisk(60_000);
    await readUntil(/full/);
    child.kill("SIGINT");
    await readUntil(/draining/);
    child.kill("SIGINT");
    expect(JSON.parse(await child.stdout.text()).error.code).toBe("storage");
    expect(await child.exited).toBe(4);
    expect(await rest()).toContain("free space on the file system");
    grow();
    const before = acceptedRows(stateDir);
    expect(before).toBeGreaterThan(0);
    const report = await runReport(cwd, ["workflow.yaml", ...flag]);
    expect(report).toMatchObject({ code: 0, succeeded: 200, failed: 0, cached: before });
    expect(acceptedRows(stateDir)).toBe(200);
  },
);

test("the state directory is removed while a run uses it: no crash without words", async () => {
  spec(cwd, {
    name: "w",
    tasks: [
      { name: "t", command: gate },
      { name: "u", command: "true", depends_on: ["t"] },
    ],
  });
  const running = start(cwd, ["run", "workflow.yaml"]);
  const pid = Number(await untilFile(join(cwd, "pid")));
  rmSync(join(cwd, ".holdall"), { recursive: true });
  await Bun.write(join(cwd, "go"), "");
  const { code, signal, stderr } = await running.result;
  expect({ signal, said: stderr.length > 0 }).toEqual({ signal: null, said: true });
  expect(code).not.toBeNull();
  await until("the task is gone", () => !isAlive(pid) || null);
});

test.skipIf(
  requires("a user who is not root", "run as root", process.getuid?.() === 0) ||
    requires("setpriv", "apt-get install util-linux"),
)("another user's state directory is refused, naming it", async () => {
  await runReport(cwd, ["--", "true"]);
  chmodSync(cwd, 0o755);
  const command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", holdall];
  const { code, stderr } = await run(cwd, ["status"], { command });
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/permission|not allowed|EACCES|cannot/i);
  expect(stderr).not.toContain("    at ");
});

test("tasks beyond one page come whole through --cursor", async () => {
  await runReport(cwd, ["--array", "1-30", "--", "true"]);
  const { stdout } = await run(cwd, ["tasks", "--json", "--limit", "20"]);
  const first = JSON.parse(stdout);
  expect(first.tasks).toHaveLength(20);
  const rest = await tasks(cwd, ["--cursor", first.next_cursor]);
  expect(Object.keys(rest)).toHaveLength(10);
});
