CREATE TABLE orders (
    id bigint PRIMARY KEY, state text NOT NULL, version integer NOT NULL, reason text
) WITH (fillfactor = 50);
CREATE TABLE transitions (
    state text, event text, target text NOT NULL, stays interval, PRIMARY KEY (state, event)
);
CREATE TABLE moves (
    order_id bigint, version integer, at timestamptz NOT NULL, event text, from_state text, to_state text,
    by_whom text, reason text, PRIMARY KEY (order_id, version)
);
CREATE TABLE deadlines (order_id bigint PRIMARY KEY, due timestamptz NOT NULL) WITH (fillfactor = 50);
CREATE INDEX ON deadlines (due);
INSERT INTO transitions VALUES
    ('waiting', 'turn', 'working', '1 hour'), ('working', 'turn', 'waiting', '1 hour');

CREATE FUNCTION fire(
    an_order bigint, an_event text, who text, why text,
    OUT verdict text, OUT is_in text, OUT at_version integer
) AS $$
DECLARE
    came_from text;
    stay interval;
BEGIN
    SELECT state, version INTO came_from, at_version FROM orders WHERE id = an_order FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    SELECT target, stays INTO is_in, stay FROM transitions WHERE state = came_from AND event = an_event;
    IF NOT FOUND THEN
        verdict := 'refused'; is_in := came_from;
        RETURN;
    END IF;
    verdict := 'moved'; at_version := at_version + 1;
    UPDATE orders SET state = is_in, version = at_version, reason = why WHERE id = an_order;
    INSERT INTO moves VALUES (an_order, at_version, now(), an_event, came_from, is_in, who, why);
    IF stay IS NULL THEN
        DELETE FROM deadlines WHERE order_id = an_order;
    ELSE
        INSERT INTO deadlines VALUES (an_order, now() + stay)
            ON CONFLICT (order_id) DO UPDATE SET due = excluded.due;
    END IF;
END
$$ LANGUAGE plpgsql;
