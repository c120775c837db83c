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
    seq    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
