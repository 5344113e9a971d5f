CREATE TABLE t (id INT PRIMARY KEY, c CHAR(5), v VARCHAR(20) COLLATE utf8mb4_general_ci, x LONGTEXT, l TEXT CHARACTER SET latin1, b LONGBLOB);
INSERT INTO t VALUES (1,'a','STRASSE','😁','e',x'0001fe'),(2,'A','a ','text','é',NULL),(3,'x','x',REPEAT('ä',3000000),'é',REPEAT('b',5000000)),(4,'a','a','x','y',x'0000');
