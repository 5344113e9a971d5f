CREATE TABLE t (id INT PRIMARY KEY, j JSON, v INT, x LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin);
INSERT INTO t VALUES (1,'{"b":[1,2],  "a":1}',1,'{"a":1}'),(2,'{"a": 1}',1,NULL),(3,'{"n": 9007199254740992}',1,NULL),(4,'[2, 1]',1,NULL),(5,'{"a": 1}',2,NULL),(6,'null',1,NULL),(7,'{"a": 1}',1,'{"a": 1}');
