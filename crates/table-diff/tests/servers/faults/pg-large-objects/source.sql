CREATE TABLE t(id int PRIMARY KEY, body oid); SELECT lo_from_bytea(70001, 'a'); INSERT INTO t VALUES (1, 70001);
CREATE TABLE plain(id int PRIMARY KEY);
