-- A shop with six thousand customers, who ordered in turn; seq_… is MariaDB's table of numbers.
INSERT INTO customers
  SELECT seq, CONCAT('Customer ', seq), CONCAT('c', seq, '@example.com'), '2024-01-01 08:00:00', '2024-01-01 08:00:00'
  FROM seq_1_to_6000;
INSERT INTO products
  SELECT seq, CONCAT('Product ', seq), 2.50 + seq, '2026-01-15 09:00:00' FROM seq_1_to_100;
INSERT INTO orders
  SELECT seq, seq % 6000 + 1, 'shipped', 2 * (3.50 + seq % 100), NULL,
    '2026-11-20 00:00:00' + INTERVAL seq - 49101 MINUTE, '2026-11-21 00:00:00' + INTERVAL seq - 49101 MINUTE
  FROM seq_49101_to_50050;
INSERT INTO order_items SELECT seq, 1, seq % 100 + 1, 2 FROM seq_49101_to_50050;
INSERT INTO payments
  SELECT CONCAT('pay_', seq), seq, 2 * (3.50 + seq % 100), '2026-11-20 00:00:01' + INTERVAL seq - 49101 MINUTE
  FROM seq_49101_to_50050;

-- What either side touches later.
INSERT INTO orders VALUES
  (4711, 12, 'closed', 87.49, NULL, '2026-10-01 09:00:00', '2026-10-01 09:00:00'),
  (48000, 5, 'basket', 116.15, NULL, '2026-10-01 09:00:00', '2026-10-01 09:00:00'),
  (49001, 5, 'shipped', 11.00, NULL, '2026-10-01 09:00:00', '2026-10-02 09:00:00'),
  (50090, 5, 'open', 20.00, NULL, '2026-11-25 10:12:44.12', '2026-11-25 11:58:40'),
  (50102, 5, 'open', 20.00, NULL, '2026-11-25 10:12:44.12', '2026-11-25 10:12:45'),
  (50133, 5, 'open', 20.00, NULL, '2026-11-25 10:12:44.12', '2026-11-25 10:12:45'),
  (50150, 5, 'open', 20.00, NULL, '2026-11-25 10:12:44.12', '2026-11-25 10:12:45'),
  (50160, 44, 'open', 35.00, NULL, '2026-11-25 10:12:44.12', '2026-11-25 10:12:45'),
  (50187, 731, 'open', 58.00, NULL, '2026-11-25 11:47:02.33', '2026-11-25 11:47:02.33'),
  (50201, 2044, 'open', 12.00, NULL, '2026-11-25 11:59:31.08', '2026-11-25 11:59:31.08');
INSERT INTO order_items VALUES
  (4711, 1, 3, 1),
  (50187, 1, 12, 2),
  (50187, 2, 26, 1),
  (50201, 1, 3, 1),
  (50201, 2, 4, 1);
