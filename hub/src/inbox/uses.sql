-- How hosts say that grants were used: one row for each session that is over. Times are milliseconds after the Unix epoch.
CREATE TABLE IF NOT EXISTS grant_use (
    grant_id  INTEGER NOT NULL,
    host      TEXT NOT NULL,
    session   INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    closed_ms INTEGER NOT NULL,
    PRIMARY KEY (grant_id, host, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grant_use_closed ON grant_use (closed_ms);
