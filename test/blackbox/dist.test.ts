// The one executable that `npm run build` makes: away from its clone, without node and bun, writing only where it was started.

import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { holdall, logs, parseJson, run, runReport } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { root, scratchDir } from "../support/scratch.ts";

setDefaultTimeout(240_000);

const dist = join(root, "dist/holdall");

beforeAll(() => {
  const { exitCode, stderr } = Bun.spawnSync(["sh", join(root, "scripts/build")], { cwd: root });
  if (exitCode !== 0) throw new Error(`npm run build: ${stderr.toString()}`);
});

/** A PATH with everything the machine has but JavaScript. */
function pathWithoutNode(): string {
  const tools = scratchDir();
  for (const folder of ["/usr/local/bin", "/usr/bin", "/bin"]) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      if (/^(node|nodejs|npm|npx|bun|bunx|deno|corepack|holdall)$/.test(name)) continue;
      if (!existsSync(join(tools, name))) symlinkSync(join(folder, name), join(tools, name));
    }
  }
  return tools;
}

const missing = requires("cmake", "sh scripts/setup");

test.skipIf(missing)(
  "runs the compress example from an empty directory, and writes only there",
  async () => {
    const clone = scratchDir();
    for (const name of ["examples", "kernels"])
      cpSync(join(root, name), join(clone, name), { recursive: true });
    const before = readdirSync(clone, { recursive: true });
    const [cwd, home, tmp] = [scratchDir(), scratchDir(), scratchDir()];
    const env = { PATH: pathWithoutNode(), HOME: home, TMPDIR: tmp, XDG_CACHE_HOME: undefined };
    expect(
      Bun.which("node", { PATH: env.PATH }) ?? Bun.which("bun", { PATH: env.PATH }),
    ).toBeNull();

    const workflow = join(clone, "examples/compress/workflow.yaml");
    const report = await runReport(cwd, [workflow], { command: [dist], env });
    expect(report).toMatchObject({ code: 0, tasks: 26, succeeded: 26, failed: 0, attempts: 26 });
    const again = await runReport(cwd, [workflow], { command: [dist], env });
    expect(again).toMatchObject({ code: 0, attempts: 0, cached: 26 });
    // The binary and the clone read the same ledger.
    expect(await logs(cwd, "summarize")).toStartWith("done      24\nfailed    0\n");

    expect(readdirSync(clone, { recursive: true })).toEqual(before);
    expect(readdirSync(cwd).toSorted()).toEqual([".holdall", "build", "results"]);
    expect([readdirSync(home), readdirSync(tmp)]).toEqual([[], []]);
  },
);

/** Everything but the current directory (and /proc, /dev, /sys) is read-only for the command in $@. */
const ALONE = `set -e
mount --bind "$PWD" "$PWD"
cd "$PWD"
while read -r _ where _ options _; do
  case $where in "$PWD"|/proc|/proc/*|/dev|/dev/*|/sys|/sys/*) continue;; esac
  case ,$options, in *,ro,*) continue;; esac
  mount -o remount,bind,ro "$where"
done </proc/self/mounts
if touch "$OUTSIDE/x" 2>/dev/null; then exit 99; fi
exec "$@"
`;

const canMount = Bun.spawnSync(["unshare", "-m", "sh", "-c", "mount --bind / /"]).exitCode === 0;
const noMount = requires("a mount namespace", "run as root", canMount) || missing;

test.skipIf(noMount)("needs nothing else to be writable", async () => {
  const [cwd, outside] = [scratchDir(), scratchDir()];
  const command = ["unshare", "-m", "sh", "-c", ALONE, "sh", dist];
  const workflow = join(root, "examples/compress/workflow.yaml");
  const env = { OUTSIDE: outside, HOME: outside };
  const report = await runReport(cwd, [workflow], { command, env });
  expect(report).toMatchObject({ code: 0, succeeded: 26 });
  expect(readdirSync(outside)).toEqual([]);
});

describe.each([
  ["bin/holdall", holdall],
  ["dist/holdall", dist],
])("%s", (_, program) => {
  test("a hostile .env, bunfig.toml, tsconfig.json and package.json change nothing", async () => {
    const [cwd, evilBin] = [scratchDir(), scratchDir()];
    const evil = join(cwd, "evil-was-here");
    const script = `require("node:fs").writeFileSync(${JSON.stringify(evil)}, "");\n`;
    writeFileSync(join(evilBin, "echo"), `#!/bin/sh\ntouch ${evil}\n`, { mode: 0o755 });
    writeFileSync(
      join(cwd, ".env"),
      `PATH=${evilBin}\nHOSTILE=1\nHOLDALL_STATE_DIR=elsewhere\nBUN_OPTIONS=--preload=./evil.js\n`,
    );
    writeFileSync(join(cwd, ".env.local"), "HOSTILE=2\n");
    writeFileSync(join(cwd, "bunfig.toml"), 'preload = ["./evil.js"]\n[run]\nbun = true\n');
    writeFileSync(join(cwd, "evil.js"), script);
    writeFileSync(
      join(cwd, "tsconfig.json"),
      '{"compilerOptions":{"paths":{"*":["./evil.js"]}}}\n',
    );
    writeFileSync(
      join(cwd, "package.json"),
      '{"name":"x","main":"./evil.js","imports":{"#*":"./evil.js"}}\n',
    );
    mkdirSync(join(cwd, "node_modules/yaml"), { recursive: true });
    writeFileSync(join(cwd, "node_modules/yaml/index.js"), script);
    writeFileSync(
      join(cwd, "workflow.yaml"),
      'name: w\ntasks:\n  - name: t\n    command: echo "[$HOSTILE]"; true\n  - name: u\n    command: [echo, plain]\n',
    );
    const env = { HOSTILE: undefined };
    const report = await runReport(cwd, ["workflow.yaml"], { command: [program], env });
    expect(report).toMatchObject({ code: 0, succeeded: 2 });
    expect(await logs(cwd, "t")).toBe("[]\n");
    expect(await logs(cwd, "u")).toBe("plain\n");
    expect(existsSync(join(cwd, ".holdall/ledger.db"))).toBe(true);
    expect(existsSync(join(cwd, "elsewhere"))).toBe(false);
    expect(existsSync(evil)).toBe(false);
  });

  test("errors, --version and doctor", async () => {
    const cwd = scratchDir();
    const version = await run(cwd, ["--version"], { command: [program] });
    expect(version).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^holdall \d+\.\d+\.\d+\n$/),
    });
    const wrong = await run(cwd, ["rum"], { command: [program] });
    expect(wrong).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining('"run"') });
    const doctor = await run(cwd, ["doctor", "--json"], { command: [program] });
    expect(parseJson(doctor.stdout, doctor.stderr)).toBeObject();
    expect(readdirSync(cwd)).toEqual([]);
  });
});
