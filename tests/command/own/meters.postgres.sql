-- A small schema for a writer of one's own: each row once, its key a number of the writer's.
CREATE TABLE reading (
  meter int NOT NULL,
  n int NOT NULL,
  value int NOT NULL,
  PRIMARY KEY (meter,n)
);
