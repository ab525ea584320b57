-- Everything Holdall remembers. Times are milliseconds since the epoch, durations microseconds, sizes bytes.
-- Tasks are numbered from 0 inside their workflow; a negative number is a task that a newer definition dropped.

CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- Global id of the next task to be stored; ids are never given twice, also not after a workflow was deleted.
INSERT INTO meta (key, value) VALUES ('next_task_id', 1);

-- AUTOINCREMENT: "workflow 3" never comes to mean another one.
CREATE TABLE workflows (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  source TEXT,
  digest TEXT NOT NULL,
  first_task_id INTEGER NOT NULL CHECK (first_task_id >= 1),
  task_count INTEGER NOT NULL CHECK (task_count >= 0),
  submitted_ms INTEGER NOT NULL,
  ended_ms INTEGER,
  options TEXT NOT NULL CHECK (json_valid(options))
) STRICT;

-- What a definition holds besides its blocks, apart from `workflows` so that listing those reads no large rows.
CREATE TABLE definitions (
  workflow_id INTEGER PRIMARY KEY REFERENCES workflows (id),
  body TEXT NOT NULL,
  -- pairs [upstream, dependent] of 32-bit little-endian integers
  edges BLOB NOT NULL CHECK (length(edges) % 8 = 0)
) STRICT;

-- A task array is one row however many tasks it has.
CREATE TABLE blocks (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  block INTEGER NOT NULL CHECK (block >= 0),
  kind TEXT NOT NULL CHECK (kind IN ('array', 'explicit')),
  first_task INTEGER NOT NULL CHECK (first_task >= 0),
  task_count INTEGER NOT NULL CHECK (task_count >= 0),
  body TEXT NOT NULL,
  PRIMARY KEY (workflow_id, block)
) STRICT;

-- Tasks that are written out one by one; the name is not repeated in the body.
CREATE TABLE task_bodies (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL CHECK (task >= 0),
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (workflow_id, task)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX task_bodies_name ON task_bodies (workflow_id, name);

CREATE TABLE workers (
  id INTEGER PRIMARY KEY,
  -- unique for the worker process
  instance TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  joined_ms INTEGER NOT NULL
) STRICT;

-- The promise: at most one accepted completion of a task. `outcome` is an index into OUTCOMES (core/states.ts).
CREATE TABLE results (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 1),
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 63),
  -- exit code, or -signal, or null when it never ran
  exit INTEGER CHECK (exit BETWEEN -255 AND 255),
  started_ms INTEGER,
  wall_us INTEGER,
  user_us INTEGER,
  system_us INTEGER,
  peak_bytes INTEGER,
  worker_id INTEGER NOT NULL,
  message TEXT,
  PRIMARY KEY (workflow_id, task)
) STRICT, WITHOUT ROWID;

-- Every other attempt: failed and tried again, lost, superseded, canceled, or accepted before a reset.
CREATE TABLE attempts (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 1),
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 63),
  exit INTEGER CHECK (exit BETWEEN -255 AND 255),
  started_ms INTEGER,
  wall_us INTEGER,
  user_us INTEGER,
  system_us INTEGER,
  peak_bytes INTEGER,
  worker_id INTEGER NOT NULL,
  message TEXT,
  PRIMARY KEY (workflow_id, task, attempt)
) STRICT, WITHOUT ROWID;

-- With rowid: rows hold up to 128 KiB, and large rows make a clustered index deep.
CREATE TABLE outputs (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL CHECK (attempt >= 1),
  stdout BLOB,
  stderr BLOB,
  -- written in all; more than what is stored when it was cut or lies in a file
  stdout_bytes INTEGER NOT NULL CHECK (stdout_bytes >= ifnull(length(stdout), 0)),
  stderr_bytes INTEGER NOT NULL CHECK (stderr_bytes >= ifnull(length(stderr), 0)),
  PRIMARY KEY (workflow_id, task, attempt)
) STRICT;

CREATE TABLE canceled (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (workflow_id, task)
) STRICT, WITHOUT ROWID;

-- What was handed out, a row a message: equally long lists of 32-bit little-endian integers. No index by workflow: it
-- would be one more page to write with every commit, and the rows are deleted when their workflow has nothing left to do.
CREATE TABLE assignments (
  id INTEGER PRIMARY KEY,
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  worker_id INTEGER NOT NULL,
  tasks BLOB NOT NULL CHECK (length(tasks) % 4 = 0),
  attempts BLOB NOT NULL CHECK (length(attempts) = length(tasks))
) STRICT;

-- What declared files looked like when their task succeeded.
CREATE TABLE files (
  workflow_id INTEGER NOT NULL REFERENCES workflows (id),
  task INTEGER NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('input', 'output')),
  path TEXT NOT NULL,
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  -- text: nanoseconds and inodes exceed what a JavaScript number holds
  mtime_ns TEXT NOT NULL,
  inode TEXT NOT NULL,
  sha256 TEXT CHECK (length(sha256) = 64),
  PRIMARY KEY (workflow_id, task, role, path)
) STRICT, WITHOUT ROWID;
