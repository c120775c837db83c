-- When a host of this name was taken away last: what the root signed of one that joined before then brings it back no more.
CREATE TABLE IF NOT EXISTS host_removed (
    name       TEXT PRIMARY KEY,
    removed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
