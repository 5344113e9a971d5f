CREATE SCHEMA one; CREATE EXTENSION citext SCHEMA one; CREATE TYPE one.state AS ENUM ('new','paid'); CREATE DOMAIN one.mail AS text;
CREATE TABLE t(id int PRIMARY KEY, a one.citext[], s one.state, m one.mail, r regclass);
INSERT INTO t VALUES (1,'{a,b}','new','x','t'),(2,'{a,b}','new','x','t'),(3,'{a,b}','new','x','t'),(4,'{a}','new','x','t');
