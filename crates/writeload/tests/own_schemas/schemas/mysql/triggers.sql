-- Triggers that write to the row that is referred to, to the row itself, and to other tables.
CREATE TABLE `account` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `name` varchar(30) NOT NULL,
  `balance` int NOT NULL DEFAULT 0,
  `entries` int NOT NULL DEFAULT 0,
  `updated` timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)
);
CREATE TABLE `entry` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `account` int NOT NULL,
  `amount` int NOT NULL,
  `double` int DEFAULT NULL,
  `text` varchar(50) DEFAULT NULL,
  CONSTRAINT `entry_account` FOREIGN KEY (`account`) REFERENCES `account` (`id`) ON DELETE CASCADE
);
CREATE TABLE `audit` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `what` varchar(100), `at` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP);
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`nobody`@`nowhere`*/ /*!50003 TRIGGER `entry_before` BEFORE INSERT ON `entry` FOR EACH ROW
BEGIN
  -- A comment; with a delimiter.
  IF NEW.`amount` > 1000000 THEN SET NEW.`amount` = 1000000; END IF;
  SET NEW.`double` = LEAST(NEW.`amount`, 1000) * 2;
END */;;
CREATE TRIGGER `entry_after` AFTER INSERT ON `entry` FOR EACH ROW
BEGIN
  UPDATE `account` SET `entries` = `entries` + 1 WHERE `id` = NEW.`account`;
  INSERT INTO `audit` (`what`) VALUES (CONCAT('entry ', NEW.`id`, ';;'));
END;;
CREATE TRIGGER `entry_gone` AFTER DELETE ON `entry` FOR EACH ROW
  UPDATE `account` SET `entries` = `entries` - 1 WHERE `id` = OLD.`account`;;
CREATE PROCEDURE `noop`() BEGIN SELECT 1; END;;
DELIMITER ;
CREATE EVENT `nightly` ON SCHEDULE EVERY 1 DAY DO DELETE FROM `audit`;
