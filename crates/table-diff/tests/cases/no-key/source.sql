CREATE TABLE product_tag (product INT, tag VARCHAR(10));
INSERT INTO product_tag VALUES (1,'a'),(1,'a'),(1,'a'),(2,'b'),(3,NULL),(3,NULL),(4,''),(5,'A');
