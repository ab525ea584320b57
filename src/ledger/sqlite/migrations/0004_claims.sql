-- What runners that poll have claimed. The tasks of a claim are the assignments of its worker: a number is used for one claim at a time.
CREATE TABLE claims (
  id TEXT NOT NULL PRIMARY KEY,
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  worker_id INTEGER NOT NULL,
  -- null = held for a while until its tasks have started, then until they have ended
  lease_ms INTEGER CHECK (lease_ms > 0),
  ended_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Tasks of open claims that their runner has started.
CREATE TABLE claim_starts (
  claim_id TEXT NOT NULL,
  task INTEGER NOT NULL,
  PRIMARY KEY (claim_id, task)
) STRICT, WITHOUT ROWID;

-- What was answered to a request with an idempotency key: the same key gets the same answer.
CREATE TABLE answers (
  key TEXT NOT NULL PRIMARY KEY,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX answers_at ON answers (at_ms);
