-- Keys of several columns that share one of them, rows that refer to rows of their own table, and tables that refer to each other.
/*!40101 SET @saved_names = @@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
CREATE DATABASE IF NOT EXISTS `elsewhere`;
USE `elsewhere`;

CREATE TABLE `tenant` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `slug` varchar(40) CHARACTER SET ascii NOT NULL,
  `owner` int unsigned DEFAULT NULL COMMENT 'a circle; it''s broken by NULL',
  `created` datetime NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (`id`),
  UNIQUE KEY `slug` (`slug`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `person` (
  `tenant` int unsigned NOT NULL,
  `number` int unsigned NOT NULL,
  `manager` int unsigned DEFAULT NULL,
  `name` varchar(30) NOT NULL,
  `kind` enum('plain','it''s, odd','') NOT NULL DEFAULT 'plain',
  `roles` set('read','write','own') DEFAULT NULL,
  `initial` char(1) GENERATED ALWAYS AS (left(`name`, 1)) VIRTUAL,
  `folded` varchar(30) GENERATED ALWAYS AS (lower(`name`)) STORED,
  PRIMARY KEY (`tenant`, `number`),
  KEY `folded` (`folded`),
  CONSTRAINT `person_tenant` FOREIGN KEY (`tenant`) REFERENCES `tenant` (`id`),
  CONSTRAINT `person_manager` FOREIGN KEY (`tenant`, `manager`) REFERENCES `person` (`tenant`, `number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

ALTER TABLE `tenant` ADD CONSTRAINT `tenant_owner` FOREIGN KEY (`id`, `owner`) REFERENCES `person` (`tenant`, `number`);

CREATE TABLE `project` (
  `tenant` int unsigned NOT NULL,
  `code` char(6) NOT NULL,
  `budget` decimal(12,2) unsigned NOT NULL DEFAULT 0,
  `begins` date NOT NULL,
  `ends` date NOT NULL,
  `state` varchar(10) NOT NULL,
  PRIMARY KEY (`tenant`, `code`),
  CONSTRAINT `project_tenant` FOREIGN KEY (`tenant`) REFERENCES `tenant` (`id`) ON DELETE CASCADE,
  CONSTRAINT `project_code` CHECK (`code` REGEXP '^[A-Z]{2}[0-9]{4}$'),
  CONSTRAINT `project_time` CHECK (`begins` < `ends`),
  CONSTRAINT `project_state` CHECK (`state` in ('open','closed')),
  CONSTRAINT `project_budget` CHECK (`budget` between 1 and 5000 or `state` = 'closed')
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE `task` (
  `tenant` int unsigned NOT NULL,
  `id` bigint unsigned NOT NULL,
  `project` char(6) NOT NULL,
  `assignee` int unsigned NOT NULL,
  `hours` smallint NOT NULL CHECK (`hours` > 0 and `hours` <= 40),
  `note` text,
  PRIMARY KEY (`tenant`, `id`),
  CONSTRAINT `task_project` FOREIGN KEY (`tenant`, `project`) REFERENCES `project` (`tenant`, `code`),
  CONSTRAINT `task_assignee` FOREIGN KEY (`tenant`, `assignee`) REFERENCES `person` (`tenant`, `number`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Each needs the other, as a shop its manager who works in it.
CREATE TABLE `shop` (`id` tinyint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, `manager` tinyint unsigned NOT NULL, `name` varchar(20) NOT NULL);
CREATE TABLE `staff` (`id` tinyint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, `shop` tinyint unsigned NOT NULL, `name` varchar(20) NOT NULL,
  CONSTRAINT `staff_shop` FOREIGN KEY (`shop`) REFERENCES `shop` (`id`));
ALTER TABLE `shop` ADD CONSTRAINT `shop_manager` FOREIGN KEY (`manager`) REFERENCES `staff` (`id`);

CREATE DEFINER=`somebody`@`%` VIEW `open projects` AS SELECT `code` FROM `project` WHERE `state` = 'open';
/*!40101 SET CHARACTER_SET_CLIENT = @saved_names */;
