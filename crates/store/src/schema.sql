-- Version 1. Times are milliseconds after the Unix epoch. Every row of state carries the SHA-256 of its
-- body and the journal record that last changed it, so that a repair can tell which rows are true.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    seq     INTEGER PRIMARY KEY,
    boot    TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    body    TEXT NOT NULL,
    prev    BLOB NOT NULL,
    hash    BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, wall_ms INTEGER NOT NULL) STRICT;

CREATE TABLE request (
    id       INTEGER PRIMARY KEY,
    state    TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    person   TEXT NOT NULL,
    asked_ms INTEGER NOT NULL,
    due_ms   INTEGER,            -- when time alone does something to it
    auto     TEXT,               -- the rule that let in by itself
    unseen   INTEGER NOT NULL,   -- a break glass that nobody has looked at
    body     TEXT NOT NULL,
    digest   BLOB NOT NULL,
    seq      INTEGER NOT NULL
) STRICT;
CREATE INDEX request_due ON request (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX request_waits ON request (asked_ms, id) WHERE state = 'pending' OR unseen = 1;
CREATE INDEX request_waits_for ON request (person) WHERE state = 'pending' OR unseen = 1;
CREATE INDEX request_waits_by ON request (asked_by) WHERE state = 'pending';
CREATE INDEX request_auto ON request (person, auto, asked_ms) WHERE auto IS NOT NULL;
CREATE INDEX request_newest ON request (asked_ms, id);
CREATE INDEX request_person ON request (person, asked_ms, id);
CREATE INDEX request_asked_by ON request (asked_by, asked_ms, id);

CREATE TABLE grants (
    id        INTEGER PRIMARY KEY,
    version   INTEGER NOT NULL,
    person    TEXT NOT NULL,
    hosts     TEXT NOT NULL,     -- each between spaces
    closed    INTEGER NOT NULL,
    latest_ms INTEGER NOT NULL,  -- when it is over at the latest, by its first use where there is one
    at_ms     INTEGER NOT NULL,
    body      TEXT NOT NULL,
    digest    BLOB NOT NULL,
    seq       INTEGER NOT NULL
) STRICT;
CREATE INDEX grants_open ON grants (latest_ms) WHERE closed = 0;
CREATE INDEX grants_open_newest ON grants (at_ms) WHERE closed = 0;
CREATE INDEX grants_held ON grants (person, at_ms) WHERE closed = 0;
CREATE INDEX grants_newest ON grants (at_ms);
CREATE INDEX grants_person ON grants (person, at_ms);

CREATE TABLE policy (
    version INTEGER PRIMARY KEY,
    body    TEXT NOT NULL,
    digest  BLOB NOT NULL,
    seq     INTEGER NOT NULL
) STRICT;

CREATE TABLE claim (
    grant_id   INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    ends_ms    INTEGER NOT NULL,
    seq        INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
    id       INTEGER PRIMARY KEY,
    grant_id INTEGER,
    closed   INTEGER NOT NULL DEFAULT 0, -- its login is over, and something of it still runs
    body     TEXT NOT NULL,
    seq      INTEGER NOT NULL
) STRICT;
CREATE INDEX session_grant ON session (grant_id);

-- How much a grant was used on this host: sessions it carried, and the time that at least one was open.
CREATE TABLE used (
    grant_id INTEGER PRIMARY KEY,
    sessions INTEGER NOT NULL,
    ms       INTEGER NOT NULL,
    since_ms INTEGER             -- when the first of those that are open now was opened
) STRICT;

CREATE TABLE idempotency (
    person TEXT NOT NULL,
    key    TEXT NOT NULL,
    call   TEXT NOT NULL,
    answer TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (person, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at_ms);
CREATE INDEX idempotency_person ON idempotency (person, at_ms);
