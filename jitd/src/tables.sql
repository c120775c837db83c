-- What this host knows from its hub, where it has one: the last message but for its grants, and each grant.
CREATE TABLE served (one INTEGER PRIMARY KEY CHECK (one = 1), body TEXT NOT NULL) STRICT;
CREATE TABLE known (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
