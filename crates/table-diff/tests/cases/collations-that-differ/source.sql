CREATE TABLE t (id VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a',1),('B',2),('c',3),('D',4),('e',5),('F',6),('ü',7),('z',8);
