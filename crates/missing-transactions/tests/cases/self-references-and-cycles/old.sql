-- 3 is an answer to one that has a higher number, 6 to one that came across, 7 to itself.
INSERT INTO comments VALUES
  (1, NULL, 'comment 1', '2026-11-25 12:00:10'),
  (5, 1, 'comment 5', '2026-11-25 12:00:15'),
  (2, 1, 'comment 2', '2026-11-25 12:00:20'),
  (3, 5, 'comment 3', '2026-11-25 12:00:30'),
  (4, 3, 'comment 4', '2026-11-25 12:00:40'),
  (6, 99, 'comment 6', '2026-11-25 12:01:00'),
  (7, 7, 'comment 7', '2026-11-25 12:01:10');

-- The first two refer to each other.
INSERT INTO a VALUES (1, NULL), (2, NULL);
INSERT INTO b VALUES (1, 1), (2, 2);
UPDATE a SET b_id = 1 WHERE id = 1;
