INSERT INTO customers VALUES (5, 'Ada', 'c5@example.com', '2026-09-01 09:00:00', '2026-09-01 09:00:00');
INSERT INTO products VALUES (7, 'Cup', 10.00, '2026-11-01 08:00:00');
INSERT INTO orders VALUES
  (31, 5, 'shipped', 10.00, NULL, '2026-11-24 11:00:00', '2026-11-25 08:00:00'),
  (32, 5, 'open', 10.00, NULL, '2026-11-25 09:00:00', '2026-11-25 09:00:00');
INSERT INTO order_items VALUES (31, 1, 7, 1), (32, 1, 7, 1);
INSERT INTO payments VALUES ('p-31', 31, 10.00, '2026-11-24 11:00:00');
