import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { HoldallError } from "../core/error.ts";
import { type ConnectDeps, connect, readOwner, realConnectDeps } from "./connect.ts";
import type { StateDir } from "./state-dir.ts";
import { failureOf } from "./testing.ts";

let folder = "";
let stateDir: StateDir = { path: "", from: "--state-dir", flag: "" };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdall-connect-"));
  stateDir = { path: join(folder, "state"), from: "--state-dir", flag: "" };
  mkdirSync(stateDir.path);
  writeFileSync(join(stateDir.path, "ledger.db"), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ok = Response.json.bind(null, { ok: true, workflows: [] });

function fakes(more: Partial<ConnectDeps> = {}): ConnectDeps & { log: string[] } {
  const log: string[] = [];
  let nowMs = 0;
  return {
    log,
    openInProcess() {
      log.push("in process");
      return {
        fetch: async () => ok(),
        close: async () => {
          log.push("closed");
        },
      };
    },
    fetch: async (request, socket) => {
      log.push(`${new URL(request.url).pathname} ${socket ?? request.url}`);
      return ok();
    },
    wait: async (ms) => {
      nowMs += ms;
    },
    now: () => nowMs,
    ...more,
  };
}

function writeOwner(owner: object): void {
  const text = JSON.stringify({
    pid: 42,
    host: hostname(),
    started_ms: 1,
    command: "holdall run w.yaml",
    socket: "/run/owner.sock",
    ...owner,
  });
  writeFileSync(join(stateDir.path, "owner.json"), text);
}

const conflict = (): never => {
  throw new HoldallError("conflict", "locked");
};

test("no state directory: not_found", async () => {
  rmSync(stateDir.path, { recursive: true });
  expect(await failureOf(connect(stateDir, fakes()))).toMatchObject({ code: "not_found" });
  mkdirSync(stateDir.path);
  const deps = fakes();
  expect(await failureOf(connect(stateDir, deps))).toMatchObject({ code: "not_found" });
  expect(deps.log).toEqual([]);
});

test("an owner that answers on its socket is asked", async () => {
  writeOwner({});
  const deps = fakes();
  const { client, owner, close } = await connect(stateDir, deps);
  await client.workflows();
  await close();
  expect(owner?.pid).toBe(42);
  expect(deps.log).toEqual(["/healthz /run/owner.sock", "/api/v1/workflows /run/owner.sock"]);
});

test("no owner: the same handlers in this process, closed afterwards", async () => {
  const deps = fakes();
  const { client, owner, close } = await connect(stateDir, deps);
  await client.workflows();
  await close();
  expect(owner).toBeNull();
  expect(deps.log).toEqual(["in process", "closed"]);
});

test("an owner that died does not block", async () => {
  writeOwner({});
  const deps = fakes({ fetch: () => Promise.reject(new Error("ENOENT")) });
  expect((await connect(stateDir, deps)).owner).toBeNull();
});

test("an owner that has just started is waited for", async () => {
  let looks = 0;
  const deps = fakes({
    openInProcess: conflict,
    wait: async () => {
      looks += 1;
      if (looks === 3) writeOwner({});
    },
  });
  expect((await connect(stateDir, deps)).owner?.pid).toBe(42);
  expect(looks).toBe(3);
});

test("an owner that stays silent is unreachable, by name", async () => {
  writeOwner({});
  const deps = fakes({
    openInProcess: conflict,
    fetch: () => Promise.reject(new Error("refused")),
  });
  expect(await failureOf(connect(stateDir, deps))).toMatchObject({
    code: "unreachable",
    message: `process 42 on ${hostname()} (holdall run w.yaml) has ${stateDir.path} and does not answer`,
  });
});

test("an owner on another host: its URL with the token, else where to go", async () => {
  writeOwner({ host: "elsewhere", url: "http://10.0.0.1:7000" });
  const deps = fakes({ openInProcess: conflict });
  expect((await connect(stateDir, deps)).owner?.host).toBe("elsewhere");
  expect(deps.log).toEqual(["/healthz http://10.0.0.1:7000/healthz"]);
  writeOwner({ host: "elsewhere" });
  expect(await failureOf(connect(stateDir, deps))).toMatchObject({
    code: "unreachable",
    fix: "run this command on elsewhere",
  });
});

test("other errors are told at once", async () => {
  const deps = fakes({
    openInProcess() {
      throw new HoldallError("ledger_newer", "written by 9.9");
    },
  });
  expect(await failureOf(connect(stateDir, deps))).toMatchObject({ code: "ledger_newer" });
});

test("half an owner.json is none", () => {
  writeFileSync(join(stateDir.path, "owner.json"), '{"pid": 4');
  expect(readOwner(stateDir.path)).toBeNull();
  writeFileSync(join(stateDir.path, "owner.json"), "[]");
  expect(readOwner(stateDir.path)).toBeNull();
});

test("a real Unix socket", async () => {
  const socket = join(folder, "s.sock");
  using server = Bun.serve({ unix: socket, fetch: () => ok() });
  writeOwner({ socket });
  const deps = { ...fakes({ openInProcess: conflict }), fetch: realConnectDeps.fetch };
  expect((await connect(stateDir, deps)).owner?.socket).toBe(socket);
  await server.stop(true);
});
