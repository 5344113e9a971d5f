CREATE TABLE orders(id int PRIMARY KEY, total int, margin int); INSERT INTO orders VALUES (1,1,1); GRANT SELECT (id, total) ON orders TO reader;
