UPDATE orders SET status = 'paid', updated_at = '2026-11-25 15:00:00' WHERE id = 32;
INSERT INTO orders VALUES (2001, 5, 'paid', 10.00, NULL, '2026-11-25 12:10:00', '2026-11-25 12:10:00');
