CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20), b VARCHAR(20), n INT, m INT);
INSERT INTO t VALUES (1,'',NULL,1,NULL),(2,'','',NULL,1),(3,'a','b#c',1,1),(4,'','1#a',1,1),(5,NULL,'x',11,1),(6,'a','bc',1,11),(7,'same','same',1,1);
