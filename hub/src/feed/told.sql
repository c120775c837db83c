-- The hosts that hear of a grant, for what changed to wake them alone.
CREATE INDEX IF NOT EXISTS signed_host_id ON signed_host (id);
