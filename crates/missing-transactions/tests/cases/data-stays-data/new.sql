UPDATE orders
  SET `<script>alert(1)</script>` = '{{ page }}', note = '+1', updated_at = '2026-11-25 12:30:00'
  WHERE id = 3;
