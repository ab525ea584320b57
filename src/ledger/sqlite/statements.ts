import type { Database, SQLQueryBindings, Statement } from "bun:sqlite";
import actions from "./statements/actions.sql" with { type: "text" };
import claims from "./statements/claims.sql" with { type: "text" };
import hosts from "./statements/hosts.sql" with { type: "text" };
import reading from "./statements/reading.sql" with { type: "text" };
import records from "./statements/records.sql" with { type: "text" };
import replace from "./statements/replace.sql" with { type: "text" };
import transaction from "./statements/transaction.sql" with { type: "text" };
import workflows from "./statements/workflows.sql" with { type: "text" };

export type Value = string | number | Uint8Array | null;
export type Prepared = Statement<unknown, SQLQueryBindings[]>;

/** Named statements of a database: prepared when first asked for, so that a short command prepares few. */
export interface Statements {
  (name: string): Prepared;
  /** Rows as arrays, in the order of the statement's columns. */
  rows(name: string, ...values: Value[]): Value[][];
  /** The first row, or null. */
  row(name: string, ...values: Value[]): Value[] | null;
  run(name: string, ...values: Value[]): void;
  /** Must be called before the database is closed: an open statement keeps the lock. */
  finalize(): void;
}

/** All statements by name: sections of the .sql files that begin with `-- name: x`. */
export const STATEMENTS: ReadonlyMap<string, string> = new Map(
  [actions, claims, hosts, reading, records, replace, transaction, workflows].flatMap(sections),
);

function sections(text: string): [name: string, sql: string][] {
  return text
    .split(/^-- name: /m)
    .slice(1)
    .map((section) => {
      const end = section.indexOf("\n");
      return [section.slice(0, end).trim(), section.slice(end + 1).trim()];
    });
}

export function prepareStatements(database: Database): Statements {
  const prepared = new Map<string, Prepared>();
  function statement(name: string): Prepared {
    let found = prepared.get(name);
    if (found === undefined) {
      const sql = STATEMENTS.get(name);
      if (sql === undefined) throw new Error(`no statement is called ${name}`);
      found = database.prepare(sql) as Prepared;
      prepared.set(name, found);
    }
    return found;
  }
  function rows(name: string, ...values: Value[]): Value[][] {
    return statement(name).values(...values) as Value[][];
  }
  return Object.assign(statement, {
    rows,
    row: (name: string, ...values: Value[]): Value[] | null => rows(name, ...values)[0] ?? null,
    run: (name: string, ...values: Value[]): void => {
      statement(name).run(...values);
    },
    finalize: (): void => {
      for (const each of prepared.values()) each.finalize();
      prepared.clear();
    },
  });
}

/** Runs `work` in one transaction: all of it is durable when this returns, nothing of it when it throws. */
export function inTransaction<T>(database: Database, statements: Statements, work: () => T): T {
  // Left open only by a rollback that failed itself, on a failing disk.
  if (database.inTransaction) statements.run("rollback");
  statements.run("begin");
  try {
    const result = work();
    statements.run("commit");
    return result;
  } catch (error) {
    // SQLite rolls back by itself on some failures (disk full), not on others (constraints).
    try {
      if (database.inTransaction) statements.run("rollback");
    } catch {
      // the first error says more; the next transaction tries again
    }
    throw error;
  }
}
