//! The shop's other stores in each Region: Redis in place of ElastiCache, RabbitMQ in place of Amazon MQ. Real servers of the
//! system's packages, each on a port of loopback, with a password that nobody else knows and its data below one folder.
//!
//! Neither is copied to the other Region: what they hold is lost with theirs, as at AWS. A server that was stopped starts again on
//! the port that it had; Redis is empty then, RabbitMQ has what it had confirmed.

pub mod rabbitmq;
pub mod redis;

pub use rabbitmq::RabbitMq;
pub use redis::Redis;
