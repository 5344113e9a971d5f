-- Names, types and tables that are handled badly somewhere.
SET SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE `order` (
  `select` bigint unsigned NOT NULL AUTO_INCREMENT,
  `from ``x`` "y"` varchar(20) NOT NULL,
  `Größe` int DEFAULT NULL,
  `begun` datetime NOT NULL DEFAULT '0000-00-00 00:00:00',
  `changed` timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  `day` date NOT NULL DEFAULT '0000-00-00',
  `at` time(3) NOT NULL,
  `in year` year NOT NULL,
  PRIMARY KEY (`select`)
);
CREATE TABLE `types` (
  `id` binary(16) NOT NULL,
  `t` tinyint NOT NULL, `tu` tinyint unsigned NOT NULL, `m` mediumint NOT NULL, `bu` bigint unsigned NOT NULL,
  `flag` tinyint(1) NOT NULL DEFAULT 1,
  `bits` bit(10) NOT NULL, `f` float NOT NULL, `d` double NOT NULL, `n` decimal(30,10) NOT NULL,
  `c` char(3) NOT NULL, `latin` varchar(50) CHARACTER SET latin1 NOT NULL, `l` longtext NOT NULL,
  `b` varbinary(20) NOT NULL, `blob` mediumblob NOT NULL, `j` json NOT NULL,
  `ts` timestamp(6) NULL DEFAULT NULL,
  PRIMARY KEY (`id`)
);
CREATE TABLE `places` (
  `id` int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `where` point NOT NULL, `area` polygon DEFAULT NULL, `way` linestring DEFAULT NULL, `any` geometry DEFAULT NULL,
  SPATIAL KEY `where` (`where`)
);
-- No key at all.
CREATE TABLE `log` (`at` datetime NOT NULL, `who` varchar(40) DEFAULT NULL, `n` int DEFAULT NULL, `j` json DEFAULT NULL);
-- A unique index in the place of a primary key, and one that can be null and so is none.
CREATE TABLE `coupon` (`code` varchar(30) NOT NULL, `used` int DEFAULT NULL, UNIQUE KEY (`used`), UNIQUE KEY (`code`));
CREATE TABLE `parted` (`id` int NOT NULL, `region` int NOT NULL, `v` varchar(20), PRIMARY KEY (`id`, `region`))
  PARTITION BY LIST (`region`) (PARTITION a VALUES IN (1,2), PARTITION b VALUES IN (7));
-- Every row but one has been taken.
CREATE TABLE `only` (`one` enum('x') NOT NULL PRIMARY KEY, `v` int);
-- Has no transactions.
CREATE TABLE `search` (`id` int NOT NULL PRIMARY KEY, `words` text) ENGINE=MyISAM;
-- Not even by many tries.
CREATE TABLE `impossible` (`id` int NOT NULL PRIMARY KEY, `a` int NOT NULL, CONSTRAINT `never` CHECK (`a` * `a` + 1 < 0));
CREATE TABLE `needs impossible` (`id` int NOT NULL PRIMARY KEY, `of` int NOT NULL, FOREIGN KEY (`of`) REFERENCES `impossible` (`id`));
