CREATE COLLATION named (provider = icu, locale = 'en'); CREATE TABLE t(k text COLLATE named PRIMARY KEY, v int);
INSERT INTO t SELECT chr(65 + g % 2 * 32 + g % 26) || g, g FROM generate_series(1, 3000) g;
