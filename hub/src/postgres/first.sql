
-- Where the journal ends. The row is locked first by whoever writes.
ALTER TABLE head ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE head ADD COLUMN hash BYTEA;

-- The steps that were taken, and the newest one that a hub must know at least to go on after each.
CREATE TABLE schema_version (version BIGINT PRIMARY KEY, oldest BIGINT NOT NULL);
