//! The status of a lost row, from what the last look found and what putting it back returned.

use std::collections::BTreeMap;

use missing_transactions::text::count;
use row_replay::Replayed;
use serde::{Deserialize, Serialize};

/// The status of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RowStatus {
    /// The same row is in the new primary.
    There,
    /// It was put back, and the application has changed it since.
    Altered,
    /// No known obstacle: it would be put back.
    ToPutBack,
    /// It was put back and has been deleted since.
    Gone,
    /// Another row has its key.
    KeyTaken,
    /// Another row has its value in a unique index.
    UniqueCollision,
    /// Its parent row is missing.
    ParentMissing,
    /// Its parent row was not put back.
    ParentLeftOut,
    /// The server refuses it.
    Refused,
    /// It was not tried.
    NotTried,
}

impl RowStatus {
    /// Those that are not there, in the order in which they are shown.
    pub(crate) const LEFT: [Self; 8] = [
        Self::ToPutBack,
        Self::KeyTaken,
        Self::UniqueCollision,
        Self::ParentMissing,
        Self::ParentLeftOut,
        Self::Refused,
        Self::NotTried,
        Self::Gone,
    ];

    pub(crate) fn is_there(self) -> bool {
        matches!(self, Self::There | Self::Altered)
    }

    fn of(fate: &Replayed) -> Self {
        match fate {
            Replayed::Inserted => Self::ToPutBack,
            Replayed::AlreadyThere => Self::There,
            Replayed::KeyTaken { .. } => Self::KeyTaken,
            Replayed::UniqueCollision { .. } => Self::UniqueCollision,
            Replayed::ParentMissing { .. } => Self::ParentMissing,
            Replayed::ParentLeftOut { .. } => Self::ParentLeftOut,
            Replayed::Refused { .. } => Self::Refused,
            Replayed::LeftOut { .. } => Self::NotTried,
        }
    }

    /// What is the matter, after a number of rows.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::There => "there, just the same",
            Self::Altered => "put back and changed since",
            Self::ToPutBack => "that can be inserted",
            Self::Gone => "put back and gone since",
            Self::KeyTaken => "whose key another row has now",
            Self::UniqueCollision => "with a unique value that another row has",
            Self::ParentMissing => "whose parent is not there",
            Self::ParentLeftOut => "whose parent was left out",
            Self::Refused => "that the server refuses",
            Self::NotTried => "not tried (no key or no such table)",
        }
    }
}

/// The status of a row, and the fate that explains it. `last` is from a dry run; `applied` is from putting it back, if that was
/// done.
pub(crate) fn status<'a>(last: &'a Replayed, applied: Option<&'a Replayed>) -> (RowStatus, &'a Replayed) {
    let was_put_back = matches!(applied, Some(Replayed::Inserted | Replayed::AlreadyThere));
    match (last, applied) {
        (Replayed::Inserted, Some(_)) if was_put_back => (RowStatus::Gone, last),
        // A dry run knows neither what the server refuses nor rows that need each other.
        (Replayed::Inserted, Some(applied)) => (RowStatus::of(applied), applied),
        (Replayed::KeyTaken { .. }, _) if was_put_back => (RowStatus::Altered, last),
        _ => (RowStatus::of(last), last),
    }
}

/// The number of rows by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tally(pub(crate) BTreeMap<RowStatus, u64>);

impl Tally {
    pub(crate) fn add(&mut self, status: RowStatus) {
        *self.0.entry(status).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (status, rows) in &other.0 {
            *self.0.entry(*status).or_default() += rows;
        }
    }

    pub(crate) fn of(&self, status: RowStatus) -> u64 {
        self.0.get(&status).copied().unwrap_or_default()
    }

    pub(crate) fn there(&self) -> u64 {
        self.0.iter().filter(|(status, _)| status.is_there()).map(|(_, rows)| rows).sum()
    }

    pub(crate) fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// Of `among`, those that occur: `1 whose key another row has now, 2 that the server refuses`.
    pub(crate) fn words(&self, among: &[RowStatus]) -> String {
        let words = among.iter().filter(|status| self.of(**status) > 0);
        let words = words.map(|status| format!("{} {}", count(self.of(*status)), status.words()));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl From<row_replay::Counts> for Tally {
    fn from(counts: row_replay::Counts) -> Self {
        let row_replay::Counts {
            inserted,
            already_there,
            key_taken,
            unique_collision,
            parent_missing,
            parent_left_out,
            refused,
            left_out,
            conflicts: _,
        } = counts;
        let all = [
            (RowStatus::ToPutBack, inserted),
            (RowStatus::There, already_there),
            (RowStatus::KeyTaken, key_taken),
            (RowStatus::UniqueCollision, unique_collision),
            (RowStatus::ParentMissing, parent_missing),
            (RowStatus::ParentLeftOut, parent_left_out),
            (RowStatus::Refused, refused),
            (RowStatus::NotTried, left_out),
        ];
        Self(all.into_iter().filter(|(_, rows)| *rows > 0).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    #[test]
    fn the_last_look_and_what_putting_back_said_are_one_standing() {
        let taken = Replayed::KeyTaken { other: Map::new() };
        let refused = Replayed::Refused { reason: "too long".into() };
        let (inserted, there) = (Replayed::Inserted, Replayed::AlreadyThere);
        let cases = [
            // A preview.
            (&inserted, None, RowStatus::ToPutBack),
            (&there, None, RowStatus::There),
            (&taken, None, RowStatus::KeyTaken),
            // After putting back.
            (&there, Some(&inserted), RowStatus::There),
            (&there, Some(&refused), RowStatus::There),
            (&inserted, Some(&refused), RowStatus::Refused),
            (&inserted, Some(&inserted), RowStatus::Gone),
            (&inserted, Some(&there), RowStatus::Gone),
            (&taken, Some(&inserted), RowStatus::Altered),
            (&taken, Some(&taken), RowStatus::KeyTaken),
            (&taken, Some(&refused), RowStatus::KeyTaken),
        ];
        for (last, applied, expected) in cases {
            assert_eq!(status(last, applied).0, expected, "{last:?} {applied:?}");
        }
        assert_eq!(status(&inserted, Some(&refused)).1, &refused, "the reason is the server's");
    }

    #[test]
    fn what_is_left_is_all_but_what_is_there() {
        let counts =
            row_replay::Counts { inserted: 1000, already_there: 2, key_taken: 1, ..Default::default() };
        let tally = Tally::from(counts);
        assert_eq!((tally.all(), tally.there()), (1003, 2));
        assert_eq!(
            tally.words(&RowStatus::LEFT),
            "1,000 that can be inserted, 1 whose key another row has now"
        );
    }
}
