import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outcomeIndex } from "../../core/states.ts";
import { arrayWorkflow, finished, OPTIONS } from "../testing/samples.ts";
import { MIGRATIONS } from "./migrations/migrations.ts";
import type { Migration } from "./migrations/migrations.ts";
import { openLedger } from "./open.ts";
import { schemaDump } from "./schema-dump.ts";
import { prepareStatements, STATEMENTS } from "./statements.ts";
import { startOwner } from "./testing/child.ts";

const newest = MIGRATIONS.at(-1)!.version;
const next: Migration = {
  version: newest + 1,
  name: "next",
  sql: "ALTER TABLE workflows ADD COLUMN extra TEXT; UPDATE workflows SET extra = 'moved'",
};
const LATER: readonly Migration[] = [...MIGRATIONS, next];

let place: string;
let stateDir: string;
let path: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdall-migrate-"));
  stateDir = join(place, "state");
  path = join(stateDir, "ledger.db");
});
afterEach(() => rmSync(place, { recursive: true }));

function files(): [name: string, bytes: Buffer][] {
  return readdirSync(stateDir).map((name) => [name, readFileSync(join(stateDir, name))]);
}
function query(file: string, sql: string): unknown[][] {
  const database = new Database(file);
  const statement = database.prepare(sql);
  const rows = statement.values();
  statement.finalize(); // one left open would keep the lock
  database.close(true);
  return rows;
}
function createLedger(): void {
  const ledger = openLedger(stateDir);
  ledger.insertWorkflow(arrayWorkflow(3), "d", OPTIONS, 1);
  ledger.close();
}

test("migrations are numbered from 1 without gaps", () => {
  expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
});

test("schema.sql is what the migrations make (else run schema-dump.ts)", () => {
  expect(readFileSync(join(import.meta.dir, "schema.sql"), "utf8")).toBe(schemaDump());
});

test("every statement fits the schema", () => {
  const database = new Database(":memory:");
  for (const { sql } of MIGRATIONS) database.run(sql);
  const statements = prepareStatements(database);
  statements.run("create_moves");
  for (const name of STATEMENTS.keys()) statements(name);
  expect(STATEMENTS.size).toBeGreaterThan(50);
  statements.finalize();
  database.close(true);
});

test("a ledger tells which Holdall made its schema", () => {
  createLedger();
  const rows = query(path, "SELECT version, name, holdall_version FROM migrations");
  const holdall = expect.stringMatching(/^\d+\.\d+\.\d+/);
  expect(rows).toEqual(MIGRATIONS.map(({ version, name }) => [version, name, holdall]));
  expect(query(path, "PRAGMA user_version")).toEqual([[newest]]);
});

test("an older ledger is backed up beside, then migrated", () => {
  createLedger();
  const ledger = openLedger(stateDir, { migrations: LATER });
  expect(ledger.workflow(1)?.taskCount).toBe(3);
  ledger.close();
  expect(query(path, "SELECT extra FROM workflows")).toEqual([["moved"]]);
  expect(query(path, "SELECT version, name FROM migrations ORDER BY 1")).toEqual([
    ...MIGRATIONS.map(({ version, name }) => [version, name]),
    [next.version, "next"],
  ]);

  const backup = `${path}.backup-v${newest}`;
  expect(statSync(backup).mode & 0o777).toBe(0o600);
  expect(existsSync(`${backup}.new`)).toBe(false);
  const restored = join(place, "restored");
  mkdirSync(restored);
  copyFileSync(backup, join(restored, "ledger.db"));
  const old = openLedger(restored);
  expect(old.workflow(1)?.taskCount).toBe(3);
  expect(old.countResults(1)).toBe(0);
  old.close();

  const again = openLedger(stateDir, { migrations: LATER });
  again.close();
  expect(readdirSync(stateDir).toSorted()).toEqual([
    "ledger.ack",
    "ledger.db",
    `ledger.db.backup-v${newest}`,
  ]);
});

test("a ledger of the first schema, as its Holdall wrote it, is taken over", () => {
  mkdirSync(stateDir);
  const first = Bun.gunzipSync(readFileSync(join(import.meta.dir, "testing/ledger-v1.db.gz")));
  writeFileSync(path, first);
  expect(query(path, "PRAGMA user_version")).toEqual([[1]]);
  for (let round = 0; round < 2; round++) {
    const ledger = openLedger(stateDir);
    expect(
      ledger.workflows().map(({ id, name, digest, taskCount }) => [id, name, digest, taskCount]),
    ).toEqual([
      [1, "w", "digest-a", 100],
      [2, "w", "digest-e", 2],
    ]);
    expect(ledger.bodies(2, [1])[0]?.name).toBe("two");
    expect(ledger.countResults(1)).toBe(10);
    const { attempts, assigned, failures } = ledger.history(1);
    expect([...attempts].filter(([task]) => task < 20)).toEqual([[10, 1, outcomeIndex("exit")]]);
    expect([...failures]).toEqual([[10, 1, outcomeIndex("exit"), 0, 1, 2 ** 40, null]]);
    expect([...assigned]).toEqual([[1, 11, 1]]);
    expect([...ledger.history(2).canceled]).toEqual([1]);
    expect(new TextDecoder().decode(ledger.output(1, 3, 1)!.stdout!)).toBe("hello");
    ledger.commit([finished(1, [20 + round])]);
    ledger.commit([{ kind: "reset", workflow: 1, tasks: [20 + round] }]);
    ledger.close();
  }
  expect(query(path, "PRAGMA user_version")).toEqual([[newest]]);
  const backup = `${path}.backup-v1`;
  expect(query(backup, "PRAGMA user_version")).toEqual([[1]]);
  expect(query(backup, "SELECT count(*) FROM results")).toEqual([[10]]);
});

test("a migration that fails changes nothing, and the ledger still opens", () => {
  createLedger();
  const broken = { ...next, sql: `${next.sql}; SELECT * FROM nowhere` };
  expect(() => openLedger(stateDir, { migrations: [...MIGRATIONS, broken] })).toThrow("nowhere");
  expect(query(path, "PRAGMA user_version")).toEqual([[newest]]);
  expect(query(path, "SELECT * FROM pragma_table_info('workflows') WHERE name = 'extra'")).toEqual(
    [],
  );
  const ledger = openLedger(stateDir);
  expect(ledger.workflow(1)?.taskCount).toBe(3);
  ledger.close();
  openLedger(stateDir, { migrations: LATER }).close(); // once it is repaired
});

test("a newer ledger is refused and stays byte for byte as it is", () => {
  openLedger(stateDir, { migrations: LATER }).close();
  const before = files();
  for (let round = 0; round < 2; round++) {
    expect(() => openLedger(stateDir)).toThrow(
      expect.objectContaining({ code: "ledger_newer", message: expect.stringContaining(path) }),
    );
  }
  expect(files()).toEqual(before);
});

test("a newer ledger whose owner was killed keeps its log, too", async () => {
  const owner = startOwner(stateDir, "step", 10);
  expect(await owner.line()).toBe("open");
  await owner.kill();
  const bytes = readFileSync(path);
  bytes.writeUInt32BE(newest + 1, 60); // PRAGMA user_version in the header
  writeFileSync(path, bytes);
  const before = files();
  expect(before.map(([name]) => name).toSorted()).toEqual([
    "ledger.ack",
    "ledger.db",
    "ledger.db-wal",
    "owner.json",
  ]);
  expect(() => openLedger(stateDir)).toThrow(expect.objectContaining({ code: "ledger_newer" }));
  expect(files()).toEqual(before);
});
