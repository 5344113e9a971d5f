CREATE TABLE t(k text PRIMARY KEY, v text, x xml); INSERT INTO t VALUES ('a','é','<a>é</a>'),('é','b',NULL),('z','c',NULL);
CREATE TABLE pair(a text, b varchar(9), c int, PRIMARY KEY (a, b)); INSERT INTO pair VALUES ('é','ü',1),('é','v',1);
