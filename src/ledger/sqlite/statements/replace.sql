-- Renumbering happens in two steps through a range that nothing else uses (?2 below), so that no two tasks meet.
-- name: create_moves
CREATE TEMP TABLE moves (old_task INTEGER PRIMARY KEY, new_task INTEGER NOT NULL);
-- name: drop_moves
DROP TABLE temp.moves;
-- name: insert_move
INSERT INTO temp.moves (old_task, new_task) VALUES (?1, ?2);
-- name: lowest_task
SELECT min(task) FROM (
  SELECT min(task) AS task FROM results WHERE workflow_id = ?1
  UNION ALL SELECT min(task) FROM attempts WHERE workflow_id = ?1
  UNION ALL SELECT min(task) FROM outputs WHERE workflow_id = ?1
);
-- name: lift_results
UPDATE results SET task = new_task - ?2 FROM temp.moves WHERE workflow_id = ?1 AND task = old_task;
-- name: land_results
UPDATE results SET task = task + ?2 WHERE workflow_id = ?1 AND task < -?2 / 2;
-- name: lift_attempts
UPDATE attempts SET task = new_task - ?2 FROM temp.moves WHERE workflow_id = ?1 AND task = old_task;
-- name: land_attempts
UPDATE attempts SET task = task + ?2 WHERE workflow_id = ?1 AND task < -?2 / 2;
-- name: lift_outputs
UPDATE outputs SET task = new_task - ?2 FROM temp.moves WHERE workflow_id = ?1 AND task = old_task;
-- name: land_outputs
UPDATE outputs SET task = task + ?2 WHERE workflow_id = ?1 AND task < -?2 / 2;
-- name: lift_files
UPDATE files SET task = new_task - ?2 FROM temp.moves WHERE workflow_id = ?1 AND task = old_task;
-- name: land_files
UPDATE files SET task = task + ?2 WHERE workflow_id = ?1 AND task < -?2 / 2;
-- name: lift_canceled
UPDATE canceled SET task = new_task - ?2 FROM temp.moves WHERE workflow_id = ?1 AND task = old_task;
-- name: land_canceled
UPDATE canceled SET task = task + ?2 WHERE workflow_id = ?1 AND task < -?2 / 2;
-- name: drop_dropped_files
DELETE FROM files WHERE workflow_id = ?1 AND task < 0;
-- name: drop_dropped_canceled
DELETE FROM canceled WHERE workflow_id = ?1 AND task < 0;
-- name: update_assignment
UPDATE assignments SET tasks = ?2 WHERE id = ?1;
