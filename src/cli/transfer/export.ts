/** `holdall export`: a workflow with its results, out of a ledger that nobody works on. */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { OUTCOMES } from "../../core/states.ts";
import type { AttemptRow, FileStamp, Ledger, OutputRow } from "../../ledger/ledger.ts";
import { openLedgerCopy } from "../../ledger/sqlite/open-copy.ts";
import { definitionWithBodies } from "../../server/definition.ts";
import { definitionDigest } from "../../server/identity.ts";
import type { Io } from "../io.ts";
import { requireStateDir, stateDirOf } from "../state-dir.ts";
import { VERSION } from "../version.ts";
import {
  type AttemptLine,
  type EndLine,
  type HeadLine,
  type OutputPart,
  TRANSFER_VERSION,
} from "./format.ts";

export interface ExportFlags {
  out?: string | undefined;
  stateDir?: string | undefined;
}

/** `id`: null = the newest. Throws not_found, and conflict while the ledger is in use or the file is there. */
export function exportWorkflow(id: number | null, flags: ExportFlags, io: Io): void {
  const place = stateDirOf(io, flags.stateDir);
  requireStateDir(place);
  const ledger = openLedgerCopy(place.path);
  try {
    const row = id === null ? ledger.workflows().at(-1) : ledger.workflow(id);
    if (!row)
      throw new HoldallError("not_found", id === null ? "no workflow" : `no workflow ${id}`, {
        fix: "holdall status lists them",
      });
    const lines = linesOf(ledger, row.id);
    if (flags.out === undefined) for (const line of lines) io.stdout.write(line);
    else writeLines(flags.out, resolve(io.cwd, flags.out), lines, io);
  } finally {
    ledger.close();
  }
}

function writeLines(shown: string, path: string, lines: Iterable<string>, io: Io): void {
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HoldallError(
      code === "EEXIST" ? "conflict" : "usage",
      code === "EEXIST" ? `${shown} is there already` : `cannot write ${shown}: ${code ?? ""}`,
      { fix: "give another name", cause: error },
    );
  }
  try {
    for (const line of lines) writeSync(file, line);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  io.stderr.write(`${shown} written\n`);
}

function* linesOf(ledger: Ledger, id: number): Generator<string> {
  const row = ledger.workflow(id)!;
  const definition = definitionWithBodies(ledger, id);
  const head: HeadLine = {
    holdall_export: TRANSFER_VERSION,
    holdall_version: VERSION,
    name: row.name,
    submitted_ms: row.submittedMs,
    ended_ms: row.endedMs,
    stdout: row.options.stdout,
    stderr: row.options.stderr,
    digest: definitionDigest(definition),
    definition,
  };
  yield `${JSON.stringify(head)}\n`;
  const history = ledger.history(id);
  const accepted = new Map<number, number>();
  const tasks = new Set<number>();
  for (const [task, attempt] of history.results) {
    tasks.add(task);
    accepted.set(task, attempt);
  }
  // those of tasks that are in no definition any more have negative numbers
  for (const [task] of history.attempts) if (task >= 0) tasks.add(task);
  const files = new Map<number, FileStamp[]>();
  for (const [task, stamp] of ledger.files(id)) {
    const known = files.get(task);
    if (known) known.push(stamp);
    else files.set(task, [stamp]);
  }
  let attempts = 0;
  for (const task of [...tasks].toSorted((a, b) => a - b))
    for (const attempt of ledger.attemptsOf(id, task)) {
      attempts++;
      const taken = accepted.get(task) === attempt.attempt;
      const output = ledger.output(id, task, attempt.attempt);
      const host = ledger.workerHost(attempt.worker);
      yield `${JSON.stringify(attemptLine(attempt, taken, host, output, (taken && files.get(task)) || []))}\n`;
    }
  const end: EndLine = { end: true, attempts, canceled: [...history.canceled] };
  yield `${JSON.stringify(end)}\n`;
}

function attemptLine(
  row: AttemptRow,
  accepted: boolean,
  host: string | null,
  output: OutputRow | null,
  files: readonly FileStamp[],
): AttemptLine {
  return {
    task: row.task,
    attempt: row.attempt,
    accepted,
    outcome: OUTCOMES[row.outcome]!,
    exit: row.exit,
    started_ms: row.startedMs,
    wall_us: row.wallUs,
    user_us: row.userUs,
    system_us: row.systemUs,
    peak_bytes: row.peakBytes,
    host,
    message: row.message,
    output: output && outputPart(output),
    files,
  };
}

function outputPart({ stdout, stderr, stdoutBytes, stderrBytes }: OutputRow): OutputPart {
  const base64 = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString("base64");
  return {
    stdout: base64(stdout),
    stderr: base64(stderr),
    stdout_bytes: stdoutBytes,
    stderr_bytes: stderrBytes,
  };
}
