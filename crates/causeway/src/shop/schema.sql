-- The shop: an orders database and a catalog database.
-- orders
CREATE TABLE CUSTOMER_ORDER (
  ORDER_ID    CHAR(36)      NOT NULL PRIMARY KEY,
  CUSTOMER_ID INT           NOT NULL,
  STATUS      VARCHAR(16)   NOT NULL,
  TOTAL       DECIMAL(10,2) NOT NULL,
  CREATED_AT  DATETIME(6)   NOT NULL,
  UPDATED_AT  DATETIME(6)   NOT NULL
);
CREATE TABLE CUSTOMER_ORDER_ITEM (
  ORDER_ID    CHAR(36)      NOT NULL,
  LINE        SMALLINT      NOT NULL,
  PRODUCT_ID  INT           NOT NULL,
  QUANTITY    INT           NOT NULL,
  PRICE       DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (ORDER_ID, LINE),
  FOREIGN KEY (ORDER_ID) REFERENCES CUSTOMER_ORDER (ORDER_ID)
);
-- catalog
CREATE TABLE product (
  product_id INT           NOT NULL PRIMARY KEY,
  name       VARCHAR(80)   NOT NULL,
  price      DECIMAL(10,2) NOT NULL,
  updated_at DATETIME(6)   NOT NULL
);
CREATE TABLE tag (
  tag_id INT         NOT NULL PRIMARY KEY,
  name   VARCHAR(40) NOT NULL
);
-- No primary key, as in many a shop.
CREATE TABLE product_tag (
  product_id INT NOT NULL,
  tag_id     INT NOT NULL
);
