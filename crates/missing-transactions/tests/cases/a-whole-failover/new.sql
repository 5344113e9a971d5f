-- What the new primary took since: new orders, and work on old ones.
INSERT INTO orders VALUES
  (50304, 5, 'paid', 139.55, NULL, '2026-11-25 12:10:00', '2026-11-25 12:10:00'),
  (50305, 5, 'paid', 114.91, NULL, '2026-11-25 12:11:00', '2026-11-25 12:11:00'),
  (50306, 5, 'paid', 121.08, NULL, '2026-11-25 12:12:00', '2026-11-25 12:12:00'),
  (50307, 5, 'paid', 58.81, NULL, '2026-11-25 12:13:00', '2026-11-25 12:13:00'),
  (50308, 5, 'paid', 85.61, NULL, '2026-11-25 12:14:00', '2026-11-25 12:14:00');

INSERT INTO order_items VALUES
  (50304, 1, 3, 1),
  (50305, 1, 3, 1),
  (50306, 1, 3, 1),
  (50307, 1, 3, 1),
  (50308, 1, 3, 1);
UPDATE orders SET status = 'shipped', updated_at = '2026-11-25 14:00:00' WHERE id = 50090;

-- Deleted, which can't be told from never arrived.
DELETE FROM order_items WHERE order_id = 4711;
DELETE FROM orders WHERE id = 4711;

-- What the old primary had written as well. It had given 50204 to another customer's order.
UPDATE customers SET name = 'Bob B.', updated_at = '2026-11-25 13:10:00' WHERE id = 12;
UPDATE orders SET status = 'shipped', updated_at = '2026-11-25 12:31:02.44' WHERE id = 50160;
DELETE FROM orders WHERE id = 49001;
INSERT INTO orders VALUES
  (50204, 77, 'paid', 240.00, NULL, '2026-11-25 12:09:11.01', '2026-11-25 12:09:11.01');
