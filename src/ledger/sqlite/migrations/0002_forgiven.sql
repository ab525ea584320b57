-- Attempts from before the last reset of their task: their failures do not count against its retries.
ALTER TABLE attempts ADD COLUMN forgiven INTEGER NOT NULL DEFAULT 0 CHECK (forgiven IN (0, 1));
