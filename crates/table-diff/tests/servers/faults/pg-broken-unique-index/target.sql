CREATE TABLE t(id int NOT NULL, v int); CREATE INDEX broken ON t(id); INSERT INTO t VALUES (1,1),(1,3),(2,2);
UPDATE pg_index SET indisunique = true WHERE indexrelid = 'broken'::regclass;
