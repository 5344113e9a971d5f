-- A small schema as `mysqldump --no-data` writes it, with difficulties of others': an enumeration, a composite key with a time in it,
-- a generated column, checks, a table without a key, bytes as a key, a table that refers to itself, times kept by the server.
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
DROP TABLE IF EXISTS `visit`;
CREATE TABLE `visit` (
  `patient` bigint(20) unsigned NOT NULL,
  `at` datetime(6) NOT NULL,
  `minutes` smallint(6) NOT NULL CHECK (`minutes` > 0),
  `fee` decimal(8,2) NOT NULL,
  `cost` decimal(16,2) GENERATED ALWAYS AS (`minutes` * `fee`) STORED,
  PRIMARY KEY (`patient`,`at`),
  CONSTRAINT `visit_patient` FOREIGN KEY (`patient`) REFERENCES `patient` (`id`) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE `patient` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(80) NOT NULL,
  `mail` varchar(120) DEFAULT NULL,
  `blood` enum('A','B','AB','0') NOT NULL DEFAULT '0',
  `parent` bigint(20) unsigned DEFAULT NULL,
  `created_at` timestamp NOT NULL DEFAULT current_timestamp(),
  `updated_at` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `mail` (`mail`),
  CONSTRAINT `patient_parent` FOREIGN KEY (`parent`) REFERENCES `patient` (`id`) ON DELETE SET NULL
) ENGINE=InnoDB AUTO_INCREMENT=57 DEFAULT CHARSET=utf8mb4;
CREATE TABLE `image file` (
  `id` binary(16) NOT NULL,
  `body` longblob DEFAULT NULL,
  `note` text DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
CREATE TABLE `log` (
  `at` datetime(3) NOT NULL,
  `what` varchar(40) NOT NULL
) ENGINE=InnoDB;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
