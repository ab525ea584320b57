-- name: claim_action
INSERT INTO actions (workflow_id, action, worker, claimed_ms) VALUES (?1, ?2, ?3, ?4);
-- name: end_action
UPDATE actions SET ended_ms = ?4, exit_code = ?5, message = ?6 WHERE workflow_id = ?1 AND action = ?2 AND worker = ?3;
-- name: delete_actions
DELETE FROM actions WHERE workflow_id = ?1;
-- name: actions
SELECT action, worker, claimed_ms, ended_ms, exit_code, message FROM actions WHERE workflow_id = ?1 ORDER BY action, worker;
