INSERT INTO customers VALUES (901, 'Ada', 'c901@example.com', '2026-11-25 12:00:40', '2026-11-25 12:00:40');
-- One of a customer who is missing too; the last so near to the cut that its time proves nothing.
INSERT INTO orders VALUES
  (1001, 5, 'paid', 10.00, NULL, '2026-11-25 12:00:10', '2026-11-25 12:00:10'),
  (1002, 901, 'paid', 10.00, NULL, '2026-11-25 12:00:55', '2026-11-25 12:00:55'),
  (1003, 6, 'paid', 10.00, NULL, '2026-11-25 12:02:00', '2026-11-25 12:02:30'),
  (1004, 6, 'paid', 10.00, NULL, '2026-11-25 11:59:58', '2026-11-25 11:59:58');
INSERT INTO order_items VALUES
  (1001, 1, 7, 1),
  (1001, 2, 7, 1),
  (1002, 1, 7, 1),
  (1002, 2, 7, 1),
  (1003, 1, 7, 1),
  (1003, 2, 7, 1),
  (1004, 1, 7, 1),
  (1004, 2, 7, 1);
INSERT INTO payments VALUES
  ('p-1', 1001, 10.00, '2026-11-25 12:00:12'),
  ('p-3', 1003, 10.00, '2026-11-25 12:02:02');
