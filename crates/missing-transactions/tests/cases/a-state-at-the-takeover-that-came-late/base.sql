-- The new primary had written these before its state was kept.
UPDATE orders SET status = 'paid', updated_at = '2026-11-25 12:07:20' WHERE id = 34;
UPDATE products SET price = 4.00, updated_at = '2026-11-25 12:40:00' WHERE id = 7;
