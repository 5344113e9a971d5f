CREATE COLLATION named (provider = libc, locale = 'C'); CREATE TABLE t(k text COLLATE named PRIMARY KEY, v int);
INSERT INTO t SELECT chr(65 + g % 2 * 32 + g % 26) || g, g FROM generate_series(1, 3000) g; UPDATE t SET v = 0 WHERE v IN (7, 1500, 2900); DELETE FROM t WHERE v = 42;
