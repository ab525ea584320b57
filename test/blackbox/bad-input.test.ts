// Every mistake is told at its place with a fix, before anything has started or been written.

import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseJson, run, runReport, spec, tasks } from "../support/holdall.ts";
import { scratchDir } from "../support/scratch.ts";

interface Case {
  text: string | Uint8Array;
  line: number;
  column: number;
  message: RegExp;
  fix: RegExp;
}

const start = `name: bad
tasks:
  - name: witness
    command: touch started
`;

const two = (task: string): string => `${start}${task}`;

const cases: Record<string, Case> = {
  "an unquoted {…}": {
    text: two('  - name: "t_{i}"\n    parameters: {i: "0:3"}\n    command: {i} next\n'),
    line: 7,
    column: 14,
    message: /\{…\}/,
    fix: /quote .*"\{i\} next"/,
  },
  "an unquoted {…} that YAML accepts": {
    text: two('  - name: "t_{i}"\n    parameters: {i: "0:3"}\n    command: {i}\n'),
    line: 7,
    column: 14,
    message: /\{…\}/,
    fix: /quote .*"\{i\}"/,
  },
  "an unquoted `: `": {
    text: two("  - name: t\n    command: echo a: b\n"),
    line: 6,
    column: 20,
    message: /`: `/,
    fix: /quote .*"echo a: b"/,
  },
  "an unknown key with a near name": {
    text: two("  - name: t\n    command: echo\n    retires: 2\n"),
    line: 7,
    column: 5,
    message: /'retires'/,
    fix: /'retries'/,
  },
  "an unknown key where a required one is missing": {
    text: two("  - name: t\n    comand: echo\n"),
    line: 6,
    column: 5,
    message: /'comand'/,
    fix: /'command'/,
  },
  "an unknown key of the workflow": {
    text: "name: bad\ntaks:\n  - name: t\n    command: touch started\n",
    line: 2,
    column: 1,
    message: /'taks'/,
    fix: /'tasks'/,
  },
  "a wrong type": {
    text: two("  - name: t\n    command: echo\n    retries: many\n"),
    line: 7,
    column: 14,
    message: /'retries'.*number.*'many'/,
    fix: /number/,
  },
  "two tasks of one name after expansion": {
    text: two(
      '  - name: t_03\n    command: echo\n  - name: "t_{i:02d}"\n    parameters: {i: "0:9"}\n    command: "echo {i}"\n',
    ),
    line: 7,
    column: 11,
    message: /'t_03'/,
    fix: /rename/,
  },
  "a dependency that names nothing": {
    text: two("  - name: t\n    command: echo\n    depends_on: [witnes]\n"),
    line: 7,
    column: 18,
    message: /'witnes'/,
    fix: /'witness'/,
  },
  "a cycle": {
    text: two(
      "  - name: a\n    command: echo\n    depends_on: [c]\n  - name: b\n    command: echo\n    depends_on: [a]\n  - name: c\n    command: echo\n    depends_on: [b]\n",
    ),
    line: 7,
    column: 5,
    message: /a → c → b → a/,
    fix: /remove/,
  },
  "a parameter used but not given": {
    text: two('  - name: "t_{i}"\n    parameters: {i: "0:3"}\n    command: "echo {seed}"\n'),
    line: 7,
    column: 20,
    message: /'seed'.*\bi\b/,
    fix: /\{\{seed\}\}/,
  },
  "an empty file": { text: "", line: 1, column: 1, message: /empty/, fix: /tasks/ },
  "a file of comments": {
    text: "# later\n\n",
    line: 1,
    column: 1,
    message: /comments/,
    fix: /tasks/,
  },
  "a binary file": {
    text: new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0]),
    line: 1,
    column: 1,
    message: /binary/,
    fix: /holdall run -- PROGRAM/,
  },
  "an input that nobody makes and that is absent": {
    text: two("  - name: t\n    command: cat in.txt\n    inputs: [in.txt]\n"),
    line: 7,
    column: 14,
    message: /'in\.txt'/,
    fix: /output of the task/,
  },
  "a range that is empty": {
    text: two('  - name: "t_{i}"\n    parameters: {i: "5:3"}\n    command: "echo {i}"\n'),
    line: 6,
    column: 21,
    message: /5:3 is empty/,
    fix: /5:3:-1/,
  },
  "a range with step 0": {
    text: two('  - name: "t_{i}"\n    parameters: {i: "0:3:0"}\n    command: "echo {i}"\n'),
    line: 6,
    column: 21,
    message: /step/,
    fix: /other than 0/,
  },
  "memory that is no amount": {
    text: two("  - name: t\n    command: echo\n    memory: 4 gb?\n"),
    line: 7,
    column: 13,
    message: /'4 gb\?'/,
    fix: /\bg\b/,
  },
  "a duration that can be read in two ways": {
    text: two('  - name: t\n    command: echo\n    timeout: "1:30"\n'),
    line: 7,
    column: 14,
    message: /1:30/,
    fix: /1:30:00|90s|1m30s|0:01:30/,
  },
};

describe.each(Object.entries(cases))("%s", (_, { text, line, column, message, fix }) => {
  test("is told at its place, with the fix, and nothing is started or written", async () => {
    const cwd = scratchDir();
    writeFileSync(join(cwd, "bad.yaml"), text);
    const { code, stdout, stderr } = await run(cwd, ["run", "bad.yaml", "--json"]);
    expect(code).toBe(2);
    const { error } = parseJson(stdout, stderr) as { error: Record<string, string | number> };
    expect(Object.keys(error)).toEqual(["code", "message", "file", "line", "column", "fix"]);
    expect(error).toMatchObject({ code: "spec", file: "bad.yaml", line, column });
    expect(error["message"]).toMatch(message);
    expect(error["fix"]).toMatch(fix);
    expect(stderr).toContain(`bad.yaml:${line}:${column}`);
    expect(stderr).toContain(String(error["fix"]));
    expect(readdirSync(cwd)).toEqual(["bad.yaml"]);
  });
});

test("all mistakes of a document are told at once, in its order", async () => {
  const cwd = scratchDir();
  spec(
    cwd,
    two("  - name: t\n    command: echo\n    retries: many\n    memory: lots\n    deadline: 3\n"),
  );
  const { code, stdout, stderr } = await run(cwd, ["run", "workflow.yaml"]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  const places = [...stderr.matchAll(/workflow\.yaml:(\d+):\d+/g)].map((match) => match[1]);
  expect(places).toEqual(["7", "8", "9"]);
});

const tooLarge = { cpus: 4000, memory: "900t", gpus: 64, disk: "900t" };
test.each(Object.entries(tooLarge))(
  "a task that needs more %s than there is",
  async (resource, need) => {
    const cwd = scratchDir();
    const text = two(`  - name: huge\n    command: echo\n    ${resource}: ${need}\n`);
    spec(cwd, text);
    const { code, stdout, stderr } = await run(cwd, ["run", "workflow.yaml", "--json"]);
    expect(code).toBe(2);
    const { error } = parseJson(stdout, stderr) as { error: Record<string, string> };
    expect(error).toMatchObject({ code: "too_large", file: "workflow.yaml", line: 7 });
    expect(error["message"]).toContain(resource);
    expect(error["message"]).toContain("'huge'");
    expect(error["fix"]).toContain(`--${resource}`);
    expect(readdirSync(cwd)).toEqual(["workflow.yaml"]);

    // An offer is believed, and with --max-parallel resources do not count.
    const offered = await runReport(cwd, ["workflow.yaml", `--${resource}`, String(need)]);
    expect(offered).toMatchObject({ code: 0, succeeded: 2 });
    const ignored = await runReport(cwd, ["workflow.yaml", "--fresh", "--max-parallel", "2"]);
    expect(ignored).toMatchObject({ code: 0, succeeded: 2 });
  },
);

test("a file that is not there, a folder, a flag that does not exist", async () => {
  const cwd = scratchDir();
  spec(cwd, start);
  const gone = await run(cwd, ["run", "workflw.yaml", "--json"]);
  expect(gone.code).toBe(3);
  expect(JSON.parse(gone.stdout).error.fix).toContain("workflow.yaml");
  expect((await run(cwd, ["run", ".", "--json"])).code).toBe(2);
  const flag = await run(cwd, ["run", "workflow.yaml", "--max-paralel", "2", "--json"]);
  expect(flag.code).toBe(2);
  expect(JSON.parse(flag.stdout).error.fix).toContain("--max-parallel");
  expect((await run(cwd, ["run", "--json"])).code).toBe(2);
  expect(readdirSync(cwd)).toEqual(["workflow.yaml"]);
});

test("a command that does not exist or cannot be executed is the attempt's failure", async () => {
  const cwd = scratchDir();
  writeFileSync(join(cwd, "plain"), "echo from a file without #!\n");
  writeFileSync(join(cwd, "closed"), "#!/bin/sh\n");
  chmodSync(join(cwd, "plain"), 0o755);
  spec(cwd, {
    name: "launch",
    tasks: [
      { name: "absent", command: "no-such-program-anywhere --flag" },
      { name: "absent_list", command: ["./no-such-file"], retries: 3 },
      { name: "closed", command: ["./closed"], retries: 3 },
      { name: "folder", command: ["./"] },
      { name: "plain", command: ["./plain"] },
    ],
  });
  const report = await runReport(cwd, ["workflow.yaml"]);
  expect(report).toMatchObject({ code: 1, failed: 4, succeeded: 1, attempts: 5 });
  const rows = await tasks(cwd);
  const launch = { state: "failed", outcome: "launch_error", attempts: 1, peak_memory_bytes: null };
  expect(rows["absent"]).toMatchObject({ ...launch, exit_code: 127 });
  expect(rows["absent_list"]).toMatchObject({ ...launch, exit_code: 127 });
  expect(rows["closed"]).toMatchObject({ ...launch, exit_code: 126 });
  expect(rows["folder"]).toMatchObject({ ...launch, exit_code: 126 });
  expect(rows["plain"]).toMatchObject({ state: "succeeded", exit_code: 0 });
});

const MEGABYTE = 1 << 20;

/** The time a folder of junk takes would depend on the machine; 2 s is the promise for 50 MB. */
const junk: Record<string, () => Uint8Array | string> = {
  zeros: () => new Uint8Array(50 * MEGABYTE),
  "random bytes": () => {
    const bytes = new Uint8Array(50 * MEGABYTE);
    for (let at = 0; at < bytes.length; at += 65536)
      crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  },
  prose: () => "It was a dark and stormy night; the rain fell in torrents.\n".repeat(890_000),
  "one line": () => "x".repeat(50 * MEGABYTE),
  brackets: () => "[".repeat(50 * MEGABYTE),
  "a list": () => "- item\n".repeat(7_500_000),
  "key and value": () =>
    Array.from({ length: 2_500_000 }, (_, i) => `k${i}: some value\n`).join(""),
  CSV: () => "12.5,13.25,99,foo\n".repeat(2_900_000),
};

test.each(Object.entries(junk))("50 MB of %s are refused", async (_, make) => {
  const cwd = scratchDir();
  writeFileSync(join(cwd, "junk.yaml"), make());
  const began = performance.now();
  const { code, stdout, stderr } = await run(cwd, ["run", "junk.yaml", "--json"]);
  const seconds = (performance.now() - began) / 1000;
  expect({ code, lines: stderr.split("\n").length < 50 }).toEqual({ code: 2, lines: true });
  const { error } = parseJson(stdout, stderr) as { error: Record<string, unknown> };
  expect(error).toMatchObject({ code: "spec", file: "junk.yaml" });
  expect(error["line"]).toBeNumber();
  expect(error["fix"]).toBeString();
  expect(existsSync(join(cwd, ".holdall"))).toBe(false);
  // Beside other tests this is a loose bound; large-spec.alone.test.ts holds the promised one.
  expect(seconds).toBeLessThan(15);
});
