import schema from "../../../schema/holdall.schema.json" with { type: "json" };

/** What `npm run gen` made of the tables of keys. */
export function schemaText(): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** How documents call it when it lies beside them. */
export const SCHEMA_FILE = "holdall.schema.json";
