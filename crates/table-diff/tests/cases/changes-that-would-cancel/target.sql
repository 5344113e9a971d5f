CREATE TABLE t (id INT PRIMARY KEY, status VARCHAR(10), n INT);
INSERT INTO t VALUES (1,'SENT',1),(2,'SENT',1),(3,'y',4),(4,'x',3),(5,'p',-1),(6,'q',1);
