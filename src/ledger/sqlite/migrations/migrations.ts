import initial from "./0001_initial.sql" with { type: "text" };
import forgiven from "./0002_forgiven.sql" with { type: "text" };
import acknowledged from "./0003_acknowledged.sql" with { type: "text" };
import claims from "./0004_claims.sql" with { type: "text" };
import hostBlocks from "./0005_host_blocks.sql" with { type: "text" };
import actions from "./0006_actions.sql" with { type: "text" };

/** One step of the schema; `version` counts from 1 without gaps. A migration that was released is never changed. */
export interface Migration {
  version: number;
  name: string;
  sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: "initial", sql: initial },
  { version: 2, name: "forgiven", sql: forgiven },
  { version: 3, name: "acknowledged", sql: acknowledged },
  { version: 4, name: "claims", sql: claims },
  { version: 5, name: "host_blocks", sql: hostBlocks },
  { version: 6, name: "actions", sql: actions },
];
