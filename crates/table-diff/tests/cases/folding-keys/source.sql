CREATE TABLE t (id VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
CREATE TABLE u (id VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, v INT);
CREATE TABLE w (id VARCHAR(20) COLLATE utf8mb4_bin PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a',1),('B',2),('c',3),('é',4),('f ',5),('z',6),('😀',7);
INSERT INTO u SELECT * FROM t;
INSERT INTO w VALUES ('a',1),('A',2),('b',3),('é',4),('e',5),('😀',6),('😁',7);
