-- Deleted after the cut, so still there in the new primary.
DELETE FROM orders WHERE id = 2003;
DELETE FROM products WHERE id = 9;
