//! Simulates Amazon DynamoDB: tables in several Regions of one account, on one machine, global tables included.
//!
//! [`Tables`] answers the operations of DynamoDB's JSON protocol, member by member. It knows no network, no tasks and no clock:
//! whoever calls says in which Region and at which time. So a failover can be rehearsed with every delay that is wanted, and
//! the same calls at the same times always give the same answers. Nothing here knows AWS's SDKs.
//!
//! # What is supported
//! - Items: `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`, `Query`, `Scan` with segments, `BatchGetItem`, `BatchWriteItem`,
//!   `TransactWriteItems`, `TransactGetItems`; all expressions, reserved words and placeholders; pages; `ReturnValues`.
//! - Tables: `CreateTable`, `DescribeTable`, `ListTables`, `DeleteTable`; of `UpdateTable` the replicas and the protection
//!   against deletion. Global secondary indexes are made with their table.
//! - Global tables, version 2019.11.21, eventually consistent (MREC).
//! - Kept and shown only: streams (there is none to be read), time to live (what has expired stays), point-in-time recovery
//!   (nothing can be restored), provisioned throughput (nothing is throttled).
//!
//! Everything else is refused: local indexes, the parameters of before there were expressions, PartiQL, encryption, tags,
//! backups, exports, strong consistency between Regions. Nothing is ignored.
//!
//! # Promises
//! - A call sees every earlier call of its Region: reads here are always consistent, and an index is never behind its table.
//! - Numbers are exact, with 38 digits.
//! - A write to a table with replicas arrives in each other Region after a delay, item by item: a transaction may arrive in
//!   pieces, and a later write before an earlier one. Conditions see the Region's own items only.
//! - Of two writes of an item the later one wins in every Region; of two at the same time the one of the Region whose name is
//!   greater. The loser vanishes, and nothing tells of it. A deletion is a write like others, also of an item that is not there.
//! - Between Regions that are cut off from each other nothing arrives, and nothing is lost: it arrives late.
//! - When no Region is cut off, and the largest delay has passed since then and since the last write, all Regions are equal.
//!
//! # What a failure leaves
//! What is refused changes nothing: no half of an update, a batch or a transaction. An error has the service's code, and its
//! message where it is known.
//!
//! # What is believed
//! What differs from an emulator that nobody here wrote is in `docs/witnesses.md`. Of global tables AWS's documents leave open:
//!
//! - whether a deletion of what is not there reaches the other Regions: here it does, as every write;
//! - whether a write that changes nothing is a write: here it is, and can win;
//! - which of two writes of the same time wins: here that of the greater name, and every write is later than what it replaced;
//! - whether a table is among its own `Replicas`: here it is not, as users report it of AWS.
//!
//! And it differs on purpose: what takes AWS minutes, such as a new replica, is over as soon as the Regions are connected. A
//! table that was the source of a replica can be deleted at once; AWS wants a day to pass. Sums of numbers that have more than
//! 38 digits are refused; AWS does not say. What indexes consume of a write is not counted.
//!
//! # Modules
//! - `error`, `input`: what is answered when something is wrong, and how requests are read
//! - `number`, `attribute`: values
//! - `expression`: the little languages, and `range`, the one of key conditions
//! - `keys`, `schema`: what identifies an item, and what a table is
//! - `items`, `replication`, `state`: the items with the times of their writes, what is under way, and all of it together
//! - `create`, `describe`, `admin`, `settings`: the operations on tables
//! - `change`, `write`, `transact`: the operations that write
//! - `get`, `page`: the operations that read
//! - `capacity`: what an operation consumes
//! - `service`: which operation is which

mod admin;
mod attribute;
mod capacity;
mod change;
mod create;
mod describe;
mod error;
mod expression;
mod get;
mod input;
mod items;
mod keys;
mod number;
mod page;
mod range;
mod replication;
mod schema;
mod service;
mod settings;
mod state;
mod transact;
mod write;

pub use error::Error;
pub use replication::{Delay, Waiting};
pub use service::Tables;
