import type { FileStamp, LedgerRecord } from "../ledger.ts";
import { packIntegers, runsOf } from "./numbers.ts";
import type { Prepared, Statements } from "./statements.ts";

type FinishedRecord = Extract<LedgerRecord, { kind: "finished" }>;

/** Returns the function that writes one record inside the caller's transaction. */
export function recordWriter(statements: Statements): (record: LedgerRecord) => void {
  const insertResult = statements("insert_result");
  const insertAttempt = statements("insert_attempt");
  const insertAssignment = statements("insert_assignment");

  return function write(record: LedgerRecord): void {
    switch (record.kind) {
      case "assigned":
        insertAssignment.run(
          record.workflow,
          record.worker,
          packIntegers(record.tasks),
          packIntegers(record.attempts),
        );
        return;
      case "finished":
        writeFinished(record, insertResult, insertAttempt);
        for (const output of record.outputs) {
          statements.run(
            "insert_output",
            record.workflow,
            output.task,
            output.attempt,
            output.stdout,
            output.stderr,
            output.stdoutBytes,
            output.stderrBytes,
          );
        }
        return;
      case "canceled":
        for (const task of record.tasks) {
          statements.run("insert_canceled", record.workflow, task, record.reason, record.atMs);
        }
        return;
      case "reset":
        for (const [first, last] of runsOf(record.tasks)) {
          statements.run("keep_results", record.workflow, first, last);
          statements.run("forgive_attempts", record.workflow, first, last);
          statements.run("forget_results", record.workflow, first, last);
          statements.run("forget_canceled", record.workflow, first, last);
          statements.run("forget_files_of", record.workflow, first, last);
        }
        return;
      case "ended":
        statements.run("end_workflow", record.workflow, record.atMs);
        return;
      case "worker":
        statements.run(
          "put_worker",
          record.worker,
          record.instance,
          record.host,
          record.pid,
          record.atMs,
        );
        return;
      case "files":
        writeFiles(record.workflow, record.task, record.files, statements);
        return;
      case "claim": {
        const { claim, workflow, worker, leaseMs } = record;
        statements.run("put_claim", claim, workflow, worker, whole(leaseMs));
        return;
      }
      case "claim_started":
        statements.run("start_claimed", record.claim, record.task);
        return;
      case "claim_ended":
        if (record.atMs === null) statements.run("forget_claim", record.claim);
        else statements.run("end_claim", record.claim, whole(record.atMs));
        statements.run("forget_claim_starts", record.claim);
        return;
      case "answer":
        statements.run("put_answer", record.key, record.status, record.body, whole(record.atMs));
        return;
      case "forget_claims":
        statements.run("forget_claims", whole(record.beforeMs));
        statements.run("forget_answers", whole(record.beforeMs));
        return;
      case "host_blocked":
        statements.run(
          "put_host_block",
          record.host,
          whole(record.untilMs),
          record.reason,
          whole(record.atMs),
        );
        return;
      case "host_unblocked":
        statements.run("delete_host_block", record.host);
        return;
      case "action_taken": {
        const { workflow, action, worker, atMs } = record;
        statements.run("claim_action", workflow, action, worker, whole(atMs));
        return;
      }
      case "action_ended": {
        const { workflow, action, worker, endedMs, exitCode, message } = record;
        statements.run("end_action", workflow, action, worker, whole(endedMs), exitCode, message);
        return;
      }
      case "actions_forgotten":
        statements.run("delete_actions", record.workflow);
        return;
      default:
        throw new Error(`unknown record ${JSON.stringify(record satisfies never)}`);
    }
  };
}

/** The hot path: a row costs about 0.6 µs, most of it in SQLite. Several rows in one statement are not faster. */
function writeFinished(
  record: FinishedRecord,
  insertResult: Prepared,
  insertAttempt: Prepared,
): void {
  const { workflow, worker, accepted } = record;
  const { tasks, attempts, outcomes, exits, startedMs, wallUs, userUs, systemUs, peakBytes } =
    record.columns;
  const messages = record.messages.length === 0 ? null : new Map(record.messages);
  for (let row = 0; row < tasks.length; row++) {
    (accepted[row] === 1 ? insertResult : insertAttempt).run(
      workflow,
      tasks[row]!,
      attempts[row]!,
      outcomes[row]!,
      exits[row]!,
      whole(startedMs[row]!),
      whole(wallUs[row]!),
      whole(userUs[row]!),
      whole(systemUs[row]!),
      whole(peakBytes[row]!),
      worker,
      messages === null ? null : (messages.get(row) ?? null),
    );
  }
}

/** Clocks give fractions; the columns hold integers. */
function whole(value: number | null): number | null {
  return value === null ? null : Math.round(value);
}

/** They replace what an earlier success of the task left. */
function writeFiles(
  workflow: number,
  task: number,
  files: readonly FileStamp[],
  statements: Statements,
): void {
  statements.run("forget_files", workflow, task);
  for (const { role, path, bytes, mtimeNs, inode, sha256 } of files) {
    statements.run("insert_file", workflow, task, role, path, bytes, mtimeNs, inode, sha256);
  }
}
