// The start script, in a clone of its own whose src/cli/main.ts only says what reached it.

import { beforeEach, expect, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, scratchDir } from "../support/scratch.ts";

let clone = "";
let elsewhere = "";

beforeEach(() => {
  clone = scratchDir();
  elsewhere = scratchDir();
  for (const dir of ["bin", "build/setup", "scripts", "src/cli"]) {
    mkdirSync(join(clone, dir), { recursive: true });
  }
  copyFileSync(join(root, "bin/holdall"), join(clone, "bin/holdall"));
  copyFileSync(join(root, "tsconfig.json"), join(clone, "tsconfig.json"));
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  writeFileSync(join(clone, "build/setup/quick"), "done\n");
  write(clone, "scripts/setup", `#!/bin/sh\necho "setup $*"\nexit 9\n`);
  write(clone, "src/cli/dep.ts", `export const dep = "ours";\n`);
  write(
    clone,
    "src/cli/main.ts",
    `import { dep } from "./dep.ts";
     console.log(JSON.stringify([dep, process.cwd(), process.env.HOSTILE ?? null, ...process.argv.slice(2)]));\n`,
  );
});

function write(dir: string, name: string, text: string): void {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), 0o755);
}

function run(command: string[], cwd = elsewhere, env: Record<string, string> = {}) {
  const result = Bun.spawnSync(command, { cwd, env: { ...process.env, PWD: cwd, ...env } });
  return {
    code: result.exitCode,
    stdout: result.stdout.toString(),
    stderr: result.stderr.toString(),
  };
}

const said = (...args: string[]) => `${JSON.stringify(["ours", elsewhere, null, ...args])}\n`;

test("passes arguments and the directory on, untouched", () => {
  const args = ["run", "--version", "-h", "two words", "", "*"];
  const result = run([join(clone, "bin/holdall"), ...args]);
  expect(result).toEqual({ code: 0, stdout: said(...args), stderr: "" });
});

test("finds its clone through links, relative names and the PATH", () => {
  mkdirSync(join(elsewhere, "a b"));
  symlinkSync(join(clone, "bin"), join(elsewhere, "a b/bin"));
  symlinkSync("a b/bin/holdall", join(elsewhere, "first"));
  symlinkSync("first", join(elsewhere, "second"));
  for (const command of [["./second"], ["a b/bin/holdall"], ["sh", "second"], ["second"]]) {
    const PATH = `${elsewhere}:${process.env["PATH"]}`;
    expect(run(["env", ...command], elsewhere, { PATH }).stdout).toBe(said());
  }
});

test("nothing in the user's directory has an effect", () => {
  write(elsewhere, ".env", "HOSTILE=1\n");
  write(elsewhere, "bunfig.toml", 'preload = ["./evil.ts"]\n');
  write(elsewhere, "tsconfig.json", '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}\n');
  write(elsewhere, "package.json", '{"name":"x","type":"commonjs","main":"./evil.ts"}\n');
  write(elsewhere, "evil.ts", 'export const dep = "theirs";\nconsole.log("evil");\n');
  mkdirSync(join(elsewhere, "below"));

  // The files do bite where nobody guards against them, or this test would show nothing.
  const unguarded = run([process.execPath, join(clone, "src/cli/main.ts")]);
  expect(unguarded.stdout).toContain("evil");

  expect(run([join(clone, "bin/holdall"), "x"])).toEqual({
    code: 0,
    stdout: said("x"),
    stderr: "",
  });
  const below = run([join(clone, "bin/holdall")], join(elsewhere, "below"));
  expect(JSON.parse(below.stdout)).toEqual(["ours", join(elsewhere, "below"), null]);
});

test("runs setup first where it was never run, says so on stderr, and stops if it fails", () => {
  rmSync(join(clone, "build/setup/quick"));
  const failed = run([join(clone, "bin/holdall")]);
  expect(failed).toEqual({ code: 9, stdout: "", stderr: "setup --quick\n" });

  write(clone, "scripts/setup", "echo installing\n");
  const installed = run([join(clone, "bin/holdall")]);
  expect(installed).toEqual({ code: 0, stdout: said(), stderr: "installing\n" });
});

test("runs setup where the lock file is newer than the last setup", () => {
  write(clone, "package-lock.json", "{}\n");
  Bun.spawnSync(["touch", "-d", "2001-01-01", join(clone, "build/setup/quick")]);
  expect(run([join(clone, "bin/holdall")]).code).toBe(9);
});
