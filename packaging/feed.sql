-- What a hub in role feed reads, and all that its user may do. The owner of the database runs it there, once the user
-- jit_feed is made.
GRANT SELECT ON head, meta, signed, signed_host, permit, hint TO jit_feed;
GRANT SELECT (name, key, machine, joined, incarnation) ON host TO jit_feed;
GRANT SELECT (host, id, ending) ON host_session TO jit_feed;
