//! Statements, and the names and values in them.

mod statements;

pub mod literal;

pub(crate) use statements::{ColumnForm, ROW, Statements};
