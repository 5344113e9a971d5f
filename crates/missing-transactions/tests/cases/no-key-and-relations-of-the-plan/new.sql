INSERT INTO EVENTS VALUES ('dd', 'paid', '2026-11-25 12:20:00');
-- A changed row without a key: one missing and one extra.
UPDATE EVENTS SET WHAT = 'open!' WHERE ORDER_ID = 'cc';
INSERT INTO product_tag VALUES (4, 9);
