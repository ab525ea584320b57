// Completion in the shells themselves. zsh and fish only where they are installed.

import { beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { holdall, run, spec, start, until } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

setDefaultTimeout(120_000);

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
  mkdirSync(join(cwd, "bin"));
  symlinkSync(holdall, join(cwd, "bin/holdall"));
});

/** What bash offers when Tab is pressed behind these words, as readline has split them. */
async function inBash(...words: string[]): Promise<string[]> {
  const script = [
    "source <(holdall completion bash) || exit 9",
    // as readline calls it: through what `complete` knows
    "[[ $(complete -p holdall) == *'-F _holdall holdall' ]] || exit 8",
    'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))',
    '_holdall "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"',
    '((${#COMPREPLY[@]})) && printf "%s\\n" "${COMPREPLY[@]}"',
    "exit 0",
  ].join("\n");
  const { code, stdout, stderr } = await start(cwd, ["--norc", "-c", script, "bash", ...words], {
    command: ["bash"],
    env: { PATH: `${join(cwd, "bin")}:${process.env["PATH"]}` },
  }).result;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout.split("\n").filter((line) => line !== "");
}

test("bash: commands, flags, values; documents are left to bash", async () => {
  expect(await inBash("holdall", "vali")).toEqual(["validate"]);
  expect(await inBash("holdall", "graph", "w.yaml", "--fo")).toEqual(["--format"]);
  expect(await inBash("holdall", "graph", "--format", "=", "s")).toEqual(["svg"]);
  expect(await inBash("holdall", "graph", "--format", "=")).toEqual(["dot", "mermaid", "svg"]);
  expect(await inBash("holdall", "graph", "")).toEqual([]);
  expect(await inBash("holdall", "logs", "")).toEqual([]);
});

test("bash: workflows and tasks, of a ledger at rest and of one that is in use", async () => {
  const document = spec(cwd, {
    name: "sweep",
    tasks: [
      { name: "a:b {{x}}_{i}", command: "true", parameters: { i: "1:2" } },
      { name: "wait", command: "sleep 600" },
    ],
  });
  const running = start(cwd, ["run", document, "--max-parallel", "3"]);
  const succeeded = async (): Promise<boolean> =>
    (await run(cwd, ["status", "--json"])).stdout.includes('"succeeded":2');
  await until("two tasks have ended", succeeded, 60_000);
  expect(await inBash("holdall", "status", "")).toEqual(["1"]);
  expect(await inBash("holdall", "logs", "wa")).toEqual(["wait"]);
  running.kill("SIGKILL");
  await running.result;
  expect(await inBash("holdall", "logs", "wa")).toEqual(["wait"]);
  // what follows the colon only, quoted for the shell
  const [first] = await inBash("holdall", "logs", "a", ":", "b");
  expect(first).toBe(String.raw`b\ \{x\}_1`);
  expect(await inBash("holdall", "retry", "1", "1", "/w")).toEqual([]);
  expect(await inBash("holdall", "explain", "1/w")).toEqual(["1/wait"]);
});

test("__complete: silent whatever is asked", async () => {
  for (const words of [
    [],
    ["-"],
    ["--="],
    ["logs", "\n"],
    ["logs", "--state-dir"],
    ["logs", "--access", "no", ""],
  ]) {
    const { code, stderr } = await run(cwd, ["__complete", ...words]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  }
});

test("an unknown shell is told", async () => {
  const { code, stderr } = await run(cwd, ["completion", "tcsh"]);
  expect(code).toBe(2);
  expect(stderr).toContain("one of bash, zsh, fish");
});

for (const shell of ["zsh", "fish"] as const) {
  test.skipIf(Bun.which(shell) === null)(`${shell} reads its script`, async () => {
    const { stdout } = await run(cwd, ["completion", shell]);
    const { code, stderr } = await start(cwd, ["-n", "/dev/stdin"], {
      command: [shell],
      stdin: stdout,
    }).result;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
}
