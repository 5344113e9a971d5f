CREATE TABLE orders(id int PRIMARY KEY, shop int); INSERT INTO orders VALUES (1,1); GRANT SELECT ON orders TO reader;
CREATE TABLE open(id int PRIMARY KEY); INSERT INTO open VALUES (1); GRANT SELECT ON open TO reader;
