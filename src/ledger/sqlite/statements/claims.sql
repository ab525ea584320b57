-- name: put_claim
INSERT INTO claims (id, workflow_id, worker_id, lease_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (id) DO UPDATE SET lease_ms = excluded.lease_ms;
-- name: end_claim
UPDATE claims SET ended_ms = ?2 WHERE id = ?1;
-- name: forget_claim
DELETE FROM claims WHERE id = ?1;
-- name: start_claimed
INSERT INTO claim_starts (claim_id, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING;
-- name: forget_claim_starts
DELETE FROM claim_starts WHERE claim_id = ?1;
-- name: forget_claims
DELETE FROM claims WHERE ended_ms < ?1;
-- name: forget_answers
DELETE FROM answers WHERE at_ms < ?1;
-- name: all_claims
SELECT id, workflow_id, worker_id, lease_ms, ended_ms FROM claims ORDER BY worker_id, id;
-- name: claim_starts
SELECT task FROM claim_starts WHERE claim_id = ?1 ORDER BY task;
-- name: put_answer
INSERT INTO answers (key, status, body, at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET
  status = excluded.status, body = excluded.body, at_ms = excluded.at_ms;
-- name: get_answer
SELECT status, body, at_ms FROM answers WHERE key = ?1;
-- name: delete_claim_starts
DELETE FROM claim_starts WHERE claim_id IN (SELECT id FROM claims WHERE workflow_id = ?1);
-- name: delete_claims
DELETE FROM claims WHERE workflow_id = ?1;
