INSERT INTO customers VALUES (5, 'Ada', 'c5@example.com', '2026-09-01 09:00:00', '2026-09-01 09:00:00');
INSERT INTO products VALUES
  (7, 'Cup', 10.00, '2026-11-01 08:00:00'),
  (9, 'Old', 1.00, '2026-11-25 11:00:00');
INSERT INTO orders VALUES
  (2000, 5, 'paid', 10.00, NULL, '2026-10-01 08:00:00', '2026-10-01 08:00:00'),
  (2003, 5, 'paid', 10.00, NULL, '2026-10-01 09:00:00', '2026-10-01 09:00:00');
INSERT INTO order_items VALUES (2000, 1, 7, 1);
INSERT INTO payments VALUES ('p-2000', 2000, 10.00, '2026-10-01 08:00:00');
