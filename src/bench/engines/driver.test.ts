import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { type Driver, parseMessage, startDriver } from "./driver.ts";
import { withEntry } from "./processes.ts";

const scratch = mkdtempSync(join(tmpdir(), "holdall-driver-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const READY = `echo '{"type":"ready","version":"1","startup_s":0.5,"manager_pid":'$$'}'; `;
const RAN = `echo '{"type":"ran","done":3,"failed":1,"wall_s":0.25}'; `;

/** A driver written in shell. */
function drive(script: string, readyLimitMs = 20_000): Driver & { mark: string; folder: string } {
  const folder = mkdtempSync(join(scratch, "engine-"));
  const id = crypto.randomUUID();
  const driver = startDriver({
    title: "Shell",
    argv: ["sh", "-c", script],
    folder,
    mark: ["HOLDALL_TEST_MARK", id],
    env: process.env,
    readyLimitMs,
  });
  return { ...driver, mark: `HOLDALL_TEST_MARK=${id}`, folder };
}

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HoldallError);
  expect((error as HoldallError).code).toBe("engine");
  return (error as HoldallError).message;
}

test("ready, bags one after the other, and the end by a closed stdin", async () => {
  const driver = drive(
    `${READY} while read -r line; do echo "$line" >> heard; ${RAN} done; touch ended`,
  );
  expect(await driver.ready()).toEqual({ version: "1", startup_s: 0.5, managers: [driver.pid] });
  for (const bag of ["/a", "/b"])
    expect(await driver.run(bag, 4, 20_000)).toEqual({ done: 3, failed: 1, wall_s: 0.25 });
  expect(readFileSync(join(driver.folder, "heard"), "utf8")).toBe(
    '{"type":"run","tasks":"/a"}\n{"type":"run","tasks":"/b"}\n',
  );
  await driver.end();
});

test("a node is killed while a bag runs", async () => {
  const driver = drive(
    `${READY} read -r run; read -r kill; echo "$kill" > heard; echo '{"type":"killed","node":2}'; ${RAN} read -r end`,
  );
  const running = driver.run("/a", 4, 20_000);
  await driver.kill(2, 1.5);
  expect((await running).done).toBe(3);
  expect(JSON.parse(readFileSync(join(driver.folder, "heard"), "utf8"))).toEqual({
    type: "kill",
    node: 2,
    warning_s: 1.5,
  });
  await driver.end();
});

test.each([
  ["no JSON", "echo 'Hello, World!'", "said a line that is not understood: Hello, World!"],
  ["an unknown type", `echo '{"type":"hello"}'`, 'not understood: {"type":"hello"}'],
  ["binary garbage", String.raw`printf '\377\000\033[2Jx\n'`, "not understood: \ufffd??[2Jx"],
  ["half a message", `echo '{"type":"ran","done":4}'`, "is not understood"],
  ["what nobody asked for", `echo '{"type":"killed","node":0}'`, "said something nobody asked for"],
  ["too few tasks", `echo '{"type":"ran","done":1,"failed":0,"wall_s":1}'`, "1 done and 0 failed"],
])("%s breaks the engine, and the line is shown", async (_what, script, message) => {
  const driver = drive(`${READY} read -r line; ${script}; read -r line`);
  await driver.ready();
  expect(await refused(driver.run("/a", 4, 20_000))).toContain(message);
  await driver.end();
});

test("a driver that dies takes its last words with it", async () => {
  const driver = drive(`${READY} read -r line; echo 'out of "luck"' >&2; exit 3`);
  await driver.ready();
  const message = await refused(driver.run("/a", 4, 20_000));
  expect(message).toBe('Shell: its driver ended (exit code 3); it said:\n  out of "luck"');
  expect(await refused(driver.run("/b", 4, 20_000))).toBe(message);
  await driver.end();
});

test("one that is killed is told from one that ends", async () => {
  const driver = drive(`${READY} read -r line; kill -9 $$`);
  expect(await refused(driver.run("/a", 4, 20_000))).toContain("its driver ended (SIGKILL)");
  await driver.end();
});

test("one that never is ready, or never finishes, is given up", async () => {
  const never = drive("read -r line", 50);
  expect(await refused(never.ready())).toBe("Shell: was not ready within 0.05 s");
  await never.end();
  const slow = drive(`${READY} read -r line; read -r line`);
  await slow.ready();
  expect(await refused(slow.run("/a", 4, 50))).toBe("Shell: did not finish 4 tasks within 0.05 s");
  await slow.end();
});

test("nothing is left, also of what ignores signals and left its parents", async () => {
  const script = `trap '' TERM INT; setsid sh -c "trap '' TERM; touch there; while :; do sleep 600; done" & `;
  const driver = drive(`${script} while [ ! -e there ]; do sleep 0.01; done; ${READY} wait`);
  await driver.ready();
  expect(existsSync(join(driver.folder, "there"))).toBe(true);
  expect(withEntry(driver.mark).length).toBeGreaterThan(2);
  await driver.end(true);
  expect(withEntry(driver.mark)).toEqual([]);
});

test("messages are checked field by field", () => {
  const ready = { type: "ready", version: "1", startup_s: 0, manager_pid: null };
  const ok = (message: object): boolean => parseMessage(JSON.stringify(message)) !== null;
  expect(ok(ready)).toBe(true);
  expect(ok({ ...ready, manager_pid: [1, 2] })).toBe(true);
  expect(ok({ ...ready, manager_pid: [1, "2"] })).toBe(false);
  expect(ok({ ...ready, startup_s: -1 })).toBe(false);
  expect(ok({ ...ready, version: 2 })).toBe(false);
  expect(ok({ type: "ran", done: 1, failed: 0, wall_s: 0.5 })).toBe(true);
  expect(ok({ type: "ran", done: 1.5, failed: 0, wall_s: 0.5 })).toBe(false);
  expect(ok({ type: "ran", done: 1, failed: 0, wall_s: null })).toBe(false);
  for (const line of ["", "null", "[]", "7", '"ready"']) expect(parseMessage(line)).toBeNull();
});
