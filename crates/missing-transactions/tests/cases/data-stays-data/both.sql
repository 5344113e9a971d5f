INSERT INTO orders VALUES
  (3, '<!-- as it was', '1', NULL, 'x@example.com', '2026-11-25 11:00:00'),
  (9, '</table>', '=1+1', 0xFF00, 'y@example.com', '2026-11-25 11:00:00');
