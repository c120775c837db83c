-- What this host knows from its hub, where it has one: the last message but for its grants, and each grant.
CREATE TABLE served (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL) STRICT;
CREATE TABLE known (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;

-- What was asked here for the hub to hear of, in the order in which it was asked; with its answer for a while.
CREATE TABLE ask (
    n           INTEGER PRIMARY KEY AUTOINCREMENT,
    id          INTEGER NOT NULL UNIQUE,
    login       TEXT NOT NULL,
    key         TEXT,             -- of the call that asked
    body        TEXT NOT NULL,
    until_ms    INTEGER NOT NULL, -- it is sent until then
    answer      TEXT,
    answered_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX ask_key ON ask (login, key) WHERE key IS NOT NULL;
CREATE INDEX ask_waits ON ask (n) WHERE answer IS NULL;
CREATE INDEX ask_answered ON ask (answered_ms) WHERE answered_ms IS NOT NULL;

-- What lets people break glass here while the hub is away; and which of it was used, for ever.
CREATE TABLE permit (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE glass (id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
