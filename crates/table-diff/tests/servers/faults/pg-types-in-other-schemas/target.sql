CREATE SCHEMA "other one"; CREATE EXTENSION citext SCHEMA "other one"; CREATE TYPE "other one".state AS ENUM ('new','paid'); CREATE DOMAIN "other one".mail AS text;
CREATE TABLE t(id int PRIMARY KEY, a "other one".citext[], s "other one".state, m "other one".mail, r regclass);
INSERT INTO t VALUES (1,'{a,B}','new','x','t'),(2,'{a,b}','paid','x','t'),(3,'{a,b}','new','y','t'),(4,'{a}','new','x','t');
DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET search_path TO "other one"',current_database()); END$$;
