//! Where a lost row stands, from what the last look said of it and what putting it back said.

use std::collections::BTreeMap;

use missing_transactions::text::count;
use row_replay::Fate;
use serde::{Deserialize, Serialize};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Standing {
    /// It is there, just the same.
    There,
    /// It was put back, and what has its key is not the same any more: the application goes on with it.
    Altered,
    /// Nothing known of is in its way.
    ToPutBack,
    /// It was put back, and is not there any more.
    Gone,
    /// Another row has its key.
    KeyTaken,
    /// Another row has its value in a unique index.
    UniqueCollision,
    /// What it belongs to is not there.
    ParentMissing,
    /// What it belongs to was not put back.
    ParentLeftOut,
    /// The server refuses it.
    Refused,
    /// It was not tried.
    NotTried,
}

impl Standing {
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

    fn of(fate: &Fate) -> Self {
        match fate {
            Fate::Inserted => Self::ToPutBack,
            Fate::AlreadyThere => Self::There,
            Fate::KeyTaken { .. } => Self::KeyTaken,
            Fate::UniqueCollision { .. } => Self::UniqueCollision,
            Fate::ParentMissing { .. } => Self::ParentMissing,
            Fate::ParentLeftOut { .. } => Self::ParentLeftOut,
            Fate::Refused { .. } => Self::Refused,
            Fate::LeftOut { .. } => Self::NotTried,
        }
    }

    /// What is the matter, after a number of rows.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::There => "there, just the same",
            Self::Altered => "put back and changed since",
            Self::ToPutBack => "with nothing known of in the way",
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

/// Where a row stands, and the fate that tells why. `last` is from a dry run; `applied` from putting it back, if that was
/// done.
pub(crate) fn standing<'a>(last: &'a Fate, applied: Option<&'a Fate>) -> (Standing, &'a Fate) {
    let was_put_back = matches!(applied, Some(Fate::Inserted | Fate::AlreadyThere));
    match (last, applied) {
        (Fate::Inserted, Some(_)) if was_put_back => (Standing::Gone, last),
        // A dry run knows neither what the server refuses nor rows that need each other.
        (Fate::Inserted, Some(applied)) => (Standing::of(applied), applied),
        (Fate::KeyTaken { .. }, _) if was_put_back => (Standing::Altered, last),
        _ => (Standing::of(last), last),
    }
}

/// How many rows stand where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tally(pub(crate) BTreeMap<Standing, u64>);

impl Tally {
    pub(crate) fn add(&mut self, standing: Standing) {
        *self.0.entry(standing).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (standing, rows) in &other.0 {
            *self.0.entry(*standing).or_default() += rows;
        }
    }

    pub(crate) fn of(&self, standing: Standing) -> u64 {
        self.0.get(&standing).copied().unwrap_or_default()
    }

    pub(crate) fn there(&self) -> u64 {
        self.0.iter().filter(|(standing, _)| standing.is_there()).map(|(_, rows)| rows).sum()
    }

    pub(crate) fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// Of `among`, those that occur: `1 whose key another row has now, 2 that the server refuses`.
    pub(crate) fn words(&self, among: &[Standing]) -> String {
        let words = among.iter().filter(|standing| self.of(**standing) > 0);
        let words = words.map(|standing| format!("{} {}", count(self.of(*standing)), standing.words()));
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
            (Standing::ToPutBack, inserted),
            (Standing::There, already_there),
            (Standing::KeyTaken, key_taken),
            (Standing::UniqueCollision, unique_collision),
            (Standing::ParentMissing, parent_missing),
            (Standing::ParentLeftOut, parent_left_out),
            (Standing::Refused, refused),
            (Standing::NotTried, left_out),
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
        let taken = Fate::KeyTaken { other: Map::new() };
        let refused = Fate::Refused { reason: "too long".into() };
        let (inserted, there) = (Fate::Inserted, Fate::AlreadyThere);
        let cases = [
            // A preview.
            (&inserted, None, Standing::ToPutBack),
            (&there, None, Standing::There),
            (&taken, None, Standing::KeyTaken),
            // After putting back.
            (&there, Some(&inserted), Standing::There),
            (&there, Some(&refused), Standing::There),
            (&inserted, Some(&refused), Standing::Refused),
            (&inserted, Some(&inserted), Standing::Gone),
            (&inserted, Some(&there), Standing::Gone),
            (&taken, Some(&inserted), Standing::Altered),
            (&taken, Some(&taken), Standing::KeyTaken),
            (&taken, Some(&refused), Standing::KeyTaken),
        ];
        for (last, applied, expected) in cases {
            assert_eq!(standing(last, applied).0, expected, "{last:?} {applied:?}");
        }
        assert_eq!(standing(&inserted, Some(&refused)).1, &refused, "the reason is the server's");
    }

    #[test]
    fn what_is_left_is_all_but_what_is_there() {
        let counts =
            row_replay::Counts { inserted: 1000, already_there: 2, key_taken: 1, ..Default::default() };
        let tally = Tally::from(counts);
        assert_eq!((tally.all(), tally.there()), (1003, 2));
        assert_eq!(
            tally.words(&Standing::LEFT),
            "1,000 with nothing known of in the way, 1 whose key another row has now"
        );
    }
}
