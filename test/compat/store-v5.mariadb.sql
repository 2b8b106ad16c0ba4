/*M!999999\- enable the sandbox mode */ 

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;
DROP TABLE IF EXISTS `attachment`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `attachment` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `at_ms` bigint(20) NOT NULL,
  `author` varchar(255) NOT NULL,
  `name` varchar(255) NOT NULL,
  `size_bytes` bigint(20) NOT NULL,
  `sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (`id`),
  KEY `attachment_i1` (`todo_id`,`at_ms`),
  KEY `attachment_i2` (`sha256`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `attachment` WRITE;
/*!40000 ALTER TABLE `attachment` DISABLE KEYS */;
INSERT INTO `attachment` VALUES
('019b0000-0000-7000-8000-000000000037','019b0000-0000-7000-8000-000000000022',NULL,1790000000000,'a person','picture.png',4,'6d6f7836f1e146dc0204afb5133dae52fdc05603d8ac2dc793b481b0e0829fd1');
/*!40000 ALTER TABLE `attachment` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `attachment_content`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `attachment_content` (
  `sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `size_bytes` bigint(20) NOT NULL,
  `base64` longtext NOT NULL,
  PRIMARY KEY (`sha256`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `attachment_content` WRITE;
/*!40000 ALTER TABLE `attachment_content` DISABLE KEYS */;
INSERT INTO `attachment_content` VALUES
('6d6f7836f1e146dc0204afb5133dae52fdc05603d8ac2dc793b481b0e0829fd1',4,'AP+ACg==');
/*!40000 ALTER TABLE `attachment_content` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `audit`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `audit` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `at_ms` bigint(20) NOT NULL,
  `what` longtext NOT NULL,
  `detail` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `audit_i1` (`todo_id`),
  KEY `audit_i2` (`at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `audit` WRITE;
/*!40000 ALTER TABLE `audit` DISABLE KEYS */;
INSERT INTO `audit` VALUES
('01a20335-c8ee-7692-8b3e-782fddcd1b51','019b0000-0000-7000-8000-000000000022','019b0000-0000-7000-8000-000000000023',1795350186223,'status','{\"from\":\"claimed\",\"to\":\"open\",\"by\":\"rescue\",\"reason\":\"its host went away\"}'),
('01a20335-c942-721c-bd9b-69c35b6ef828','019b0000-0000-7000-8000-000000000031','019b0000-0000-7000-8000-000000000032',1795350186307,'status','{\"from\":\"claimed\",\"to\":\"running\",\"by\":\"daemon\",\"reason\":null}'),
('01a20335-c94e-7764-87db-91745025910e','019b0000-0000-7000-8000-000000000033','019b0000-0000-7000-8000-000000000034',1795350186318,'status','{\"from\":\"claimed\",\"to\":\"dead-lettered\",\"by\":\"daemon\",\"reason\":\"REPORT_FAILED three times\"}'),
('01a20335-c955-7013-a0a6-33292bd2a4a6','019b0000-0000-7000-8000-000000000035',NULL,1795350186324,'status','{\"from\":\"open\",\"to\":\"cancelled\",\"by\":\"signoff\",\"reason\":\"not needed\"}'),
('01a20335-c956-708c-a93e-0693deed4605','019b0000-0000-7000-8000-000000000022',NULL,1790000000000,'a note','{\"n\":1}');
/*!40000 ALTER TABLE `audit` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `comment`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `comment` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `at_ms` bigint(20) NOT NULL,
  `author` varchar(255) NOT NULL,
  `body` longtext NOT NULL,
  PRIMARY KEY (`id`),
  KEY `comment_i1` (`todo_id`,`at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `comment` WRITE;
/*!40000 ALTER TABLE `comment` DISABLE KEYS */;
INSERT INTO `comment` VALUES
('019b0000-0000-7000-8000-000000000036','019b0000-0000-7000-8000-000000000022',NULL,1790000000000,'a person','a comment 🙂\0');
/*!40000 ALTER TABLE `comment` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `completion`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `completion` (
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `fence` bigint(20) NOT NULL,
  `outcome` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_status` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `proof` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `said_by` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `reason` longtext DEFAULT NULL,
  `not_before_ms` bigint(20) DEFAULT NULL,
  `attempts` bigint(20) NOT NULL,
  `resets` bigint(20) NOT NULL,
  `round` bigint(20) NOT NULL,
  `summary` longtext NOT NULL,
  `report_html` longtext NOT NULL,
  `report_path` longtext NOT NULL,
  `output` longtext NOT NULL,
  `evidence` longtext NOT NULL,
  `truncated` longtext NOT NULL,
  `manifest_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `started_at_ms` bigint(20) NOT NULL,
  `ended_at_ms` bigint(20) NOT NULL,
  `recorded_at_ms` bigint(20) NOT NULL,
  PRIMARY KEY (`run_id`),
  KEY `completion_i1` (`todo_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `completion` WRITE;
/*!40000 ALTER TABLE `completion` DISABLE KEYS */;
INSERT INTO `completion` VALUES
('019b0000-0000-7000-8000-000000000024','019b0000-0000-7000-8000-000000000022',2,'done','completed','verified','marker',NULL,NULL,1,0,1,'it went well','<!doctype html><title>report</title>','/home/archive/todo_1/report.html','output 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\noutput 🙂\0\n','{\"v\":1}','{}','05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f',1790000000000,1790000000001,1795350186260),
('019b0000-0000-7000-8000-000000000026','019b0000-0000-7000-8000-000000000025',1,'failed','failed',NULL,'marker','a check failed',NULL,0,0,1,'it went well','<!doctype html><title>report</title>','/home/archive/todo_1/report.html','the output\n','{\"v\":1}','{}','05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f',1700000000000,1700000060000,1795350186277),
('019b0000-0000-7000-8000-000000000030','019b0000-0000-7000-8000-000000000029',1,'parked','parked',NULL,'marker',NULL,1790000000009,0,0,1,'it went well','<!doctype html><title>report</title>','/home/archive/todo_1/report.html','the output\n','{\"v\":1}','{}','05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f',1700000000000,1700000060000,1795350186295);
/*!40000 ALTER TABLE `completion` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `health_metrics`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `health_metrics` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) NOT NULL,
  `component` varchar(255) NOT NULL,
  `status` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `reason` longtext NOT NULL,
  `at_ms` bigint(20) NOT NULL,
  `resolution` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `samples` bigint(20) DEFAULT NULL,
  `figures` longtext DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `health_metrics_i1` (`component`,`at_ms`),
  KEY `health_metrics_i2` (`at_ms`),
  KEY `health_metrics_i3` (`host`,`resolution`,`at_ms`),
  KEY `health_metrics_i4` (`host`,`at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `health_metrics` WRITE;
/*!40000 ALTER TABLE `health_metrics` DISABLE KEYS */;
/*!40000 ALTER TABLE `health_metrics` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `host`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `host` (
  `id` varchar(255) NOT NULL,
  `claims` bigint(20) NOT NULL,
  `claimed_at_ms` bigint(20) NOT NULL,
  `drained_at_ms` bigint(20) DEFAULT NULL,
  `drain_reason` longtext DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `host` WRITE;
/*!40000 ALTER TABLE `host` DISABLE KEYS */;
INSERT INTO `host` VALUES
('here/1',6,1795350186314,NULL,NULL);
/*!40000 ALTER TABLE `host` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `notification_history`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `notification_history` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `incident` varchar(255) NOT NULL,
  `channel` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `severity` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `what` longtext NOT NULL,
  `outcome` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `detail` longtext NOT NULL,
  `at_ms` bigint(20) NOT NULL,
  PRIMARY KEY (`id`),
  KEY `notification_history_i1` (`incident`),
  KEY `notification_history_i2` (`at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `notification_history` WRITE;
/*!40000 ALTER TABLE `notification_history` DISABLE KEYS */;
/*!40000 ALTER TABLE `notification_history` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `outbox`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `outbox` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `payload` longtext NOT NULL,
  `attempts` bigint(20) NOT NULL,
  `created_at_ms` bigint(20) NOT NULL,
  `not_before_ms` bigint(20) NOT NULL,
  `delivered_at_ms` bigint(20) DEFAULT NULL,
  `dead_at_ms` bigint(20) DEFAULT NULL,
  `last_error` longtext DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `outbox_i1` (`delivered_at_ms`,`not_before_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `outbox` WRITE;
/*!40000 ALTER TABLE `outbox` DISABLE KEYS */;
/*!40000 ALTER TABLE `outbox` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `recovery_sessions`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `recovery_sessions` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) NOT NULL,
  `action` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `subject` longtext NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `why` longtext NOT NULL,
  `outcome` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `detail` longtext NOT NULL,
  `started_at_ms` bigint(20) NOT NULL,
  `ended_at_ms` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `recovery_sessions_i1` (`todo_id`),
  KEY `recovery_sessions_i2` (`started_at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `recovery_sessions` WRITE;
/*!40000 ALTER TABLE `recovery_sessions` DISABLE KEYS */;
/*!40000 ALTER TABLE `recovery_sessions` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `retry_attempts`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `retry_attempts` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `at_ms` bigint(20) NOT NULL,
  `what` longtext NOT NULL,
  `detail` longtext NOT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `class` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `attempt` bigint(20) DEFAULT NULL,
  `attempts_max` bigint(20) DEFAULT NULL,
  `status` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `next_at_ms` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `retry_attempts_i1` (`todo_id`),
  KEY `retry_attempts_i2` (`at_ms`),
  KEY `retry_attempts_i3` (`status`,`next_at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `retry_attempts` WRITE;
/*!40000 ALTER TABLE `retry_attempts` DISABLE KEYS */;
/*!40000 ALTER TABLE `retry_attempts` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `run`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `run` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `fence` bigint(20) NOT NULL,
  `agent` varchar(255) NOT NULL,
  `kind` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `host` varchar(255) NOT NULL,
  `token_sha256` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `lease_until_ms` bigint(20) NOT NULL,
  `round` bigint(20) NOT NULL,
  `started_at_ms` bigint(20) NOT NULL,
  `ended_at_ms` bigint(20) DEFAULT NULL,
  `outcome` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `said_by` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `run_i1` (`todo_id`,`fence`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `run` WRITE;
/*!40000 ALTER TABLE `run` DISABLE KEYS */;
INSERT INTO `run` VALUES
('019b0000-0000-7000-8000-000000000023','019b0000-0000-7000-8000-000000000022',1,'shell','tmux','here/1','',1795350186211,1,1795350186211,1795350186223,'lost',NULL),
('019b0000-0000-7000-8000-000000000024','019b0000-0000-7000-8000-000000000022',2,'shell','tmux','here/1','',1795350246248,1,1795350186248,1790000000001,'done','marker'),
('019b0000-0000-7000-8000-000000000026','019b0000-0000-7000-8000-000000000025',1,'shell','child','here/1','',1795350246272,1,1795350186272,1700000060000,'failed','marker'),
('019b0000-0000-7000-8000-000000000030','019b0000-0000-7000-8000-000000000029',1,'shell','child','here/1','',1795350246292,1,1795350186292,1700000060000,'parked','marker'),
('019b0000-0000-7000-8000-000000000032','019b0000-0000-7000-8000-000000000031',1,'shell','child','here/1','3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0',1795350186302,2,1795350186302,NULL,NULL,NULL),
('019b0000-0000-7000-8000-000000000034','019b0000-0000-7000-8000-000000000033',1,'shell','child','here/1','3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0',1795350246314,1,1795350186314,NULL,NULL,NULL);
/*!40000 ALTER TABLE `run` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `self_healing_events`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `self_healing_events` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `todo_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `at_ms` bigint(20) NOT NULL,
  `what` longtext NOT NULL,
  `detail` longtext NOT NULL,
  `type` varchar(255) DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `self_healing_events_i1` (`todo_id`),
  KEY `self_healing_events_i2` (`at_ms`),
  KEY `self_healing_events_i3` (`type`,`at_ms`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `self_healing_events` WRITE;
/*!40000 ALTER TABLE `self_healing_events` DISABLE KEYS */;
/*!40000 ALTER TABLE `self_healing_events` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `store_meta`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `store_meta` (
  `name` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `value` bigint(20) NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `store_meta` WRITE;
/*!40000 ALTER TABLE `store_meta` DISABLE KEYS */;
INSERT INTO `store_meta` VALUES
('application',5333247),
('number',8),
('version',5);
/*!40000 ALTER TABLE `store_meta` ENABLE KEYS */;
UNLOCK TABLES;
DROP TABLE IF EXISTS `todo`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `todo` (
  `id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `number` bigint(20) NOT NULL,
  `title` longtext NOT NULL,
  `prompt` longtext NOT NULL,
  `cwd` longtext NOT NULL,
  `project` longtext NOT NULL,
  `agent` varchar(255) NOT NULL,
  `session` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `checks` longtext NOT NULL,
  `priority` bigint(20) NOT NULL,
  `timeout_ms` bigint(20) DEFAULT NULL,
  `rounds` bigint(20) NOT NULL,
  `after_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `held` bigint(20) NOT NULL,
  `status` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  `proof` varchar(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `reason` longtext DEFAULT NULL,
  `fence` bigint(20) NOT NULL,
  `run_id` varchar(64) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,
  `not_before_ms` bigint(20) DEFAULT NULL,
  `attempts` bigint(20) NOT NULL,
  `resets` bigint(20) NOT NULL,
  `summary` longtext DEFAULT NULL,
  `report` longtext DEFAULT NULL,
  `created_at_ms` bigint(20) NOT NULL,
  `updated_at_ms` bigint(20) NOT NULL,
  `ended_at_ms` bigint(20) DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `todo_i1` (`number`),
  KEY `todo_i2` (`status`,`priority`,`created_at_ms`,`number`),
  KEY `todo_i3` (`status`,`not_before_ms`),
  KEY `todo_i4` (`created_at_ms`,`number`),
  KEY `todo_i5` (`after_id`),
  KEY `todo_i6` (`run_id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC;
/*!40101 SET character_set_client = @saved_cs_client */;

LOCK TABLES `todo` WRITE;
/*!40000 ALTER TABLE `todo` DISABLE KEYS */;
INSERT INTO `todo` VALUES
('019b0000-0000-7000-8000-000000000022',1,'completed','prompt of completed 🙂\0\'\"\\','/projects/one','/projects/one','shell','tmux','[\"npm test\"]',5,5000,2,NULL,0,'completed','verified',NULL,2,NULL,NULL,1,0,'it went well','/home/archive/todo_1/report.html',1795350186090,1795350186260,1790000000001),
('019b0000-0000-7000-8000-000000000025',2,'failed','prompt of failed 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,0,'failed',NULL,'a check failed',1,NULL,NULL,0,0,'it went well','/home/archive/todo_1/report.html',1795350186265,1795350186277,1700000060000),
('019b0000-0000-7000-8000-000000000027',3,'open','prompt of open 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',0,NULL,1,'019b0000-0000-7000-8000-000000000022',0,'open',NULL,NULL,0,NULL,NULL,0,0,NULL,NULL,1795350186280,1795350186280,NULL),
('019b0000-0000-7000-8000-000000000028',4,'held','prompt of held 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,1,'open',NULL,NULL,0,NULL,NULL,0,0,NULL,NULL,1795350186284,1795350186284,NULL),
('019b0000-0000-7000-8000-000000000029',5,'parked','prompt of parked 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,0,'parked',NULL,NULL,1,NULL,1790000000009,0,0,'it went well','/home/archive/todo_1/report.html',1795350186287,1795350186295,NULL),
('019b0000-0000-7000-8000-000000000031',6,'running','prompt of running 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,0,'running',NULL,NULL,1,'019b0000-0000-7000-8000-000000000032',NULL,0,0,NULL,NULL,1795350186298,1795350186307,NULL),
('019b0000-0000-7000-8000-000000000033',7,'dead-lettered','prompt of dead-lettered 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,1,'dead-lettered',NULL,'REPORT_FAILED three times',1,'019b0000-0000-7000-8000-000000000034',NULL,0,0,NULL,NULL,1795350186310,1795350186318,NULL),
('019b0000-0000-7000-8000-000000000035',8,'cancelled','prompt of cancelled 🙂\0\'\"\\','/projects/one','/projects/one','shell',NULL,'[\"npm test\"]',5,NULL,1,NULL,0,'cancelled',NULL,'not needed',0,NULL,NULL,0,0,NULL,NULL,1795350186321,1795350186324,1795350186324);
/*!40000 ALTER TABLE `todo` ENABLE KEYS */;
UNLOCK TABLES;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

