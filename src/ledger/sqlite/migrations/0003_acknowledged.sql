-- Number of the last commit: compared at opening with the one that ledger.ack says was acknowledged.
INSERT INTO meta (key, value) VALUES ('seq', 0);
