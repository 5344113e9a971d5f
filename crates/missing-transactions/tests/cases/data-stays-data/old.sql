INSERT INTO orders VALUES
  (1, '</script><script>alert(2)</script>', '=HYPERLINK("http://evil")', NULL, 'x@example.com', '2026-11-25 12:00:10'),
  (2, '''; DROP TABLE orders; --', '@SUM(1+1)*cmd|calc', NULL, 'x@example.com', '2026-11-25 12:00:11'),
  (4, 'long, and bytes', REPEAT('x', 3000), 0x000102, NULL, '2026-11-25 12:00:12');
UPDATE orders
  SET `<script>alert(1)</script>` = '"><img src=x onerror=alert(3)>', note = '-1+1', updated_at = '2026-11-25 12:01:00'
  WHERE id = 3;
