// The real binary, started the way a user starts it, in a folder of the test's own.

import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./scratch.ts";

export const holdall: string = join(root, "bin/holdall");

export interface Options {
  /** added to the environment; undefined takes a variable away */
  env?: Record<string, string | undefined>;
  /** what is on its stdin; default: nothing */
  stdin?: string;
  /** instead of bin/holdall */
  command?: readonly string[];
}

export interface Result {
  /** null when a signal ended it */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  result: Promise<Result>;
}

/** Starts `holdall ARGS` and does not wait. */
export function start(cwd: string, args: readonly string[], options: Options = {}): Running {
  const env = { ...process.env, PWD: cwd, ...options.env };
  const child = Bun.spawn([...(options.command ?? [holdall]), ...args], {
    cwd,
    env,
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const result = async (): Promise<Result> => {
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    return {
      code: child.exitCode,
      signal: child.signalCode as NodeJS.Signals | null,
      stdout,
      stderr,
    };
  };
  return { pid: child.pid, kill: (signal) => child.kill(signal), result: result() };
}

/** `holdall ARGS` from start to end. */
export async function run(
  cwd: string,
  args: readonly string[],
  options: Options = {},
): Promise<Result> {
  return await start(cwd, args, options).result;
}

export interface RunReport {
  workflow_id: number;
  name: string;
  tasks: number;
  succeeded: number;
  failed: number;
  canceled: number;
  skipped: number;
  cached: number;
  attempts: number;
  wall_seconds: number;
  tasks_per_second: number;
}

/** `holdall run ARGS --json`: its report, and its exit code as `code`. */
export async function runReport(
  cwd: string,
  args: readonly string[],
  options: Options = {},
): Promise<RunReport & { code: number | null }> {
  const { code, stdout, stderr } = await run(cwd, ["run", "--json", ...args], options);
  const report = parseJson(stdout, stderr) as RunReport;
  return { ...report, code };
}

export interface TaskRow {
  name: string;
  state: string;
  attempts: number;
  exit_code: number | null;
  outcome: string | null;
  host: string | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
}

/** `holdall tasks --json`, by name. */
export async function tasks(
  cwd: string,
  args: readonly string[] = [],
): Promise<Record<string, TaskRow>> {
  const { stdout, stderr } = await run(cwd, ["tasks", "--json", ...args]);
  const { tasks: rows } = parseJson(stdout, stderr) as { tasks: TaskRow[] };
  return Object.fromEntries(rows.map((row) => [row.name, row]));
}

/** What a task printed. */
export async function logs(cwd: string, task: string, ...flags: string[]): Promise<string> {
  return (await run(cwd, ["logs", task, ...flags])).stdout;
}

/** Exactly one JSON value is on stdout, or the test fails showing what there was. */
export function parseJson(stdout: string, stderr: string): unknown {
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`no single JSON value on stdout: ${stdout}\non stderr: ${stderr}`);
  }
}

/** Writes a document (JSON is YAML) and returns its name. */
export function spec(cwd: string, document: object | string, name = "workflow.yaml"): string {
  const text = typeof document === "string" ? document : JSON.stringify(document, null, 1);
  writeFileSync(join(cwd, name), text);
  return name;
}

/** Waits until `condition` answers with something; looks every few milliseconds, and says what did not come. */
export async function until<T>(
  what: string,
  condition: () => T | false | null | undefined | Promise<T | false | null | undefined>,
  limitMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await condition();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`after ${limitMs} ms still not: ${what}`);
    await Bun.sleep(5);
  }
}

/** Waits for a file to be there with something in it, and returns that. */
export async function untilFile(path: string, limitMs = 15_000): Promise<string> {
  return await until(path, () => (existsSync(path) && readFileSync(path, "utf8")) || null, limitMs);
}

/** Lines of a file that tasks append to; none while it is not there. */
export function linesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").slice(0, -1);
}

/** Whether a process runs; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Rows of the ledger, read while nobody owns it. */
export function ledgerRows<T>(stateDir: string, query: string): T[] {
  const database = new Database(join(stateDir, "ledger.db"), { readonly: true });
  try {
    return database.query(query).all() as T[];
  } finally {
    database.close();
  }
}
