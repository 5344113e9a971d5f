-- Written 76 seconds before the failover began, and shipped 70 seconds later: the loss goes back to when it was placed.
INSERT INTO orders VALUES (1001, 5, 'shipped', 10.00, NULL, '2026-11-25 12:03:54', '2026-11-25 12:05:04');
INSERT INTO order_items VALUES (1001, 1, 7, 1);
