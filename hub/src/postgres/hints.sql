-- Which host a record is about, and nothing else of it: what a hub in role feed looks at in place of the journal. It is
-- read with the rights of its owner.
CREATE VIEW hint AS SELECT seq, substring(body FROM '"detail":"(?:[^"\\]*[ ])?host=([^ "\\]+)') AS host FROM journal;
