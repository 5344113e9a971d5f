CREATE TABLE t(id int PRIMARY KEY, a bigint[], n numeric(10,4), d timestamp, j int); INSERT INTO t VALUES (1,'{2}',2,'2026-01-02','2');
