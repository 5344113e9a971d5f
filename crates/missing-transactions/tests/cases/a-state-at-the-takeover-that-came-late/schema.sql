CREATE TABLE customers (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  email VARCHAR(80) NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE TABLE products (
  id BIGINT PRIMARY KEY,
  name VARCHAR(80) NOT NULL,
  price DECIMAL(10, 2) NOT NULL,
  updated_at DATETIME NOT NULL
);

CREATE TABLE orders (
  id BIGINT AUTO_INCREMENT PRIMARY KEY,
  customer_id BIGINT NOT NULL,
  status VARCHAR(80) NOT NULL,
  total DECIMAL(10, 2) NOT NULL,
  note VARCHAR(80),
  created_at DATETIME NOT NULL,
  updated_at DATETIME NOT NULL,
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
);

CREATE TABLE order_items (
  order_id BIGINT NOT NULL,
  line BIGINT NOT NULL,
  product_id BIGINT NOT NULL,
  quantity BIGINT NOT NULL,
  PRIMARY KEY (order_id, line),
  CONSTRAINT items_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE payments (
  id VARCHAR(80) PRIMARY KEY,
  order_id BIGINT NOT NULL,
  amount DECIMAL(10, 2) NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE tags (id BIGINT PRIMARY KEY, name VARCHAR(80) NOT NULL);
CREATE TABLE labels (name VARCHAR(80) NOT NULL);
