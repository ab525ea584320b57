// scripts/setup in a small clone, with an npm that only writes down that it was asked.

import { beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { root, scratchDir } from "../support/scratch.ts";

/** All that setup --quick may count on, besides node and npm; no compiler. */
const commands =
  "sh bash cat chmod cksum cp dirname find flock grep id ln mkdir mv node rm sleep sort tail touch uname";

let clone = "";
let tools = "";

beforeEach(() => {
  clone = scratchDir();
  tools = scratchDir();
  for (const name of commands.split(" ")) {
    symlinkSync(Bun.which(name) ?? `missing-${name}`, join(tools, name));
  }
  mkdirSync(join(clone, "scripts"));
  copyFileSync(join(root, "scripts/setup"), join(clone, "scripts/setup"));
  writeFileSync(join(clone, "package.json"), '{"dependencies":{"bun":"1.0.0"}}');
  lock("1.0.0");
  // Installs a Bun that knows its version, half a moment later, hidden lock file last.
  tool(
    "npm",
    `echo "$1" >>npm-calls; mkdir -p node_modules/bun/bin
     printf '#!/bin/sh\\necho 1.0.0\\n' >node_modules/bun/bin/bun.exe
     chmod +x node_modules/bun/bin/bun.exe; echo '{}' >node_modules/bun/package.json
     sleep 0.2; cp package-lock.json node_modules/.package-lock.json`,
  );
});

function tool(name: string, script: string): void {
  rmSync(join(tools, name), { force: true });
  writeFileSync(join(tools, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(tools, name), 0o755);
}

function lock(version: string): void {
  const packages = { "": {}, "node_modules/bun": { version, integrity: `sha512-${version}` } };
  writeFileSync(join(clone, "package-lock.json"), JSON.stringify({ packages }));
}

function start(...args: string[]) {
  return Bun.spawn(["sh", join(clone, "scripts/setup"), ...args], {
    cwd: "/",
    env: { PATH: tools },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function setup(...args: string[]) {
  const child = start(...args);
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

const npmCalls = (): number =>
  readFileSync(join(clone, "npm-calls"), "utf8").split("\n").filter(Boolean).length;

const silence = { code: 0, stdout: "", stderr: "" };

test("installs once, then says nothing", async () => {
  const first = await setup("--quick");
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toContain("npm packages");
  expect(await setup("--quick")).toEqual(silence);
  expect(npmCalls()).toBe(1);
});

test("leaves alone what npm has installed by hand", async () => {
  expect((await setup("--quick")).code).toBe(0);
  rmSync(join(clone, "build"), { recursive: true });
  expect(await setup("--quick")).toEqual(silence);
  expect(npmCalls()).toBe(1);
});

test("installs again when node_modules is gone or the lock file names something else", async () => {
  await setup("--quick");
  rmSync(join(clone, "node_modules"), { recursive: true });
  expect((await setup("--quick")).code).toBe(0);
  lock("1.0.0-changed");
  expect((await setup("--quick")).code).toBe(0);
  expect(npmCalls()).toBe(3);
});

test("three at once install once", async () => {
  const all = await Promise.all([setup("--quick"), setup("--quick"), setup("--quick")]);
  expect(all.map((result) => result.code)).toEqual([0, 0, 0]);
  expect(npmCalls()).toBe(1);
});

test("three at once install once, also without flock", async () => {
  rmSync(join(tools, "flock"));
  const all = await Promise.all([setup("--quick"), setup("--quick"), setup("--quick")]);
  expect(all.map((result) => result.code)).toEqual([0, 0, 0]);
  expect(npmCalls()).toBe(1);
  expect(existsSync(join(clone, "build/setup/lock.d"))).toBe(false);
});

test("a failed npm leaves nothing that looks complete, and its words are shown", async () => {
  const npm = readFileSync(join(tools, "npm"), "utf8");
  tool("npm", `mkdir -p node_modules/bun/bin; echo "network down" >&2; exit 1`);
  const failed = await setup("--quick");
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("network down");
  expect(existsSync(join(clone, "build/setup/quick"))).toBe(false);

  tool("npm", npm);
  expect((await setup("--quick")).code).toBe(0);
});

test("an npm that installs something else than the lock file says is an error", async () => {
  tool("npm", `mkdir -p node_modules; echo '{"packages":{}}' >node_modules/.package-lock.json`);
  const failed = await setup("--quick");
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("something else than package-lock.json says");
});

test("an old Node.js is named", async () => {
  tool("node", `case $1 in -p) echo 18 ;; *) echo v18.1.0 ;; esac`);
  const failed = await setup("--quick");
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("Node.js 20 or newer is needed, this is v18.1.0");
});

test("who is not root is given the one line to run, and nothing is installed", async () => {
  tool("id", "echo 1000");
  tool("apt-get", "echo called >&2; exit 1");
  const failed = await setup();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toMatch(
    /\nsudo apt-get update && sudo apt-get install -y --no-install-recommends g\+\+ cmake make python3( [a-z0-9.+-]+)*\n$/,
  );
  expect(failed.stderr).not.toContain("called");
  expect(existsSync(join(clone, "node_modules"))).toBe(false);
});

test("root gets the packages installed", async () => {
  tool("id", "echo 0");
  tool(
    "apt-get",
    `echo "$*" >>${clone}/apt-calls
     for name in c++ cmake make python3; do ln -sf ${tools}/cat ${tools}/$name; done`,
  );
  symlinkSync(join(tools, "cat"), join(tools, "cc"));
  await setup();
  const calls = readFileSync(join(clone, "apt-calls"), "utf8").split("\n");
  expect(calls[0]).toBe("update -q");
  expect(calls[1]).toContain(" g++ cmake make python3");
});
