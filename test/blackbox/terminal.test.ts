// What people see: on a terminal one line that is drawn again and a table; elsewhere plain lines.

import { beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { holdall, run, spec } from "../support/holdall.ts";
import { requires } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

let cwd = "";
beforeEach(() => {
  cwd = scratchDir();
});

const failing = {
  name: "shown",
  tasks: [
    { name: "good_{i}", parameters: { i: "1:6" }, command: "sleep 0.15" },
    { name: "bad", command: "echo first line; echo the reason >&2; exit 4" },
    { name: "behind", command: "true", depends_on: ["bad"] },
  ],
};

// eslint-disable-next-line no-control-regex -- escape codes are what is looked for
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;

test("not on a terminal: no escape codes, a summary with all that is needed", async () => {
  const { code, stdout, stderr } = await run(cwd, ["run", spec(cwd, failing), "--cpus", "2"]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).not.toMatch(ESCAPES);
  expect(stderr).not.toContain("\r");
  expect(stderr).toMatch(/8 tasks: 6 succeeded, 1 failed, 1 skipped in /);
  expect(stderr).toMatch(/^ +mean +p50 +p95/m);
  for (const row of ["run time", "CPU time", "peak memory"]) expect(stderr).toContain(row);
  expect(stderr).toContain("bad: exit code 4");
  expect(stderr).toContain("the reason");
  expect(stderr).toContain("holdall logs 1/bad");
  // Progress is for runs that take longer.
  expect(stderr.split("\n").filter((line) => line.includes("ETA"))).toEqual([]);
});

test("--quiet says nothing when all is well, and what is wrong when it is not", async () => {
  const quiet = await run(cwd, ["run", "--quiet", "--", "true"]);
  expect(quiet).toMatchObject({ code: 0, stdout: "", stderr: "" });
  const wrong = await run(cwd, ["run", "--quiet", spec(cwd, failing)]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain("bad: exit code 4");
});

describe.skipIf(requires("script", "apt-get install bsdutils"))("on a terminal", () => {
  function onTerminal(
    args: string,
    env: Record<string, string> = {},
  ): { code: number; text: string } {
    const command = ["script", "-qec", `${holdall} ${args}`, "/dev/null"];
    const plain = { ...process.env, TERM: "xterm-256color", COLUMNS: "100" } as Record<
      string,
      string
    >;
    for (const name of ["NO_COLOR", "FORCE_COLOR", "CI"]) delete plain[name];
    const child = Bun.spawnSync(command, { cwd, env: { ...plain, ...env }, stdin: "ignore" });
    return { code: child.exitCode, text: child.stdout.toString() };
  }

  test("one progress line that is drawn again, then the table", () => {
    const { code, text } = onTerminal(`run ${spec(cwd, failing)} --cpus 2`);
    expect(code).toBe(1);
    const plain = text.replace(ESCAPES, "");
    expect(plain).toMatch(/\d+\/8/);
    expect(plain).toMatch(/8 tasks: 6 succeeded, 1 failed, 1 skipped in /);
    expect(plain).toMatch(/run time/);
    // Drawn in place: all states of the line share one line of output, none is left standing before the summary.
    const drawn = plain.split("\n").filter((line) => /\d+\/8/.test(line));
    expect(drawn.length).toBeLessThanOrEqual(1);
    expect(text).toContain("\r");
  });

  test("with NO_COLOR no colors", () => {
    const colors = /\u001b\[[0-9;]*m/; // eslint-disable-line no-control-regex -- looked for
    const file = spec(cwd, failing);
    expect(onTerminal(`run ${file}`).text).toMatch(colors);
    expect(onTerminal(`run ${file}`, { NO_COLOR: "1" }).text).not.toMatch(colors);
  });

  test("Ctrl-C reaches holdall and not the tasks", async () => {
    const command =
      "trap 'echo interrupted >>hit' INT; echo up >up; until [ -e go ]; do sleep 0.02; done; echo done >done";
    spec(cwd, { name: "w", tasks: [{ name: "t", command }] });
    const wait = `until [ -e up ]; do sleep 0.02; done; sleep 0.2; printf '\\003'; sleep 0.4; touch go; sleep 1`;
    const child = Bun.spawnSync(
      ["sh", "-c", `(${wait}) | script -qec "${holdall} run workflow.yaml" /dev/null`],
      { cwd, env: { ...process.env, TERM: "xterm" } },
    );
    const text = child.stdout.toString();
    expect(text).toContain("draining: 1 running");
    expect(await Bun.file(join(cwd, "hit")).exists()).toBe(false);
    expect(await Bun.file(join(cwd, "done")).text()).toBe("done\n");
  });
});
