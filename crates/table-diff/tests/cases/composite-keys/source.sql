CREATE TABLE t (b VARCHAR(10) COLLATE utf8mb4_general_ci, a INT, v INT, PRIMARY KEY (a, b));
CREATE TABLE d (day DATE, at DATETIME(3), price DECIMAL(10,2), e ENUM('z','a','m'), v INT, PRIMARY KEY (day, e, at, price));
INSERT INTO t VALUES ('a',1,1),('b',1,1),('C',1,1),('a',2,1),('b',2,1),('a',3,1),('a',4,1),('b',4,1),('x',-1,1);
INSERT INTO d VALUES ('2026-01-01','2026-01-01 10:00:00.001',1.50,'z',1),('2026-01-01','2026-01-01 10:00:00.002',1.50,'a',1),('2026-01-01','2026-01-01 10:00:00.002',-1.50,'a',1),('2026-01-02','2026-01-01 10:00:00',1.50,'m',1),('0000-00-00','0000-00-00 00:00:00',0,'z',1);
