-- Circles that are broken by NULL, and one that can only be checked at COMMIT.
CREATE TABLE team (id serial PRIMARY KEY, name text NOT NULL UNIQUE, captain integer);
CREATE TABLE player (
    id serial PRIMARY KEY, team integer NOT NULL REFERENCES team (id), mentor integer REFERENCES player (id),
    nick varchar(20) NOT NULL, UNIQUE (team, id)
);
ALTER TABLE team ADD CONSTRAINT team_captain FOREIGN KEY (id, captain) REFERENCES player (team, id);
CREATE TABLE egg (id bigint PRIMARY KEY, hen bigint NOT NULL, note text);
CREATE TABLE hen (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, egg bigint NOT NULL REFERENCES egg (id), note text);
ALTER TABLE egg ADD CONSTRAINT egg_hen FOREIGN KEY (hen) REFERENCES hen (id) DEFERRABLE INITIALLY DEFERRED;
-- A root refers to itself.
CREATE TABLE node (id serial PRIMARY KEY, root integer NOT NULL REFERENCES node (id), label text);
-- Two that need each other, without a way.
CREATE TABLE chick (id integer PRIMARY KEY, nest integer NOT NULL);
CREATE TABLE nest (id integer PRIMARY KEY, chick integer NOT NULL REFERENCES chick (id));
ALTER TABLE chick ADD CONSTRAINT chick_nest FOREIGN KEY (nest) REFERENCES nest (id);
-- All or none of a key.
CREATE TABLE place (country char(2) NOT NULL, city varchar(20) NOT NULL, people integer CHECK (people > 0), PRIMARY KEY (country, city));
CREATE TABLE visit (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), country char(2), city varchar(20), player integer REFERENCES player (id) ON DELETE SET NULL,
    team integer REFERENCES team (id), begins timestamp NOT NULL, ends timestamp,
    FOREIGN KEY (country, city) REFERENCES place (country, city) MATCH FULL,
    CONSTRAINT ordered CHECK (ends IS NULL OR begins < ends),
    CONSTRAINT one_of_two CHECK ((player IS NULL) <> (team IS NULL)),
    CONSTRAINT either CHECK ((team IS NULL AND country IS NOT NULL) OR (team IS NOT NULL AND ends IS NOT NULL))
);
