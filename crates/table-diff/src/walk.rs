//! The ways through a table: in passes along an index or by buckets, by ranges of its key, or by the hashes of its
//! rows; a large one in several sections at once.

pub(crate) mod between;
pub(crate) mod buckets;
pub(crate) mod caller;
mod course;
pub(crate) mod cuts;
pub(crate) mod multiset;
mod packed;
pub(crate) mod pass;
pub(crate) mod ranges;
mod rows;
mod scan;
pub(crate) mod sections;
pub(crate) mod sides;
mod tally;
mod versions;
