-- Words that link an account in a chat: shown on a page, said in the chat, confirmed on the page. Only the SHA-256 is here. Times
-- are milliseconds after the Unix epoch.
CREATE TABLE IF NOT EXISTS chat_code (
    hash       BLOB PRIMARY KEY,
    person     TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    tenant     TEXT,            -- where it was said, as in teams_account
    account    TEXT,            -- who said it
    name       TEXT,
    chat       TEXT
) STRICT, WITHOUT ROWID;
