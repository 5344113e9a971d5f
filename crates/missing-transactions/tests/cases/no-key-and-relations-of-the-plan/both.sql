INSERT INTO CUSTOMER_ORDER VALUES
  ('bb', 1, 'NEW', '2026-11-25 09:00:00', '2026-11-25 09:00:00'),
  ('cc', 2, 'NEW', '2026-11-25 09:00:00', '2026-11-25 09:00:00'),
  ('dd', 3, 'NEW', '2026-11-25 09:00:00', '2026-11-25 09:00:00');
INSERT INTO EVENTS VALUES
  ('bb', 'open', '2026-11-25 09:00:00'),
  ('cc', 'open', '2026-11-25 09:00:00'),
  ('dd', 'open', '2026-11-25 09:00:00');
INSERT INTO product VALUES
  (3, 'Cup', '2026-11-01 08:00:00'),
  (4, 'Plate', '2026-11-01 08:00:00');
-- One tag twice: without a key, rows are counted.
INSERT INTO product_tag VALUES (3, 1), (3, 1), (4, 1);
