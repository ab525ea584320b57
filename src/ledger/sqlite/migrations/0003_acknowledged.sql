-- Number of the last commit: compared at opening with the one that ledger.ack says was acknowledged.
INSERT INTO meta (key, value) VALUES ('seq', 0);

-- Unique for this ledger. It was written by the first commit until now; here it is in the main file from the start, so that
-- a ledger which lost its whole log is still known. RFC 9562, version 4.
INSERT INTO meta (key, value) VALUES ('uuid', lower(
  hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
  substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))
)) ON CONFLICT (key) DO NOTHING;
