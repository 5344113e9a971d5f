CREATE TABLE orders (
  id BIGINT PRIMARY KEY,
  `<script>alert(1)</script>` VARCHAR(80) NOT NULL,
  note TEXT NOT NULL,
  seal VARBINARY(16),
  email VARCHAR(80),
  updated_at DATETIME NOT NULL
);
