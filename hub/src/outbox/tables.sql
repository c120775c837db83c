-- What people and programs are still to hear, and what they were shown. A letter says that one thing happened, and is sent
-- once; a copy (event 0) shows one request through its whole life, and is changed in place. Times are milliseconds after the
-- Unix epoch. Nothing here is text for anybody: that is made when it is sent, from what is committed then.
CREATE TABLE IF NOT EXISTS outbox (
    channel   TEXT NOT NULL,
    recipient TEXT NOT NULL,
    about     INTEGER NOT NULL,           -- the request; 0: what a limit held back
    event     INTEGER NOT NULL,           -- the record that a letter is about
    kind      TEXT NOT NULL,              -- what happened, by its name in the journal
    wanted    INTEGER NOT NULL,           -- the record that it must be as new as
    shown     INTEGER NOT NULL DEFAULT 0, -- the record that it was as new as when it was sent last
    reference TEXT,                       -- what the channel finds a copy by
    over      INTEGER NOT NULL DEFAULT 0, -- 0: to be sent; 1: sent, or there was nothing to say; 2: given up
    closed    INTEGER NOT NULL,           -- nothing more will happen to what it is about
    knock     INTEGER NOT NULL,           -- a refused login brought it about
    due_ms    INTEGER NOT NULL,           -- when it is tried next; while it is held, when that ends
    until_ms  INTEGER NOT NULL,           -- when it is given up
    holder    TEXT,                       -- who is sending it; empty: nobody, and what else there is for them waits behind it
    tries     INTEGER NOT NULL DEFAULT 0,
    error     TEXT,                       -- why the last try failed
    made_ms   INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,           -- when it changed last
    PRIMARY KEY (channel, recipient, about, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (channel, due_ms) WHERE over = 0;
CREATE INDEX IF NOT EXISTS outbox_first ON outbox (channel, recipient, event, due_ms, about) WHERE over = 0;
CREATE INDEX IF NOT EXISTS outbox_held ON outbox (channel, recipient, due_ms) WHERE holder IS NOT NULL;
CREATE INDEX IF NOT EXISTS outbox_copies ON outbox (about) WHERE event = 0;
CREATE INDEX IF NOT EXISTS outbox_lately ON outbox (channel, recipient, made_ms);
CREATE INDEX IF NOT EXISTS outbox_past ON outbox (at_ms) WHERE over > 0;

-- Requests that made the grant of another one longer: what happens to that grant is news of theirs too.
CREATE TABLE IF NOT EXISTS outbox_extension (
    original  INTEGER NOT NULL,
    extension INTEGER NOT NULL,
    PRIMARY KEY (original, extension)
) STRICT, WITHOUT ROWID;
