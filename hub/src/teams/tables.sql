-- Accounts in chats that people said are theirs, signed in. Times are milliseconds after the Unix epoch; seq is the record that
-- last changed the row.
CREATE TABLE IF NOT EXISTS teams_account (
    tenant    TEXT NOT NULL,    -- a tenant of Microsoft's, by the bot; webhook/NAME, slack/TEAM
    account   TEXT NOT NULL,    -- the id in the tenant's directory, or in the workspace
    person    TEXT NOT NULL,
    name      TEXT NOT NULL,    -- as the chat showed it then
    chat      TEXT NOT NULL,    -- what a bot calls the account by
    linked_ms INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    PRIMARY KEY (tenant, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS teams_account_person ON teams_account (person);

-- Of before, and empty or over: codes are in chat_code. It stays, for steps only add, and files of then that are brought to a
-- server have it.
CREATE TABLE IF NOT EXISTS teams_code (
    hash       BLOB PRIMARY KEY,
    person     TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    account    TEXT,            -- who said it
    name       TEXT,
    chat       TEXT
) STRICT, WITHOUT ROWID;

-- Chats and channels that the bot is in, and where they are called.
CREATE TABLE IF NOT EXISTS teams_place (
    conversation TEXT PRIMARY KEY,
    tenant       TEXT NOT NULL,
    service      TEXT NOT NULL,
    kind         TEXT NOT NULL,    -- personal, channel, groupChat
    account      TEXT NOT NULL,    -- whose, where it is personal
    listens      INTEGER NOT NULL, -- whether it hears of every request
    heard_ms     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS teams_place_account ON teams_place (account);
