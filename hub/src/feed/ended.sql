-- Grants that ended before their time was over: hosts hear of their end until then.
CREATE INDEX IF NOT EXISTS grants_ended ON grants (latest_ms) WHERE closed = 1;
