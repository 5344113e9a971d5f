-- The new primary wrote these too.
UPDATE orders SET status = 'cancelled', note = 'called <b>us</b>', updated_at = '2026-11-25 12:01:00' WHERE id = 30;
UPDATE customers SET name = 'Ada', updated_at = '2026-11-25 12:01:00' WHERE id = 5;
UPDATE products SET price = 3.00, updated_at = '2026-11-25 12:00:30' WHERE id = 7;
-- It deleted this one.
UPDATE orders SET status = 'returned', updated_at = '2026-11-25 12:01:30' WHERE id = 35;
-- It shipped this one.
DELETE FROM orders WHERE id = 36;
-- It gave this number to another customer's order.
INSERT INTO orders VALUES (1005, 5, 'paid', 5.00, NULL, '2026-11-25 12:01:00', '2026-11-25 12:01:00');

-- Only here: lost updates.
UPDATE orders SET status = 'paid', updated_at = '2026-11-25 12:01:00' WHERE id = 31;
UPDATE customers SET name = 'Bob', updated_at = '2026-11-25 12:01:00' WHERE id = 6;

-- A tag without a time: given, and taken away.
INSERT INTO tags VALUES (1, 'lost');
DELETE FROM tags WHERE id = 2;
UPDATE tags SET name = 'theirs' WHERE id = 3;
INSERT INTO labels VALUES ('lost'), ('twice'), ('twice');
DELETE FROM labels WHERE name = 'taken away';
