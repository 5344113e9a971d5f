CREATE TABLE t (id INT PRIMARY KEY, c CHAR(5), v VARCHAR(20) COLLATE utf8mb4_general_ci, x LONGTEXT, l TEXT CHARACTER SET latin1, b LONGBLOB);
INSERT INTO t VALUES (1,'a','Straße','😀','é',x'0001ff'),(2,'a','a','text ','é',x''),(3,'x','x',REPEAT('ä',3000000),'é',REPEAT('b',5000000)),(4,'a','a','x','y',x'00');
