-- Who takes a host away at a hub that does not know of that table writes there too.
CREATE FUNCTION host_went() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO host_removed (name, removed_ms) VALUES (OLD.name, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
        ON CONFLICT (name) DO UPDATE SET removed_ms = greatest(host_removed.removed_ms, excluded.removed_ms);
    RETURN NULL;
END $$;
CREATE TRIGGER host_went AFTER DELETE ON host FOR EACH ROW EXECUTE FUNCTION host_went();
