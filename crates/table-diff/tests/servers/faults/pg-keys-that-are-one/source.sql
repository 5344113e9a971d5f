CREATE EXTENSION citext; CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE c(k citext PRIMARY KEY, v int); INSERT INTO c SELECT 'key' || g, 1 FROM generate_series(1, 40) g;
CREATE TABLE n(k text COLLATE nocase, l int, v int, PRIMARY KEY (k, l)); INSERT INTO n SELECT 'key' || g % 7, g, 1 FROM generate_series(1, 40) g;
CREATE TABLE plain(k text PRIMARY KEY, v int); INSERT INTO plain VALUES ('key', 1);
