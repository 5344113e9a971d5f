CREATE TABLE digits(n INT PRIMARY KEY); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
CREATE TABLE t(k VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY, v INT);
INSERT INTO t SELECT CONCAT('KEY', a.n + b.n + c.n + d.n), 1 FROM (SELECT n FROM digits) a, (SELECT n * 10 AS n FROM digits) b, (SELECT n * 100 AS n FROM digits) c, (SELECT n * 1000 AS n FROM digits WHERE n < 2) d; DELETE FROM t WHERE k = 'key77'; INSERT INTO t VALUES ('more', 1);
