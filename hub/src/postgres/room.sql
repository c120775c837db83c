-- Bytes of the records of hosts. The size of their table says what it once held: it does not shrink when rows go.
CREATE TABLE host_room (one INTEGER PRIMARY KEY CHECK (one = 1), bytes BIGINT NOT NULL);
INSERT INTO host_room (one, bytes)
    SELECT 1, coalesce(sum(octet_length(body) + {around}), 0) FROM host_record;
CREATE FUNCTION host_record_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE host_room SET bytes = bytes + (SELECT coalesce(sum(octet_length(body) + {around}), 0) FROM changed);
    RETURN NULL;
END $$;
CREATE FUNCTION host_record_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE host_room SET bytes =
        greatest(0, bytes - (SELECT coalesce(sum(octet_length(body) + {around}), 0) FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER host_record_came AFTER INSERT ON host_record REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION host_record_came();
CREATE TRIGGER host_record_went AFTER DELETE ON host_record REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION host_record_went();
