import type { Database } from "bun:sqlite";
import { dirname } from "node:path";
import { HoldallError } from "../../core/error.ts";
import type { Ledger, LedgerRecord } from "../ledger.ts";
import { type Acknowledger, openAcknowledger } from "./acknowledged.ts";
import { ledgerError } from "./failure.ts";
import { readAttempts, readLatestAttempt, readOutput } from "./read-attempts.ts";
import { readFiles, readHistory, visitStatistics } from "./read-history.ts";
import { replaceDefinition } from "./replace.ts";
import { inTransaction, type Prepared, prepareStatements } from "./statements.ts";
import { recordWriter } from "./write-records.ts";
import {
  deleteWorkflow,
  insertWorkflow,
  noWorkflow,
  readBodies,
  readDefinition,
  workflowRow,
} from "./write-workflows.ts";

export interface SqliteLedgerOptions {
  path: string;
  fsync: boolean;
  /** called just before the lock is given up */
  release(): void;
}

/** The verbs over an open, migrated database. */
export function createSqliteLedger(database: Database, opened: SqliteLedgerOptions): Ledger {
  const { path, release } = opened;
  const sql = prepareStatements(database);
  let open = true;
  /** number of the last commit */
  let seq = 0;

  function transaction<T>(work: () => T): T {
    const number = seq + 1;
    const result = inTransaction(database, sql, () => {
      setSeq.run(number);
      return work();
    });
    seq = number;
    acknowledger.committed(number);
    return result;
  }

  function prepared(): [string, (record: LedgerRecord) => void, Prepared, Acknowledger] {
    try {
      const known = sql.row("get_meta", "uuid")![0] as string;
      seq = sql.row("get_meta", "seq")![0] as number;
      const writer = recordWriter(sql);
      const numbering = sql("set_seq");
      return [known, writer, numbering, openAcknowledger(dirname(path), known, seq, opened.fsync)];
    } catch (error) {
      sql.finalize();
      throw error;
    }
  }
  const [uuid, write, setSeq, acknowledger] = prepared();

  function existing(workflow: number): number {
    if (sql.row("get_workflow", workflow) === null) throw noWorkflow(workflow);
    return workflow;
  }

  function close(): void {
    if (!open) return;
    open = false;
    sql.finalize();
    acknowledger.close();
    release();
    database.close();
  }

  const verbs: Omit<Ledger, "uuid" | "close"> = {
    insertWorkflow: (definition, digest, options, nowMs) =>
      transaction(() => insertWorkflow(sql, definition, digest, options, nowMs)),
    replaceDefinition: (workflow, definition, digest, mapping, records = []) =>
      transaction(() => {
        replaceDefinition(sql, workflow, definition, digest, mapping);
        records.forEach(write);
        return workflowRow(sql.row("get_workflow", workflow)!);
      }),
    updateOptions: (workflow, options) =>
      transaction(() => sql.run("update_options", existing(workflow), JSON.stringify(options))),
    workflows: () => sql.rows("all_workflows").map(workflowRow),
    workflow: (id) => {
      const row = sql.row("get_workflow", id);
      return row === null ? null : workflowRow(row);
    },
    definition: (workflow) => readDefinition(sql, workflow),
    bodies: (workflow, tasks) => readBodies(sql, workflow, tasks),
    taskByName: (workflow, name) =>
      (sql.row("task_by_name", workflow, name)?.[0] as number | undefined) ?? null,
    history: (workflow) => {
      const { results, attempts, canceled, failures, assigned } = readHistory(sql, workflow);
      return {
        results: guardedRows(results),
        attempts: guardedRows(attempts),
        canceled: guardedRows(canceled),
        failures: guardedRows(failures),
        assigned: guardedRows(assigned),
      };
    },
    commit: (records) => {
      if (records.length > 0) transaction(() => records.forEach(write));
    },
    attemptsOf: (workflow, task) => readAttempts(sql, workflow, task),
    latestAttempts: (workflow, tasks) =>
      tasks.map((task) => readLatestAttempt(sql, workflow, task)),
    output: (workflow, task, attempt) => readOutput(sql, workflow, task, attempt),
    resultStatistics: (workflow, visit) => visitStatistics(sql, workflow, visit),
    files: (workflow) => readFiles(sql, workflow),
    addWorker: (instance, host, pid, nowMs) => {
      // One that comes back while the disk is full is not kept out.
      const known = sql.row("find_worker", instance, host, pid);
      if (known !== null) return known[0] as number;
      return transaction(() => sql.row("add_worker", instance, host, pid, nowMs)![0] as number);
    },
    addWorkers: (instances, host, pid, nowMs) =>
      transaction(() =>
        instances.map(
          (instance) => sql.row("add_worker", instance, host, pid, nowMs)![0] as number,
        ),
      ),
    workerHost: (worker) => (sql.row("worker_host", worker)?.[0] as string | undefined) ?? null,
    workerProcess(worker) {
      const row = sql.row("worker_process", worker) as [string, string, number] | null;
      return row && { instance: row[0], host: row[1], pid: row[2] };
    },
    claims: () =>
      sql.rows("all_claims").map(([id, workflow, worker, leaseMs, endedMs]) => ({
        id: id as string,
        workflow: workflow as number,
        worker: worker as number,
        leaseMs: leaseMs as number | null,
        endedMs: endedMs as number | null,
        started:
          endedMs === null
            ? sql.rows("claim_starts", id as string).map(([task]) => task as number)
            : [],
      })),
    hostBlocks: () =>
      sql.rows("host_blocks").map(([host, untilMs, reason, atMs]) => ({
        host: host as string,
        untilMs: untilMs as number | null,
        reason: reason as string,
        atMs: atMs as number,
      })),
    actions: (workflow) =>
      sql
        .rows("actions", workflow)
        .map(([action, worker, claimedMs, endedMs, exitCode, message]) => ({
          action: action as number,
          worker: worker as number,
          claimedMs: claimedMs as number,
          endedMs: endedMs as number | null,
          exitCode: exitCode as number | null,
          message: message as string,
        })),
    answer: (key) => {
      const row = sql.row("get_answer", key);
      if (row === null) return null;
      return { status: row[0] as number, body: row[1] as string, atMs: row[2] as number };
    },
    countResults: (workflow) => sql.row("count_results", workflow)![0] as number,
    clearAssignments: (workflow) => transaction(() => sql.run("delete_assignments", workflow)),
    deleteWorkflow: (workflow) => transaction(() => deleteWorkflow(sql, existing(workflow))),
  };
  return { uuid, ...guarded(verbs), close };

  /** The same for rows that are read while the caller iterates. */
  function guardedRows<T>(rows: Iterable<T>): Iterable<T> {
    return {
      *[Symbol.iterator](): Generator<T> {
        try {
          yield* rows;
        } catch (error) {
          throw ledgerError(error, path);
        }
      },
    };
  }

  /** Each verb with SQLite's errors told in our words. */
  function guarded<T extends object>(unguarded: T): T {
    const result = Object.entries(unguarded).map(([name, verb]) => [
      name,
      (...values: unknown[]): unknown => {
        if (!open)
          throw new HoldallError("internal", `the ledger ${path} was closed before ${name}`);
        try {
          return (verb as (...values: unknown[]) => unknown)(...values);
        } catch (error) {
          throw ledgerError(error, path);
        }
      },
    ]);
    return Object.fromEntries(result) as T;
  }
}
