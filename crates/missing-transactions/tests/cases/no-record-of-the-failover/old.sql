INSERT INTO orders VALUES (1001, 5, 'paid', 10.00, NULL, '2026-11-25 12:00:10', '2026-11-25 12:00:10');
INSERT INTO order_items VALUES (1001, 1, 7, 1);
UPDATE orders SET status = 'paid', updated_at = '2026-11-25 12:01:00' WHERE id = 30;
