-- More orders than the comparison gets through before it is cut off.
INSERT INTO customers VALUES (5, 'Ada', 'c5@example.com', '2026-09-01 09:00:00', '2026-09-01 09:00:00');
INSERT INTO products VALUES (7, 'Cup', 10.00, '2026-11-01 08:00:00');
INSERT INTO orders
  SELECT seq, 5, 'shipped', 10.00, NULL, '2026-11-20 09:00:00', '2026-11-21 09:00:00'
  FROM seq_1_to_1499 WHERE seq <> 900;
INSERT INTO order_items SELECT id, 1, 7, 1 FROM orders;
INSERT INTO payments SELECT CONCAT('p-', id), id, 10.00, '2026-11-20 09:00:00' FROM orders;
