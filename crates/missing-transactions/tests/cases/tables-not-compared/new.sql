-- Not seen: the table is not compared.
UPDATE products SET price = 12.00, updated_at = '2026-11-25 13:00:00' WHERE id = 7;
