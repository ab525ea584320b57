import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "./app.ts";
import { testIo } from "./testing.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "holdall-cli-"));
  writeFileSync(join(folder, "w.yaml"), "name: w\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function cli(line: string): Promise<{ code: number; out: string; err: string }> {
  const io = testIo({ cwd: folder });
  const code = await runCli(line.split(" ").filter(Boolean), io);
  return { code, out: io.out(), err: io.err() };
}

test.each([
  ["statsu", 'unknown command "statsu"', 'did you mean "status"?'],
  ["w.yaml", '"w.yaml" is a file, not a command', "holdall run w.yaml"],
  ["run --cpu 2 x", "unknown flag --cpu", "did you mean --cpus?"],
  ["run -z x", "unknown flag -z", "holdall run --help lists the flags"],
  [
    "run --memory",
    "--memory needs a value",
    'a value that begins with "-" is written --memory=VALUE',
  ],
  [
    "run --max-parallel 0 x",
    "--max-parallel: '0' is not an integer from 1",
    "holdall run --help lists the flags",
  ],
  [
    "run --cpus two x",
    "--cpus: 'two' is not a number above 0",
    "holdall run --help lists the flags",
  ],
  [
    "run --timeout 1:30 x",
    "--timeout: '1:30' is ambiguous: hours and minutes, or minutes and seconds",
    "write 1:30:00 or 1m30s",
  ],
  ["run --stdout some x", "--stdout: no value 'some'", "one of capture, none"],
  ["run --cpus 1 --cpus 2 x", "--cpus is given twice: 1 and 2", "leave one of them"],
  ["run --cpus 1 --num-cpus 2 x", "--cpus and --num-cpus say the same thing", "leave one of them"],
  ["run a b", 'unexpected argument "b"', "holdall run --help"],
  ["run a -- b", '"a" and a command after --: which one?', "leave one of them"],
  ["run --", "no command after --", "holdall run -- CMD ARGS…"],
  [
    "run --array 0-9 a",
    "--array is for a command after --, and there is none",
    "holdall run --array … -- CMD ARGS…",
  ],
  [
    "run --fresh 3",
    "--fresh is for a document, and 3 is the ID of a workflow",
    "leave --fresh: workflow 3 keeps what was recorded when it was made",
  ],
  [
    "run",
    "nothing to run: a workflow document, a workflow ID or -- CMD is missing",
    "holdall run workflow.yaml, or holdall run -- CMD ARGS…; see holdall run --help",
  ],
  [
    "status three",
    '"three" is no workflow ID',
    "workflow IDs are integers from 1; without one, the newest workflow is meant",
  ],
  [
    "tasks --state done",
    "--state: 'done' is not a task state",
    "one of blocked, ready, assigned, running, succeeded, failed, canceled, skipped",
  ],
  ["logs", "TASK is missing", "holdall logs --help"],
  ["logs -f x --json", "--json prints one value, --follow never ends", "leave one of them"],
  ["retry 1/a 2/b", "tasks of two workflows: 1 and 2", "one command for each workflow"],
])("%s: exit 2 and a fix", async (line, message, fix) => {
  const answer = await cli(line);
  const text = `error: ${message}\nfix: ${fix}\n`;
  if (line.includes("--json")) expect(JSON.parse(answer.out).error).toMatchObject({ message, fix });
  else expect(answer.out).toBe("");
  expect({ code: answer.code, err: answer.err }).toEqual({ code: 2, err: text });
});

test("--json: a mistake is one value on stdout and the text on stderr", async () => {
  const { code, out, err } = await cli("tasks --limt 3 --json");
  expect(code).toBe(2);
  expect(out).toBe(
    '{"error":{"code":"usage","message":"unknown flag --limt","file":null,"line":null,"column":null,"fix":"did you mean --limit?"}}\n',
  );
  expect(err).toContain("error: unknown flag --limt\n");
});

test("--json of the user's own command is not ours", async () => {
  const { out } = await cli("run --aray 3 -- tool --json");
  expect(out).toBe("");
});

test("without a state directory: not found, where it looked, how to get one", async () => {
  const { code, out, err } = await cli("status --json");
  expect(code).toBe(3);
  expect(JSON.parse(out).error.code).toBe("not_found");
  expect(err).toContain(`${folder}/.holdall (from the current directory) does not exist`);
  expect(err).toContain("fix: ");
});

test("help on every level, on stdout, with examples", async () => {
  for (const line of ["--help", "-h", "help", ""]) {
    const { code, out, err } = await cli(line);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain("holdall run workflow.yaml");
    for (const name of ["run", "status", "tasks", "logs", "retry", "cancel", "doctor"]) {
      expect(out).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
    }
  }
  for (const name of [
    "run",
    "serve",
    "worker",
    "submit",
    "wait",
    "status",
    "tasks",
    "logs",
    "retry",
    "cancel",
    "explain",
    "doctor",
    "bench spawn",
    "bench dispatch",
  ]) {
    const { code, out } = await cli(`${name} --help`);
    expect(code).toBe(0);
    expect(out).toMatch(new RegExp(`^  holdall ${name}[^\\[<\\n]*\\n    \\S`, "m"));
    expect(await cli(`help ${name}`)).toMatchObject({ code: 0, out });
    for (const line of out.split("\n")) expect(line.length).toBeLessThan(120);
  }
});

test("doctor: one JSON value; 0 because this machine runs tasks", async () => {
  const { code, out, err } = await cli("doctor --json");
  const report = JSON.parse(out);
  expect({ code, err, ok: report.ok }).toEqual({ code: 0, err: "", ok: true });
  const names = report.checks.map((check: { name: string }) => check.name);
  expect(names).toContain("launcher");
  expect(names).toContain("slurm");
});
