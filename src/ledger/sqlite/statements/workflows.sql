-- name: insert_workflow
INSERT INTO workflows (name, source, digest, first_task_id, task_count, submitted_ms, options)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
RETURNING id;
-- name: update_workflow
UPDATE workflows SET name = ?2, source = ?3, digest = ?4, first_task_id = ?5, task_count = ?6 WHERE id = ?1;
-- name: update_options
UPDATE workflows SET options = ?2 WHERE id = ?1;
-- name: end_workflow
UPDATE workflows SET ended_ms = ?2 WHERE id = ?1;
-- name: all_workflows
SELECT id, name, source, digest, first_task_id, task_count, submitted_ms, ended_ms, options
FROM workflows ORDER BY id;
-- name: get_workflow
SELECT id, name, source, digest, first_task_id, task_count, submitted_ms, ended_ms, options
FROM workflows WHERE id = ?1;
-- name: insert_definition
INSERT INTO definitions (workflow_id, body, edges) VALUES (?1, ?2, ?3);
-- name: get_definition
SELECT body, edges FROM definitions WHERE workflow_id = ?1;
-- name: insert_block
INSERT INTO blocks (workflow_id, block, kind, first_task, task_count, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6);
-- name: get_blocks
SELECT kind, first_task, task_count, body FROM blocks WHERE workflow_id = ?1 ORDER BY block;
-- name: insert_body
INSERT INTO task_bodies (workflow_id, task, name, body) VALUES (?1, ?2, ?3, ?4);
-- name: get_body
SELECT name, body FROM task_bodies WHERE workflow_id = ?1 AND task = ?2;
-- name: task_by_name
SELECT task FROM task_bodies WHERE workflow_id = ?1 AND name = ?2;
-- name: delete_definition
DELETE FROM definitions WHERE workflow_id = ?1;
-- name: delete_blocks
DELETE FROM blocks WHERE workflow_id = ?1;
-- name: delete_bodies
DELETE FROM task_bodies WHERE workflow_id = ?1;
-- name: delete_results
DELETE FROM results WHERE workflow_id = ?1;
-- name: delete_attempts
DELETE FROM attempts WHERE workflow_id = ?1;
-- name: delete_outputs
DELETE FROM outputs WHERE workflow_id = ?1;
-- name: delete_canceled
DELETE FROM canceled WHERE workflow_id = ?1;
-- name: delete_assignments
DELETE FROM assignments WHERE workflow_id = ?1;
-- name: delete_files
DELETE FROM files WHERE workflow_id = ?1;
-- name: delete_workflow
DELETE FROM workflows WHERE id = ?1;
