CREATE TABLE t(id int PRIMARY KEY, a int[], n numeric(10,2), d date, j text); INSERT INTO t VALUES (1,'{1}',1,'2026-01-01','1');
