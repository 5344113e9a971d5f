-- The first is found; where the second is, nobody looked.
INSERT INTO orders VALUES
  (900, 5, 'paid', 10.00, NULL, '2026-11-25 12:00:10', '2026-11-25 12:00:10'),
  (1500, 5, 'paid', 10.00, NULL, '2026-11-25 12:00:11', '2026-11-25 12:00:11');
INSERT INTO order_items VALUES (900, 1, 7, 1), (1500, 1, 7, 1);
