-- name: put_host_block
INSERT INTO host_blocks (host, until_ms, reason, at_ms) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (host) DO UPDATE SET
  until_ms = excluded.until_ms, reason = excluded.reason, at_ms = excluded.at_ms;
-- name: delete_host_block
DELETE FROM host_blocks WHERE host = ?1;
-- name: host_blocks
SELECT host, until_ms, reason, at_ms FROM host_blocks ORDER BY host;
