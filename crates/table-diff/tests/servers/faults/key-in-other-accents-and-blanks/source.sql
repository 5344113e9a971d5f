CREATE TABLE t(a INT, k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, v INT, PRIMARY KEY (a, k));
INSERT INTO t VALUES (1,'e',1),(1,'f ',1),(1,'g',1),(2,'e',1);
