-- Partitions, heirs, triggers.
CREATE TABLE event (id bigserial, at timestamp with time zone NOT NULL, kind text NOT NULL, note text, PRIMARY KEY (id, at))
    PARTITION BY RANGE (at);
CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
CREATE TABLE event_2026 PARTITION OF event FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2027-01-01 00:00:00+00');
CREATE TABLE sale (id integer NOT NULL, region text NOT NULL, cents integer, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE sale_north PARTITION OF sale FOR VALUES IN ('north', 'arctic') PARTITION BY RANGE (id);
CREATE TABLE sale_north_low PARTITION OF sale_north FOR VALUES FROM (1) TO (1000000);
CREATE TABLE sale_south PARTITION OF sale FOR VALUES IN ('south');
CREATE TABLE hashed (id integer PRIMARY KEY, v text) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE animal (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE dog (breed text) INHERITS (animal);
ALTER TABLE dog ADD PRIMARY KEY (id);
CREATE UNLOGGED TABLE cache (id integer PRIMARY KEY, v text);

CREATE TABLE post (id serial PRIMARY KEY, title text NOT NULL, comments integer DEFAULT 0 NOT NULL, touched timestamp with time zone);
CREATE TABLE comment (id serial PRIMARY KEY, post integer NOT NULL REFERENCES post (id), body text NOT NULL);
CREATE TABLE history (id serial PRIMARY KEY, what text);
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE post SET comments = comments + 1, touched = clock_timestamp() WHERE id = NEW.post;
    INSERT INTO history (what) VALUES ('a comment; ' || NEW.id);
  ELSE
    UPDATE post SET comments = comments - 1 WHERE id = OLD.post;
  END IF;
  RETURN NULL;
END;
$$;
CREATE TRIGGER counts AFTER INSERT OR DELETE ON comment FOR EACH ROW EXECUTE FUNCTION counted();
CREATE FUNCTION refuses() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
  IF NEW.title ~ '[q$]' THEN RAISE EXCEPTION 'not a % title', NEW.title; END IF;
  NEW.title := upper(NEW.title);
  RETURN NEW;
END;
$_$;
CREATE TRIGGER titles BEFORE INSERT OR UPDATE ON post FOR EACH ROW EXECUTE FUNCTION refuses();
CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN n * 2 ELSE 0 END; END;
