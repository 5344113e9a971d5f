//! Compares the tables of two databases: two servers in, differences out. Knows no AWS and no runbook.
//!
//! # How a table is compared
//! By a key that both sides have: the primary key, else a unique index over columns that can't be null. On MySQL's
//! family both servers walk the key's index at once, sum up as they go, and say where a chunk ends by the rows
//! themselves, some 24 rows each: one pass finds every difference to within a chunk (`walk::scan`). On PostgreSQL both
//! servers sum up the same range of the key by buckets of the key's hash, millions of rows at once, and then look only at the
//! rows of buckets that differ (`walk::buckets`). Where neither can be (orders that differ between
//! the sides of MySQL's family, PostgreSQL before release 11, [`Options::strong`]), the table is cut into ranges of the key, and
//! both servers sum up the same range at once (`walk::ranges`). Only what differs is compared row by row: both sides send key and hash
//! of each row, and the rows that differ are fetched whole. That is a second look: a row that is the same by then was
//! only in flight. A table without such a key is compared as a multiset, see [`compare_table`]: how often each row
//! occurs on either side.
//!
//! # Why the sums do not cancel
//! A CRC is linear: two rows changed in the same way change a XOR of CRCs twice, that is not at all, and rows that are
//! swapped change a plain sum by nothing. So what is summed is no CRC.
//!
//! - **Scan:** each row adds the upper half of `c · (c >> 2)`, where `c` is the CRC-32 of all its values with the key
//!   among them: a product is not linear, so what one row's change adds depends on the rest of the row, and the same
//!   change in another row adds something else. One changed row goes unseen when its CRC stays the same, 2⁻³² for
//!   changes that were not made for it (never when they are within 32 bits in a row), or when the two products have the
//!   same upper half, below 2⁻²⁹; several in one chunk, when their sums cancel by chance, about as rarely. Of some five
//!   hundred million differences one is missed.
//! - **Buckets:** each row adds 64 bits, the hash of the key with that of all other values as its seed, summed exactly
//!   (`numeric`). Two rows swap a value, or change alike: what they add has nothing to do with each other. One changed row goes
//!   unseen when a value's hash stays the same, 2⁻⁶⁴ for any but a moment, whose hash tells apart 2³² (`sql::row_hash`);
//!   several in one bucket, when their sums cancel by chance, 2⁻⁶⁴. The rows of a bucket that differs are matched by the same 64 bits.
//! - **[`Options::strong`]:** 64 bits of the MD5 of the row, summed exactly (`DECIMAL`, `numeric`: no overflow), and all 128
//!   bits where a range is compared row by row: 2⁻⁶⁴ for a range. Twice the time and more.
//!
//! Neither is a defence against somebody who constructs collisions.
//!
//! # Why the canonical text is exact
//! The columns' texts are joined so that their boundaries can't move: `N` for NULL, else the length, a `#` and the
//! text. Long columns (`TEXT`, `BLOB`, JSON, PostgreSQL's `text` and `bytea`) enter as their length and MD5, so that
//! no server limit on one value cuts them off. Floats enter with every digit that they need, `FLOAT` widened first.
//! Timestamps are read in UTC on both sides. Text is compared by its characters' UTF-8 bytes whatever the
//! collation: `a` and `A` differ, trailing spaces count; a text that has no UTF-8 enters by its own bytes. For each kind of
//! value, `docs/comparison.md` says what is equal, with a case for each sentence. JSON that is stored as other text is compared by value, and is a
//! difference when the values are not the same; but in a table without a key, where there is no row to compare it with, other
//! text is another row.
//!
//! # Ranges under collations that fold
//! Ranges follow the server's own order of the key when type and collation are the same on both sides: then both
//! sides put a given key into the same range, and equal-under-the-collation keys share one. Otherwise, and for types
//! whose order and comparison disagree (`ENUM`), ranges follow the bytes of the canonical text: slower, for the index
//! can't serve it, but never wrong. Inside a range rows are matched by the exact bytes of their key; what is left on both
//! sides and is one key to the collation is one row, whose key changed.
//!
//! # What is never alike
//! Rows are counted as they are read, and a row that is another by the time it is looked at again is counted as it is then: so
//! tables that have not as many rows can't come out without a difference, and where they do it is an error. Rows that are
//! fetched come with a mark behind the last; a row that was seen and is not found by its key has to be gone; a key that
//! comes twice, and a value that the server does not give, are errors. What of a table was not compared is in
//! [`TableSummary::not_compared`].
//!
//! # Memory
//! A pass, and a range that is only summed, is at most [`Options::chunk_rows`] rows; of a pass the last key of each chunk
//! is held, 12 MiB for either side at most. A range is compared row by row when it has at most [`Options::inspect_rows`] rows,
//! some eight times that together, and fetched when the rows that differ have at most [`Options::fetch_bytes`]; else it is
//! cut smaller, if need be to one row. Of buckets that differ the keys and hashes are held, packed, 12 MiB for either side at most;
//! the server holds a row for each of 2¹³ buckets, or of 2¹⁶ where many differ. So memory is bounded by these numbers, or by the one largest row.
//!
//! With several connections each has its own part of all that, and what a section found that has to wait for those before it is
//! kept besides, some [`Options::fetch_bytes`] each.
//!
//! # Several connections
//! With more than one of [`Options::connections`] a large table that has a key is cut into ranges of it, sections, and several of
//! these are compared at once, each over a connection of its own to either server (`walk::sections`). What is handed over, and in
//! which order, and the counts are those of one connection. The cuts are found once, from the servers' estimates and some pages
//! (`walk::cuts`), and are in the [`Cursor`] with a place for each section; whenever a comparison continues it is made sure that they are
//! still in the key's order. Not cut are tables with less than twice [`Options::section_rows`], those without a key, and on MySQL's
//! family those whose key begins with a date or time, those that are not scanned and whose keys are text, and those whose keys'
//! own order is not followed. A key whose first column has few values is cut between these only.
//!
//! Several processes share a comparison in the same way: [`key_ranges`] cuts a table, each process compares one [`KeyRange`], and
//! [`check_ranges`] proves that nothing lies between them or in two of them.
//!
//! # Time and interruption
//! After each range the sink gets what was found, together with the [`Cursor`] that covers it; then the caller may
//! stop. A comparison that continues from a cursor finds the rest: nothing twice, nothing left out, in the same order. (Only
//! on MySQL's family, where thousands of rows in succession are on one side alone, and their keys are text under a collation, may
//! the order of their lines depend on where it was cut off. PostgreSQL is asked for the order.) A connection that breaks is made anew, and the range done again.
//!
//! # Kindness
//! - Nothing is written to either database: sessions are read-only. Every statement has a time limit.
//! - The source is seen as it was when its table was begun ([`Options::view`]; by InnoDB and PostgreSQL, and until a
//!   connection breaks). Until the table is done this keeps the source from altering it and from purging old versions. Several
//!   connections to PostgreSQL see the same moment; on MySQL's family, which has no statement for that, each sees that at which
//!   it was made: so a source that takes writes is better compared over one.
//! - The target is seen as it is. A difference is read again before it is reported: what was only in flight is not. Each
//!   statement on it is short ([`Options::pass`]), and it is left alone while it is busy ([`Limits`]): by all connections at once.
//! - A scan reads each page once. InnoDB lets such pages pass through the old end of its buffer pool and drops them first,
//!   as long as `innodb_old_blocks_time` is above the milliseconds in which a page's rows are read (its default is
//!   1000): the pages that are in use stay. PostgreSQL reads a large table through a ring of few buffers; it has no such guard for
//!   a walk along an index, which it takes where a pass is a small part of the table. A pass uses one core, no parallel workers.

mod cells;
mod column;
mod compare;
mod copies;
mod cursor;
mod cutting;
mod difference;
mod differences;
mod engine;
mod error;
mod json;
mod key_range;
mod options;
mod progress;
mod retry;
mod row;
mod schema;
mod server;
mod sql;
mod table;
mod throttle;
mod walk;

pub use compare::{compare_copies, compare_range, compare_table};
pub use copies::Copies;
pub use cursor::{Counts, Cursor};
pub use cutting::{check_ranges, key_ranges};
pub use difference::{Base, Difference, DifferenceKind};
pub use differences::{BoxError, Differences, Files};
pub use engine::{Engine, Side};
pub use error::{Error, is_untrusted, one_line};
pub use key_range::{KeyRange, check_cover};
pub use options::{Limits, Options};
pub use progress::{Progress, Sink, TableSummary};
pub use retry::retry_policy;
pub use row::RowReader;
pub use schema::{
    Catalogue, ColumnShape, ForeignKey, Listed, OTHERS, Presence, Rights, TableShape, ValueKind,
    estimated_rows, list_tables, read_catalogue, rights,
};
pub use server::{Address, AddressError, Server, Target, Tls};
pub use sql::literal;
pub use table::Table;
