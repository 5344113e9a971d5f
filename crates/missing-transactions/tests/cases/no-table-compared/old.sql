-- A lost order, which nobody sees.
INSERT INTO orders VALUES (1001, 5, 'open', 10.00, NULL, '2026-11-25 12:03:54', '2026-11-25 12:03:54');
