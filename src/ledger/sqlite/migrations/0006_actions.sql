-- Actions of workflows that were taken on: once each, or once by every worker (worker 0 = for all).
CREATE TABLE actions (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  action INTEGER NOT NULL CHECK (action >= 0),
  worker INTEGER NOT NULL CHECK (worker >= 0),
  claimed_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  exit_code INTEGER,
  message TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (workflow_id, action, worker)
) STRICT, WITHOUT ROWID;
