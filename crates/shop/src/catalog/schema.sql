CREATE TABLE product (
  product_id  VARCHAR(40)   NOT NULL PRIMARY KEY,
  name        VARCHAR(80)   NOT NULL,
  description VARCHAR(400)  NOT NULL,
  price       DECIMAL(10,2) NOT NULL,
  updated_at  DATETIME(6)   NOT NULL
);
CREATE TABLE tag (
  tag_id       INT         NOT NULL PRIMARY KEY,
  name         VARCHAR(40) NOT NULL UNIQUE,
  display_name VARCHAR(40) NOT NULL
);
-- No primary key, as in both lines of the retail store sample.
CREATE TABLE product_tag (
  product_id VARCHAR(40) NOT NULL,
  tag_id     INT         NOT NULL,
  FOREIGN KEY (product_id) REFERENCES product (product_id),
  FOREIGN KEY (tag_id) REFERENCES tag (tag_id)
);
