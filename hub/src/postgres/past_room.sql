-- What is kept of sessions that were on hosts is counted beside their records.
UPDATE host_room SET bytes = bytes + (SELECT count(*) * {each} FROM past_session);
CREATE FUNCTION past_session_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE host_room SET bytes = bytes + (SELECT count(*) * {each} FROM changed);
    RETURN NULL;
END $$;
CREATE FUNCTION past_session_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE host_room SET bytes = greatest(0, bytes - (SELECT count(*) * {each} FROM changed));
    RETURN NULL;
END $$;
CREATE TRIGGER past_session_came AFTER INSERT ON past_session REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION past_session_came();
CREATE TRIGGER past_session_went AFTER DELETE ON past_session REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION past_session_went();
