-- name: begin
BEGIN IMMEDIATE;
-- name: commit
COMMIT;
-- name: rollback
ROLLBACK;
-- name: get_meta
SELECT value FROM meta WHERE key = ?1;
-- name: set_meta
INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value;
-- name: set_seq
UPDATE meta SET value = ?1 WHERE key = 'seq';
