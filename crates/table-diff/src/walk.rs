//! The ways through a table: by ranges of its key, in passes along an index, or by the hashes of its rows.

pub(crate) mod keyed;
pub(crate) mod multiset;
pub(crate) mod pass;
pub(crate) mod scan;
