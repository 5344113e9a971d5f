CREATE TABLE t (id INT PRIMARY KEY, status VARCHAR(10), n INT);
INSERT INTO t VALUES (1,'PAID',1),(2,'PAID',1),(3,'x',3),(4,'y',4),(5,'p',1),(6,'q',-1);
