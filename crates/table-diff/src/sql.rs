//! Statements, and the names and values in them.

mod cuts;
mod hashing;
mod row_hash;
mod statements;

pub mod literal;

pub(crate) use hashing::{ColumnForm, Reading};
pub(crate) use statements::{ROW, Statements};
