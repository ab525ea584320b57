import type { AttemptRow, OutputRow } from "../ledger.ts";
import type { Statements, Value } from "./statements.ts";

/** All attempts of a task in ascending order, the accepted one among them. */
export function readAttempts(statements: Statements, workflow: number, task: number): AttemptRow[] {
  return ["attempts_of", "result_of"]
    .flatMap((name) => statements.rows(name, workflow, task))
    .map(attemptRow)
    .sort((a, b) => a.attempt - b.attempt);
}

/** The accepted attempt of a task, or the latest one, or null when none has ended. */
export function readLatestAttempt(
  statements: Statements,
  workflow: number,
  task: number,
): AttemptRow | null {
  const row =
    statements.row("result_of", workflow, task) ??
    statements.row("last_attempt_of", workflow, task);
  return row === null ? null : attemptRow(row);
}

export function readOutput(
  statements: Statements,
  workflow: number,
  task: number,
  attempt: number,
): OutputRow | null {
  const row = statements.row("get_output", workflow, task, attempt);
  if (row === null) return null;
  const [stdout, stderr, stdoutBytes, stderrBytes] = row;
  return {
    task,
    attempt,
    stdout: stdout as Uint8Array | null,
    stderr: stderr as Uint8Array | null,
    stdoutBytes: stdoutBytes as number,
    stderrBytes: stderrBytes as number,
  };
}

function attemptRow(columns: Value[]): AttemptRow {
  const [
    task,
    attempt,
    outcome,
    exit,
    startedMs,
    wallUs,
    userUs,
    systemUs,
    peakBytes,
    worker,
    message,
  ] = columns;
  return {
    task: task as number,
    attempt: attempt as number,
    outcome: outcome as number,
    exit: exit as number | null,
    startedMs: startedMs as number | null,
    wallUs: wallUs as number | null,
    userUs: userUs as number | null,
    systemUs: systemUs as number | null,
    peakBytes: peakBytes as number | null,
    worker: worker as number,
    message: message as string | null,
  };
}
