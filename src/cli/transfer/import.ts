/** `holdall import`: a workflow with its results into another ledger, whole or not at all. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { HoldallError } from "../../core/error.ts";
import { type Outcome, OUTCOMES } from "../../core/states.ts";
import type { Ledger, LedgerRecord, OutputRow } from "../../ledger/ledger.ts";
import { openLedger } from "../../ledger/sqlite/open.ts";
import { definitionDigest } from "../../server/identity.ts";
import type { Io } from "../io.ts";
import { stateDirOf } from "../state-dir.ts";
import { type AttemptLine, type EndLine, type HeadLine, TRANSFER_VERSION } from "./format.ts";

export interface ImportFlags {
  name?: string | undefined;
  stateDir?: string | undefined;
}

export interface Imported {
  workflow_id: number;
  name: string;
  tasks: number;
  attempts: number;
}

/** Attempts of one transaction. */
const BATCH = 1_000;

/** Throws spec for a file that is damaged or cut, conflict when there is such a workflow or the ledger is in use. */
export function importWorkflow(shown: string, flags: ImportFlags, io: Io): Imported {
  const { head, attempts, end } = parse(shown, readText(shown, io));
  const ledger = openLedger(stateDirOf(io, flags.stateDir).path);
  try {
    const name = flags.name ?? head.name;
    if (ledger.workflows().some((row) => row.name === name))
      throw new HoldallError("conflict", `there is a workflow '${name}' already`, {
        fix: "give another name: --name NAME",
      });
    const definition = { ...head.definition, name };
    const { stdout, stderr } = head;
    const { id } = ledger.insertWorkflow(
      definition,
      definitionDigest(definition),
      { stdout, stderr, outputDir: null },
      head.submitted_ms,
    );
    try {
      for (const records of recordsOf(ledger, id, attempts, end, head)) ledger.commit(records);
    } catch (error) {
      ledger.deleteWorkflow(id);
      throw error;
    }
    return { workflow_id: id, name, tasks: definition.taskCount, attempts: attempts.length };
  } finally {
    ledger.close();
  }
}

function* recordsOf(
  ledger: Ledger,
  workflow: number,
  attempts: readonly AttemptLine[],
  end: EndLine,
  head: HeadLine,
): Generator<LedgerRecord[]> {
  const workers = new Map<string, number>();
  const workerOn = (host: string): number => {
    let worker = workers.get(host);
    if (worker === undefined) {
      worker = ledger.addWorker(`import-${crypto.randomUUID()}`, host, 0, head.submitted_ms);
      workers.set(host, worker);
    }
    return worker;
  };
  for (let from = 0; from < attempts.length; from += BATCH) {
    const byHost = Map.groupBy(attempts.slice(from, from + BATCH), ({ host }) => host ?? "");
    const records: LedgerRecord[] = [];
    for (const [host, rows] of byHost) records.push(finished(workflow, workerOn(host), rows));
    for (const { task, files } of attempts.slice(from, from + BATCH))
      if (files.length > 0) records.push({ kind: "files", workflow, task, files });
    yield records;
  }
  const last: LedgerRecord[] = [];
  const atMs = head.ended_ms ?? head.submitted_ms;
  if (end.canceled.length > 0)
    last.push({ kind: "canceled", workflow, tasks: end.canceled, reason: "canceled before", atMs });
  if (head.ended_ms !== null) last.push({ kind: "ended", workflow, atMs });
  if (last.length > 0) yield last;
}

function finished(workflow: number, worker: number, rows: readonly AttemptLine[]): LedgerRecord {
  return {
    kind: "finished",
    ...{ workflow, worker },
    columns: {
      tasks: rows.map(({ task }) => task),
      attempts: rows.map(({ attempt }) => attempt),
      outcomes: rows.map(({ outcome }) => OUTCOMES.indexOf(outcome as Outcome)),
      exits: rows.map(({ exit }) => exit),
      startedMs: rows.map(({ started_ms }) => started_ms),
      wallUs: rows.map(({ wall_us }) => wall_us),
      userUs: rows.map(({ user_us }) => user_us),
      systemUs: rows.map(({ system_us }) => system_us),
      peakBytes: rows.map(({ peak_bytes }) => peak_bytes),
    },
    accepted: Uint8Array.from(rows, ({ accepted }) => (accepted ? 1 : 0)),
    messages: rows.flatMap(({ message }, row) => (message === null ? [] : [[row, message]])),
    outputs: rows.flatMap(({ task, attempt, output }): OutputRow[] =>
      output === null
        ? []
        : [
            {
              ...{ task, attempt },
              stdout: bytesOf(output.stdout),
              stderr: bytesOf(output.stderr),
              stdoutBytes: output.stdout_bytes,
              stderrBytes: output.stderr_bytes,
            },
          ],
    ),
  };
}

function bytesOf(base64: string | null): Uint8Array | null {
  return base64 === null ? null : new Uint8Array(Buffer.from(base64, "base64"));
}

function readText(shown: string, io: Io): string {
  try {
    return readFileSync(resolve(io.cwd, shown), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HoldallError(
      code === "ENOENT" ? "not_found" : "usage",
      `cannot read ${shown}: ${code ?? ""}`,
      { fix: "give what `holdall export` wrote", cause: error },
    );
  }
}

function parse(
  file: string,
  text: string,
): { head: HeadLine; attempts: AttemptLine[]; end: EndLine } {
  const wrong = (line: number, message: string): never => {
    throw new HoldallError("spec", message, {
      place: { file, line, column: 1 },
      fix: "export the workflow again",
    });
  };
  const lines = text.trimEnd().split("\n");
  const values = lines.map((line, at): unknown => {
    try {
      return JSON.parse(line);
    } catch {
      return wrong(at + 1, "this line is no JSON");
    }
  });
  const head = values[0] as Partial<HeadLine> | null;
  const end = values.at(-1) as Partial<EndLine> | null;
  if (typeof head !== "object" || head?.holdall_export === undefined)
    return wrong(1, "this is not what `holdall export` writes");
  if (head.holdall_export !== TRANSFER_VERSION)
    return wrong(1, `this was written by a newer Holdall, ${String(head.holdall_version)}`);
  const attempts = values.slice(1, -1) as AttemptLine[];
  if (end?.end !== true || end.attempts !== attempts.length)
    return wrong(lines.length, "the file ends too early");
  const { definition } = head as HeadLine;
  if (definitionDigest(definition) !== head.digest)
    return wrong(1, "the workflow is not the one that was exported");
  attempts.forEach(({ task, outcome }, at) => {
    const known = Number.isInteger(task) && task >= 0 && task < definition.taskCount;
    if (!known || !OUTCOMES.includes(outcome as Outcome))
      wrong(at + 2, "this is no attempt of a task of the workflow");
  });
  return { head: head as HeadLine, attempts, end: end as EndLine };
}
