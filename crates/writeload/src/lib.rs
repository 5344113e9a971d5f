//! Somebody's own schema on a real server, a generated write load on it, and a ledger that says what every acknowledged
//! transaction did.
//!
//! 1. [`load_dump`] loads a dump without data, as `mysqldump --no-data` and `pg_dump -s` write it, and names what it leaves out.
//! 2. [`prepare`] reads the schema from the server's catalogue, and finds out which tables can be written.
//! 3. [`Load`] writes: rows that types, keys, foreign keys and checks allow, by a seed; several writers; at endpoints that fail, change
//!    and come back. Its [`Ledger`] has each acknowledged transaction, and each that is in doubt.
//! 4. [`check`] holds a database against a ledger: which transactions are there, which are lost, which rows of them.
//! 5. [`Program`] takes the place of the generated load: a program of the user's, which writes by itself and says what was acknowledged.
//!
//! Knows no AWS and no runbook. A server is a [`table_diff::Target`]: MySQL, MariaDB or PostgreSQL.

mod catalogue;
mod catalogue_mysql;
mod catalogue_postgres;
mod check;
mod condition;
mod divergence;
mod dump;
mod facts;
mod ledger;
mod load;
mod pattern;
mod plan;
mod pool;
mod program;
mod reading;
mod rows;
mod schema;
mod session;
mod split;
mod transaction;
mod values;

pub use catalogue::CatalogueError;
pub use check::{Altered, CheckError, Checked, LostEffect, Partly, check, present};
pub use condition::{Comparison, Condition, Term};
pub use divergence::{Compared, Divergence, LostFate, Place, diverge};
pub use dump::{LeftOut, LoadError, Loaded, load_dump};
pub use ledger::{
    Change, ChangeKind, Effect, Key, Ledger, Outcome, Refused, Row, RowState, SharedLedger, Transaction,
    Values,
};
pub use load::{Endpoint, Load, Options, PrepareError, WriterError, prepare, read_schema};
pub use plan::{Plan, PlanCounts};
pub use program::{Program, ProgramDatabase, ProgramError};
pub use reading::ReadError;
pub use schema::{Check, Column, ForeignKey, Schema, TableSchema, ValueType};
pub use session::ConnectError;
pub use split::{SplitError, Statement, StatementKind, split};
