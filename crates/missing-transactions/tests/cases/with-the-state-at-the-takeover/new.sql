-- The old primary wrote these too.
UPDATE orders SET status = 'shipped', updated_at = '2026-11-25 12:30:00' WHERE id = 30;
UPDATE customers SET name = 'Ada L.', updated_at = '2026-11-25 13:10:00' WHERE id = 5;
UPDATE products SET price = 4.00, updated_at = '2026-11-25 12:40:00' WHERE id = 7;
DELETE FROM orders WHERE id = 35;
UPDATE orders SET status = 'shipped', updated_at = '2026-11-25 14:00:00' WHERE id = 36;
INSERT INTO orders VALUES (1005, 77, 'paid', 99.00, NULL, '2026-11-25 13:00:00', '2026-11-25 13:00:00');

-- Only here: nothing is lost. But 33 was written a second before the cut: whether that came across is not known.
UPDATE orders SET status = 'paid', updated_at = '2026-11-25 15:00:00' WHERE id IN (32, 33);

-- A write that does not set the time of the last write.
UPDATE orders SET status = 'paid' WHERE id = 34;

DELETE FROM tags WHERE id = 4;
UPDATE tags SET name = 'ours' WHERE id = 3;
INSERT INTO tags VALUES (5, 'new');
DELETE FROM labels WHERE name = 'dropped';
INSERT INTO labels VALUES ('new');
