//! The fate of each row, and how many rows had which.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The fate of a missing row in a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Replayed {
    /// It was inserted; in a dry run: it would be inserted.
    Inserted,
    /// An identical row was there already.
    AlreadyThere,
    /// A different row with its key is there.
    KeyTaken {
        /// That row.
        other: Map<String, Value>,
    },
    /// Another row has its value in a unique index.
    UniqueCollision {
        /// The index's columns.
        columns: Vec<String>,
        /// The other row's key.
        other_key: Map<String, Value>,
        /// The other row.
        other: Map<String, Value>,
    },
    /// Its parent is missing.
    ParentMissing {
        /// Name of the foreign key.
        foreign_key: String,
        /// The parent's table.
        parent: String,
        /// The parent that is missing.
        parent_key: Map<String, Value>,
    },
    /// Its parent was not put back. If a row has that key now, it may be a different one.
    ParentLeftOut {
        /// Name of the foreign key.
        foreign_key: String,
        /// The parent's table.
        parent: String,
        /// The parent that was left out.
        parent_key: Map<String, Value>,
    },
    /// The server refused it.
    Refused {
        /// The server's message.
        reason: String,
    },
    /// It was not tried.
    LeftOut {
        /// Why.
        reason: String,
    },
}

impl Replayed {
    pub(super) fn left_out(reason: &str) -> Self {
        Self::LeftOut { reason: reason.into() }
    }
}

/// A missing row and its fate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayedRow {
    /// Its table.
    pub table: String,
    /// Its key; the whole row where it has none.
    pub key: Map<String, Value>,
    /// Its fate.
    #[serde(flatten)]
    pub replayed: Replayed,
}

/// How many rows had which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// [`Replayed::Inserted`].
    pub inserted: u64,
    /// [`Replayed::AlreadyThere`].
    pub already_there: u64,
    /// [`Replayed::KeyTaken`].
    pub key_taken: u64,
    /// [`Replayed::UniqueCollision`].
    pub unique_collision: u64,
    /// [`Replayed::ParentMissing`].
    pub parent_missing: u64,
    /// [`Replayed::ParentLeftOut`].
    pub parent_left_out: u64,
    /// [`Replayed::Refused`].
    pub refused: u64,
    /// [`Replayed::LeftOut`].
    pub left_out: u64,
    /// Rows that are on both sides and differ. They are not touched and have no fate.
    pub conflicts: u64,
}

impl Counts {
    pub(super) fn add(&mut self, fate: &Replayed) {
        *match fate {
            Replayed::Inserted => &mut self.inserted,
            Replayed::AlreadyThere => &mut self.already_there,
            Replayed::KeyTaken { .. } => &mut self.key_taken,
            Replayed::UniqueCollision { .. } => &mut self.unique_collision,
            Replayed::ParentMissing { .. } => &mut self.parent_missing,
            Replayed::ParentLeftOut { .. } => &mut self.parent_left_out,
            Replayed::Refused { .. } => &mut self.refused,
            Replayed::LeftOut { .. } => &mut self.left_out,
        } += 1;
    }
}

/// The counts, and notes for the reader of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// By table.
    pub tables: BTreeMap<String, Counts>,
    /// Columns that the database does not have, and sequences that are far behind.
    pub notes: BTreeSet<String>,
}
