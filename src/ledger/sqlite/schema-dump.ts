import { Database } from "bun:sqlite";
import { migrate } from "./migrate.ts";
import { MIGRATIONS } from "./migrations/migrations.ts";

const HEAD = `-- Generated: the schema as all migrations leave it, to be read and compared. Repair: npm run gen
`;

/** Text of schema.sql. */
export function schemaDump(): string {
  const database = new Database(":memory:");
  try {
    migrate(database, {
      path: ":memory:",
      migrations: MIGRATIONS,
      holdallVersion: "0",
      nowMs: 0,
    });
    const rows = database
      .prepare(
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY tbl_name, type DESC, name",
      )
      .values();
    return [HEAD, ...rows.map(([sql]) => `${String(sql)};\n`)].join("\n");
  } finally {
    database.close();
  }
}
