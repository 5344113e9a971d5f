//! What the servers say of their tables.

mod base;
mod catalogue;
mod catalogue_read;
mod describe;
mod listing;
mod pair;

pub(crate) use base::BaseTable;
pub use catalogue::{Catalogue, ColumnShape, ForeignKey, TableShape, ValueKind};
pub use catalogue_read::read_catalogue;
pub use listing::{Listed, OTHERS, Presence, Rights, estimated_rows, list_tables, rights};
pub(crate) use pair::{Paired, pair};
