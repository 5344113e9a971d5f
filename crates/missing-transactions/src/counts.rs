//! How many rows there are of each fate.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Basis, Verdict};
use crate::fate::{Doubt, Fate};

/// Rows by what happened to them. Every difference is in exactly one of these, `missingProved` and `provedByTakeover`
/// aside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Not in the new primary.
    pub missing: u64,
    /// Those of them that were written too late to come across; the others could have been deleted there since.
    pub missing_proved: u64,
    /// The old primary's change is lost.
    pub lost_updates: u64,
    /// The old primary's delete is lost.
    pub lost_deletes: u64,
    /// Both wrote it.
    pub conflicts: u64,
    /// Changed in the new primary only: nothing lost.
    pub changed_there: u64,
    /// Written in the new primary: nothing lost.
    pub written_there: u64,
    /// Deleted in the new primary only: nothing lost.
    #[serde(default, skip_serializing_if = "is_none")]
    pub deleted_there: u64,
    /// Those of all these that the state at the takeover proves; the others were inferred from times.
    #[serde(default, skip_serializing_if = "is_none")]
    pub proved_by_takeover: u64,
    /// Undecided, by the reason.
    pub undecided: BTreeMap<Doubt, u64>,
}

/// Left out where there is none, as a report without a state at the takeover has always been.
fn is_none(rows: &u64) -> bool {
    *rows == 0
}

impl Counts {
    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.proved_by_takeover += u64::from(verdict.basis == Basis::Takeover);
        let count = match verdict.fate {
            Fate::Missing { proved } => {
                self.missing_proved += u64::from(proved);
                &mut self.missing
            }
            Fate::LostUpdate => &mut self.lost_updates,
            Fate::LostDelete => &mut self.lost_deletes,
            Fate::Conflict(_) => &mut self.conflicts,
            Fate::ChangedThere => &mut self.changed_there,
            Fate::WrittenThere => &mut self.written_there,
            Fate::DeletedThere => &mut self.deleted_there,
            Fate::Undecided(doubt) => self.undecided.entry(doubt).or_default(),
        };
        *count += 1;
    }

    pub(crate) fn plus(&mut self, other: &Self) {
        self.missing += other.missing;
        self.missing_proved += other.missing_proved;
        self.lost_updates += other.lost_updates;
        self.lost_deletes += other.lost_deletes;
        self.conflicts += other.conflicts;
        self.changed_there += other.changed_there;
        self.written_there += other.written_there;
        self.deleted_there += other.deleted_there;
        self.proved_by_takeover += other.proved_by_takeover;
        for (doubt, count) in &other.undecided {
            *self.undecided.entry(*doubt).or_default() += count;
        }
    }

    /// Undecided rows.
    pub fn in_doubt(&self) -> u64 {
        self.undecided.values().sum()
    }

    /// Rows with which nothing was lost.
    pub fn harmless(&self) -> u64 {
        self.changed_there + self.written_there + self.deleted_there
    }

    /// Every difference.
    pub fn all(&self) -> u64 {
        self.missing
            + self.lost_updates
            + self.lost_deletes
            + self.conflicts
            + self.harmless()
            + self.in_doubt()
    }
}
