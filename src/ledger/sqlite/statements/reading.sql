-- name: results_page
SELECT task, attempt, outcome FROM results
WHERE workflow_id = ?1 AND task > ?2 ORDER BY task LIMIT ?3;
-- name: attempts_page
SELECT task, attempt, outcome FROM attempts
WHERE workflow_id = ?1 AND (task, attempt) > (?2, ?3) ORDER BY task, attempt LIMIT ?4;
-- name: failures_page
-- since the last reset of their task; that an attempt was lost while it ran is told by its message alone
SELECT task, attempt, outcome, exit, started_ms IS NOT NULL OR message IS NOT NULL, peak_bytes,
  CASE WHEN outcome IN (3, 5) THEN message END FROM attempts
WHERE workflow_id = ?1 AND forgiven = 0 AND outcome <> 0 AND (task, attempt) > (?2, ?3)
ORDER BY task, attempt LIMIT ?4;
-- name: canceled_page
SELECT task FROM canceled WHERE workflow_id = ?1 AND task > ?2 ORDER BY task LIMIT ?3;
-- name: assignments_page
SELECT id, worker_id, tasks, attempts FROM assignments
WHERE workflow_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3;
-- name: statistics_page
SELECT task, outcome, wall_us, user_us + system_us, peak_bytes FROM results
WHERE workflow_id = ?1 AND task > ?2 ORDER BY task LIMIT ?3;
-- name: count_results
SELECT count(*) FROM results WHERE workflow_id = ?1 AND task >= 0;
-- name: result_of
SELECT task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
FROM results WHERE workflow_id = ?1 AND task = ?2;
-- name: attempts_of
SELECT task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
FROM attempts WHERE workflow_id = ?1 AND task = ?2 ORDER BY attempt;
-- name: last_attempt_of
SELECT task, attempt, outcome, exit, started_ms, wall_us, user_us, system_us, peak_bytes, worker_id, message
FROM attempts WHERE workflow_id = ?1 AND task = ?2 ORDER BY attempt DESC LIMIT 1;
-- name: get_output
SELECT stdout, stderr, stdout_bytes, stderr_bytes FROM outputs
WHERE workflow_id = ?1 AND task = ?2 AND attempt = ?3;
-- name: get_files
SELECT task, role, path, bytes, mtime_ns, inode, sha256 FROM files
WHERE workflow_id = ?1 AND task >= 0 ORDER BY task, role, path;
-- name: worker_host
SELECT host FROM workers WHERE id = ?1;
-- name: worker_process
SELECT instance, host, pid FROM workers WHERE id = ?1;
-- name: find_worker
SELECT id FROM workers WHERE instance = ?1 AND host = ?2 AND pid = ?3;
