CREATE TABLE parts(id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
INSERT INTO parts SELECT g, g FROM generate_series(1, 150) g;
CREATE TABLE bag(v text); CREATE TABLE bag_child() INHERITS (bag); CREATE TABLE bag_grandchild() INHERITS (bag_child);
INSERT INTO bag VALUES ('a'); INSERT INTO bag_child VALUES ('b'); INSERT INTO bag_grandchild VALUES ('c');
