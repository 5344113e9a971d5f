CREATE TABLE parts(id int PRIMARY KEY, v int);
INSERT INTO parts SELECT g, g FROM generate_series(1, 150) g;
UPDATE parts SET v = 0 WHERE id = 120;
CREATE TABLE bag(v text); CREATE TABLE bag_child() INHERITS (bag); CREATE TABLE bag_grandchild() INHERITS (bag_child);
INSERT INTO bag VALUES ('b'); INSERT INTO bag_child VALUES ('a'); INSERT INTO bag_grandchild VALUES ('c');
