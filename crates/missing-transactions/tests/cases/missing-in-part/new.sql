-- Shipped without one of its items.
UPDATE orders SET status = 'shipped', updated_at = '2026-11-25 13:00:00' WHERE id = 21;
DELETE FROM order_items WHERE order_id = 21;
-- Deleted, which can't be told from never arrived.
DELETE FROM order_items WHERE order_id = 22;
DELETE FROM orders WHERE id = 22;
