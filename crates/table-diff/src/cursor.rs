//! Where the comparison of a table stands, and what was counted up to there: what a caller keeps, to continue later.

use std::ops::{AddAssign, SubAssign};

use serde::{Deserialize, Serialize};

use crate::cells::{Key, hexadecimal};
use crate::difference::DifferenceKind;
use crate::engine::Side;

/// Rows seen and differences found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows of the source.
    pub rows_source: u64,
    /// Rows of the target.
    pub rows_target: u64,
    /// Rows in the source only.
    pub missing: u64,
    /// Rows in both, not the same.
    pub changed: u64,
    /// Rows in the target only.
    pub extra: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, kind: DifferenceKind) {
        match kind {
            DifferenceKind::Missing => self.missing += 1,
            DifferenceKind::Changed => self.changed += 1,
            DifferenceKind::Extra => self.extra += 1,
        }
    }

    /// Differences of all kinds.
    pub fn differences(&self) -> u64 {
        self.missing + self.changed + self.extra
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.rows_source += more.rows_source;
        self.rows_target += more.rows_target;
        self.missing += more.missing;
        self.changed += more.changed;
        self.extra += more.extra;
    }
}

impl SubAssign for Counts {
    fn sub_assign(&mut self, less: Self) {
        self.rows_source = self.rows_source.saturating_sub(less.rows_source);
        self.rows_target = self.rows_target.saturating_sub(less.rows_target);
        self.missing = self.missing.saturating_sub(less.missing);
        self.changed = self.changed.saturating_sub(less.changed);
        self.extra = self.extra.saturating_sub(less.extra);
    }
}

/// Where the comparison of a table stands: a key and counts, a few hundred bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// What was counted so far.
    pub counts: Counts,
    /// The key's columns, to see that they are still the same.
    pub(crate) key_columns: Vec<String>,
    pub(crate) position: Position,
}

/// A place in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Position {
    AfterKey(KeyPlace),
    AtHash(HashPlace),
    /// Everything is compared.
    End,
}

/// A place in the order of the key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyPlace {
    /// Everything up to this key is compared; `None` at the start.
    #[serde(with = "hexadecimal")]
    pub(crate) key: Option<Key>,
    /// The ranges that are being cut.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) within: Vec<Within>,
}

/// A range that is walked in pieces, because its rows are too many to be compared together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Within {
    /// Whose rows are counted.
    pub(crate) side: Side,
    /// Where it ends; `None`: at the end of the table.
    #[serde(with = "hexadecimal")]
    pub(crate) high: Option<Key>,
    /// Rows of a piece.
    pub(crate) size: u64,
}

/// A place in the order of the rows' hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HashPlace {
    /// Everything before this hash is compared, and its own rows are counted.
    pub(crate) hash: String,
    /// How many of its lines were handed over.
    pub(crate) lines: u64,
    /// Whether there are no more.
    pub(crate) settled: bool,
}
