// What a power cut would find cannot be tried out; that the disk was asked to keep it, before anybody was told, can be seen.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { forbidden } from "../support/requires.ts";
import { scratchDir } from "../support/scratch.ts";

const PROGRAM = join(import.meta.dir, "../../src/ledger/sqlite/testing/commit-loop.ts");
const COMMITS = 5;

function trace(dir: string, command: readonly string[], lines: number): string | null {
  const file = join(dir, "trace");
  const tracer = ["strace", "-f", "-y", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o", file];
  const stdin = Buffer.from("\n".repeat(lines));
  try {
    const { exitCode } = Bun.spawnSync([...tracer, ...command], { stdin, stdout: "pipe" });
    return exitCode === 0 ? readFileSync(file, "utf8") : null;
  } catch {
    return null;
  }
}

/** What happened to the log between one acknowledged commit and the next: written, synced, told. */
function commits(...flags: string[]): string[] {
  const cwd = scratchDir();
  const program = [process.execPath, PROGRAM, join(cwd, "state"), "step", "3", ...flags];
  const told: string[] = [];
  let steps = "";
  for (const line of trace(cwd, program, COMMITS)!.split("\n")) {
    if (/ pwrite64\(\d+<[^>]*ledger\.db-wal>/.test(line)) steps += "w";
    if (/ f(data)?sync\(\d+<[^>]*ledger\.db-wal>\) = 0/.test(line)) steps += "s";
    const [, said] = / write\(1<[^>]*>, "(open|\d+)\\n"/.exec(line) ?? [];
    if (said === undefined) continue;
    if (said !== "open") told.push(steps);
    steps = "";
  }
  expect(told).toHaveLength(COMMITS);
  return told;
}

const traceable = trace(scratchDir(), ["true"], 0) !== null;
describe.skipIf(forbidden("tracing a process (strace)", traceable))("fsync", () => {
  test("every commit is on the disk before it is acknowledged", () => {
    for (const steps of commits()) expect(steps).toMatch(/^w+s$/);
  });

  test("without fsync nothing is waited for", () => {
    for (const steps of commits("no-fsync")) expect(steps).toMatch(/^w+$/);
  });
});
