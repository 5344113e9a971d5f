CREATE EXTENSION citext; CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE c(k citext PRIMARY KEY, v int); INSERT INTO c SELECT CASE WHEN g IN (7, 20) THEN 'KEY' ELSE 'key' END || g, 1 FROM generate_series(1, 40) g;
CREATE TABLE n(k text COLLATE nocase, l int, v int, PRIMARY KEY (k, l)); INSERT INTO n SELECT CASE WHEN g = 9 THEN 'KEY' ELSE 'key' END || g % 7, g, 1 FROM generate_series(1, 40) g;
CREATE TABLE plain(k text PRIMARY KEY, v int); INSERT INTO plain VALUES ('KEY', 1);
