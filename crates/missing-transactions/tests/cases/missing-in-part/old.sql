-- More items of orders that came across.
INSERT INTO order_items VALUES
  (10, 3, 7, 1),
  (10, 4, 7, 1),
  (11, 2, 7, 1),
  (20, 2, 7, 1);
-- One of them was paid as well.
UPDATE orders SET status = 'paid', updated_at = '2026-11-25 12:00:30' WHERE id = 20;
INSERT INTO payments VALUES ('p-20', 20, 10.00, '2026-11-25 12:00:31');
