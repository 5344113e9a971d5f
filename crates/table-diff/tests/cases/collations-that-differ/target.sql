CREATE TABLE t (id VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a',1),('B',2),('c',9),('D',4),('E',5),('F',6),('ü',7),('x',8);
