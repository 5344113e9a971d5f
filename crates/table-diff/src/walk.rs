//! The ways through a table: by ranges of its key, in passes along an index, or by the hashes of its rows.

pub(crate) mod caller;
mod course;
pub(crate) mod multiset;
mod packed;
pub(crate) mod pass;
pub(crate) mod ranges;
mod rows;
mod scan;
pub(crate) mod sides;
