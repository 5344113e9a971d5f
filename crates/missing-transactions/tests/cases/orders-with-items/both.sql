INSERT INTO customers VALUES
  (5, 'Bob', 'c5@example.com', '2026-09-01 09:00:00', '2026-09-01 09:00:00'),
  (6, 'Cleo', 'c6@example.com', '2026-09-01 09:00:00', '2026-09-01 09:00:00');
INSERT INTO products VALUES (7, 'Cup', 5.00, '2026-11-01 08:00:00');
INSERT INTO orders VALUES (1000, 5, 'paid', 5.00, NULL, '2026-11-25 11:00:00', '2026-11-25 11:00:00');
INSERT INTO order_items VALUES (1000, 1, 7, 1);
INSERT INTO payments VALUES ('p-0', 1000, 5.00, '2026-11-25 11:00:00');
