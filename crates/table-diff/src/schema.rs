//! What the servers say of their tables.

mod catalogue;
mod catalogue_read;
mod pair;

pub use catalogue::{Catalogue, ColumnShape, ForeignKey, TableShape, ValueKind};
pub use catalogue_read::read_catalogue;
pub use pair::{Listed, OTHERS, Presence, Rights, estimated_rows, list_tables, rights};
pub(crate) use pair::{Paired, pair};
