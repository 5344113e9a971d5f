CREATE TABLE t (id ENUM('z','a','m') PRIMARY KEY, s SET('x','y','w'), b BIT(64), o BIT(1), j JSON, u UUID, i INET6, g INT AS (LENGTH(s)) VIRTUAL, h INT INVISIBLE);
INSERT INTO t (id,s,b,o,j,u,i,h) VALUES ('z','x,w',x'ffffffffffffffff',b'1','{"a":1}','123e4567-e89b-12d3-a456-426655440000','::1',1),('a','',0,0,NULL,NULL,NULL,1),('m','y',7,0,'[]',NULL,NULL,1);
