-- Accounts at providers of identities, each one person's.
CREATE TABLE IF NOT EXISTS identity (
    issuer   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    person   TEXT NOT NULL,
    bound_ms INTEGER NOT NULL,
    bound_by TEXT NOT NULL,
    used_ms  INTEGER,
    seq      INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS identity_person ON identity (person);
-- Such accounts that were shown in a browser that is signed in, whose person has not said yet whether they are theirs.
CREATE TABLE IF NOT EXISTS identity_shown (
    hash       BLOB PRIMARY KEY,
    issuer     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    sign_in    INTEGER NOT NULL, -- the token of that browser
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Commands that wait to be let in by a sign-in. Only the SHA-256 of what they take their token with is here.
CREATE TABLE IF NOT EXISTS login (
    hash       BLOB PRIMARY KEY,
    code       TEXT UNIQUE,      -- what is typed into the page, for a machine without a browser
    challenge  TEXT,             -- RFC 7636, for one with
    name       TEXT NOT NULL,
    scopes     TEXT NOT NULL,    -- a JSON array: what it asks for, then what it gets
    address    TEXT NOT NULL,
    person     TEXT,             -- who said something
    sign_in    INTEGER,          -- by this sign-in
    allowed    INTEGER NOT NULL DEFAULT 0,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What a sign-in made in its person's own name, and a token by its links, which ends where that is revoked.
CREATE TABLE IF NOT EXISTS sign_in_made (
    token      INTEGER PRIMARY KEY,
    sign_in    INTEGER NOT NULL, -- the token of that browser, or the one that made the link
    expires_ms INTEGER NOT NULL  -- as the token's
) STRICT;
CREATE INDEX IF NOT EXISTS sign_in_made_by ON sign_in_made (sign_in);

-- Tokens that are good, among those that are kept to be looked up.
CREATE INDEX IF NOT EXISTS token_good ON token (expires_ms) WHERE revoked = 0;

-- Sessions that were on hosts, as their journals tell.
CREATE TABLE IF NOT EXISTS past_session (
    host      TEXT NOT NULL,
    id        INTEGER NOT NULL,
    grant_id  INTEGER,
    subject   TEXT NOT NULL,
    target    TEXT NOT NULL,
    service   TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    ended_ms  INTEGER,
    how       TEXT,              -- why it ended, where it did not end by itself
    heard_ms  INTEGER NOT NULL,  -- by the clock here: when it was is the word of the host
    PRIMARY KEY (host, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS past_session_opened ON past_session (opened_ms);
CREATE INDEX IF NOT EXISTS past_session_host ON past_session (host, opened_ms);
CREATE INDEX IF NOT EXISTS past_session_subject ON past_session (subject, opened_ms);
CREATE INDEX IF NOT EXISTS past_session_grant ON past_session (grant_id, opened_ms);
CREATE INDEX IF NOT EXISTS past_session_heard ON past_session (heard_ms);

-- When a host began to use a grant, whose clock may start by that.
CREATE TABLE IF NOT EXISTS first_use (
    grant_id INTEGER NOT NULL,
    host     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,  -- by the word of the host
    heard_ms INTEGER NOT NULL,
    PRIMARY KEY (grant_id, host)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS first_use_heard ON first_use (heard_ms);
