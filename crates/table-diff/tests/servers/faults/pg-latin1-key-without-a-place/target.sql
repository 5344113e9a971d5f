CREATE TABLE t(k text PRIMARY KEY, v text, x xml); INSERT INTO t VALUES ('a','é','<a>é</a>'),('é','€',NULL),('ж','c',NULL),('z','c',NULL);
CREATE TABLE pair(a text, b varchar(9), c int, PRIMARY KEY (a, b)); INSERT INTO pair VALUES ('é','ü',2),('é','v',1),('é','€',1);
