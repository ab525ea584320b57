-- name: insert_result
INSERT INTO results (
  workflow_id, task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);
-- name: insert_attempt
INSERT INTO attempts (
  workflow_id, task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12);
-- name: insert_output
INSERT INTO outputs (workflow_id, task, attempt, stdout, stderr, stdout_bytes, stderr_bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7);
-- name: insert_assignment
INSERT INTO assignments (workflow_id, worker_id, tasks, attempts) VALUES (?1, ?2, ?3, ?4);
-- name: insert_canceled
INSERT INTO canceled (workflow_id, task, reason, at_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (workflow_id, task) DO NOTHING;
-- name: keep_results
-- tasks ?2 to ?3
INSERT INTO attempts (
  workflow_id, task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
)
SELECT
  workflow_id, task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
FROM results WHERE workflow_id = ?1 AND task BETWEEN ?2 AND ?3;
-- name: forgive_attempts
UPDATE attempts SET forgiven = 1
WHERE workflow_id = ?1 AND task BETWEEN ?2 AND ?3 AND forgiven = 0;
-- name: forget_results
DELETE FROM results WHERE workflow_id = ?1 AND task BETWEEN ?2 AND ?3;
-- name: forget_canceled
DELETE FROM canceled WHERE workflow_id = ?1 AND task BETWEEN ?2 AND ?3;
-- name: forget_files
DELETE FROM files WHERE workflow_id = ?1 AND task = ?2;
-- name: forget_files_of
DELETE FROM files WHERE workflow_id = ?1 AND task BETWEEN ?2 AND ?3;
-- name: insert_file
INSERT INTO files (workflow_id, task, role, path, bytes, mtime_ns, inode, sha256)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (workflow_id, task, role, path) DO UPDATE SET
  bytes = excluded.bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode, sha256 = excluded.sha256;
-- name: add_worker
INSERT INTO workers (instance, host, pid, joined_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (instance) DO UPDATE SET host = excluded.host, pid = excluded.pid
RETURNING id;
-- name: put_worker
INSERT INTO workers (id, instance, host, pid, joined_ms) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET instance = excluded.instance, host = excluded.host, pid = excluded.pid;
