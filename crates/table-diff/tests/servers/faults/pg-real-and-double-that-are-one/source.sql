CREATE TABLE t(id int PRIMARY KEY, v real, w double precision); INSERT INTO t VALUES (1,0.1,0.5),(2,'NaN','-Infinity'),(3,-1.5e-30,1e30),(4,NULL,NULL),(5,16777217,0.25);
CREATE TABLE bag(v real); INSERT INTO bag VALUES (0.1),(0.1),(0.5);
