-- Hosts that get nothing new, by a person's word. until_ms: by the wall clock, null = until unblocked.
CREATE TABLE host_blocks (
  host TEXT NOT NULL PRIMARY KEY,
  until_ms INTEGER,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
