-- 2004 has a time before the failover began, 2005 one that can't be right.
INSERT INTO products VALUES (10, 'New', 1.00, '2026-11-25 12:20:00');
INSERT INTO orders VALUES
  (2001, 5, 'paid', 10.00, NULL, '2026-11-25 12:10:00', '2026-11-25 12:10:00'),
  (2002, 5, 'paid', 10.00, NULL, '2026-11-25 12:10:00', '2026-11-25 12:10:00'),
  (2004, 5, 'paid', 10.00, NULL, '2026-11-25 12:03:00', '2026-11-25 12:03:00'),
  (2005, 5, 'paid', 10.00, NULL, '2027-01-01 00:00:00', '2027-01-01 00:00:00');
INSERT INTO order_items VALUES (2001, 1, 7, 1);
