-- Tables of the hub alone, beside those that every daemon's file has. Times are milliseconds after the Unix epoch;
-- seq is the record that last changed the row.

-- Of a token only the SHA-256 is here: who reads this file cannot use it.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    hash       BLOB NOT NULL UNIQUE,
    person     TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked    INTEGER NOT NULL DEFAULT 0,
    used_ms    INTEGER,
    body       TEXT NOT NULL,
    seq        INTEGER NOT NULL
) STRICT;
CREATE INDEX token_person ON token (person);

CREATE TABLE role (
    person TEXT NOT NULL,
    role   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (person, role)
) STRICT, WITHOUT ROWID;

CREATE TABLE host (
    name   TEXT PRIMARY KEY,
    labels TEXT NOT NULL, -- a JSON object
    key    TEXT NOT NULL, -- what it signs its calls with
    machine TEXT NOT NULL, -- SHA-256 of its machine id: another machine with the same key is a copy
    joined BLOB NOT NULL, -- the hash of the token that let it in
    joined_ms INTEGER NOT NULL,
    incarnation INTEGER NOT NULL DEFAULT 1, -- the life of this database that it gave back to what it knew of earlier ones
    seq    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What each host said last, and to which of the hubs that share this it listens: written now and then, and no part of
-- any decision.
CREATE TABLE host_seen (
    name      TEXT PRIMARY KEY,
    seen_ms   INTEGER NOT NULL,
    revision  INTEGER NOT NULL,
    version   TEXT NOT NULL,
    hub       TEXT NOT NULL,
    listening INTEGER NOT NULL,
    ahead_ms  INTEGER,  -- its clock, of the hub's
    last_seq  INTEGER,  -- of its journal
    gated     TEXT      -- PAM services, each followed by a space
) STRICT, WITHOUT ROWID;
CREATE TABLE serving (hub TEXT PRIMARY KEY, alive_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- What lets new hosts in: only the SHA-256 is here.
CREATE TABLE join_token (
    hash       BLOB PRIMARY KEY,
    labels     TEXT NOT NULL,
    uses       INTEGER NOT NULL, -- that are left
    expires_ms INTEGER NOT NULL,
    seq        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest version of each grant as it was signed. Bodies are never written anew.
CREATE TABLE signed (
    id       INTEGER PRIMARY KEY,
    version  INTEGER NOT NULL,
    digest   TEXT NOT NULL,
    envelope TEXT NOT NULL,
    key      TEXT NOT NULL, -- what signed it
    hidden   INTEGER NOT NULL DEFAULT 0, -- it ended, and could not be signed as ended yet
    until_ms INTEGER NOT NULL,   -- it is listed until then, so that what ended is known to have
    revision INTEGER NOT NULL    -- at which it came
) STRICT;
CREATE INDEX signed_revision ON signed (revision);
CREATE TABLE signed_host (
    host TEXT NOT NULL,
    id   INTEGER NOT NULL,
    PRIMARY KEY (host, id)
) STRICT, WITHOUT ROWID;

-- Journals of hosts as far as they were taken, by the log's name and by how the host joined: one that joins anew begins
-- anew here, and what was taken before stays as it is.
CREATE TABLE host_log (
    host     TEXT NOT NULL,
    joined   BLOB NOT NULL,
    log      TEXT NOT NULL,
    first    INTEGER NOT NULL,   -- the place of the first record that the host still had
    size     INTEGER NOT NULL,   -- the place of the last one
    hash     BLOB NOT NULL,      -- and its hash: what the host must go on from
    alarm    TEXT,               -- what is wrong with it
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY (host, joined, log)
) STRICT, WITHOUT ROWID;
CREATE TABLE host_record (
    host    TEXT NOT NULL,
    joined  BLOB NOT NULL,
    log     TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    boot    TEXT NOT NULL,
    wall_ms INTEGER NOT NULL,
    boot_ms INTEGER NOT NULL,
    body    TEXT NOT NULL,
    prev    BLOB NOT NULL,
    hash    BLOB NOT NULL,
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY (host, joined, log, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_record_heard ON host_record (heard_ms);

-- What lets a person break glass on a host while the hub is away, as it was signed.
CREATE TABLE permit (
    id       INTEGER PRIMARY KEY, -- the grant's that it becomes
    host     TEXT NOT NULL,
    person   TEXT NOT NULL,
    listed   INTEGER NOT NULL,    -- 0: used, taken back or renewed
    digest   TEXT NOT NULL,
    envelope TEXT NOT NULL,
    key      TEXT NOT NULL,       -- that signed it
    era      TEXT NOT NULL,       -- of the keys that hosts believed then
    body     TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX permit_host ON permit (host, id) WHERE listed = 1;

-- What is open on hosts, as they told last.
CREATE TABLE host_session (
    host      TEXT NOT NULL,
    id        INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    body      TEXT NOT NULL,
    ending    TEXT,              -- who wants it ended
    PRIMARY KEY (host, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX host_session_id ON host_session (id);
CREATE INDEX host_session_newest ON host_session (opened_ms);

-- One row: rises with every change that hosts must hear of, in the order of commits.
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL) STRICT;
INSERT INTO head (one, revision) VALUES (1, 0);
