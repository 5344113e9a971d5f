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

/// Where the comparison of a table stands: counts and a key, or one for each section that the table is cut into. A few
/// hundred bytes, with sections some thousand.
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
    /// The table is cut into sections, each with a place of its own.
    Sections(Sections),
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

/// A table that is cut into ranges of its key, in the order of the key.
///
/// Each begins where the one before it ends, so that no two of them can share a key and none can lie between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Section>")]
pub(crate) struct Sections(pub(crate) Vec<Section>);

/// A range of the key that is compared by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    /// Where it ends; `None`, and for the last one only: at the end of the table.
    #[serde(with = "hexadecimal", default, skip_serializing_if = "Option::is_none")]
    pub(crate) high: Option<Key>,
    /// Where its comparison stands.
    #[serde(default, skip_serializing_if = "is_start")]
    pub(crate) place: KeyPlace,
    /// It is compared to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) done: bool,
}

fn is_start(place: &KeyPlace) -> bool {
    *place == KeyPlace::default()
}

impl TryFrom<Vec<Section>> for Sections {
    type Error = &'static str;

    fn try_from(sections: Vec<Section>) -> Result<Self, Self::Error> {
        match sections.as_slice() {
            [before @ .., Section { high: None, .. }] if before.iter().all(|one| one.high.is_some()) => {
                Ok(Self(sections))
            }
            _ => Err("sections that don't reach from the start of the table to its end"),
        }
    }
}

impl Sections {
    /// Cut behind each of these keys, which are in order; nothing is compared.
    pub(crate) fn behind(cuts: Vec<Key>) -> Self {
        let ends = cuts.into_iter().map(Some).chain([None]);
        Self(ends.map(|high| Section { high, ..Section::default() }).collect())
    }

    /// Where each begins and ends.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = (Option<&Key>, Option<&Key>)> {
        let highs = self.0.iter().map(|section| section.high.as_ref());
        [None].into_iter().chain(highs.clone()).zip(highs)
    }

    /// The keys at which it is cut and those at which a section stands, in the order in which they have to be.
    pub(crate) fn keys(&self) -> Vec<&Key> {
        let mut keys = Vec::new();
        for Section { high, place, done } in &self.0 {
            keys.extend(place.key.as_ref().filter(|_| !done));
            keys.extend(high);
        }
        keys
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        vec![number.to_string().into_bytes()]
    }

    #[test]
    fn sections_hold_every_key_once() {
        let sections = Sections::behind(vec![key(10), key(20)]);
        let of = |key: &Key| String::from_utf8_lossy(&key[0]).parse::<u64>().unwrap();
        for number in 0..30 {
            let holds = |(low, high): &(Option<&Key>, Option<&Key>)| {
                low.is_none_or(|low| number > of(low)) && high.is_none_or(|high| number <= of(high))
            };
            assert_eq!(sections.bounds().filter(holds).count(), 1, "{number}");
        }
        assert_eq!(sections.bounds().count(), 3);
    }

    #[test]
    fn sections_are_read_as_they_were_written_and_with_a_gap_not_at_all() {
        let mut sections = Sections::behind(vec![key(10), key(20)]);
        sections.0[0].done = true;
        sections.0[1].place.key = Some(key(15));
        assert_eq!(sections.keys(), [&key(10), &key(15), &key(20)]);
        let position = Position::Sections(sections);
        let json = serde_json::to_string(&position).unwrap();
        assert_eq!(
            json,
            r#"{"sections":[{"high":["3130"],"done":true},{"high":["3230"],"place":{"key":["3135"]}},{}]}"#
        );
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        for bad in ["[]", r#"[{"high":["31"]}]"#, "[{},{}]", r#"[{"high":["31"]},{},{}]"#] {
            let read = serde_json::from_str::<Sections>(bad);
            assert!(read.unwrap_err().to_string().contains("don't reach from the start"), "{bad}");
        }
    }

    #[test]
    fn a_cursor_of_an_earlier_version_is_read() {
        let json = r#"{"counts":{"rowsSource":5,"rowsTarget":4,"missing":1,"changed":0,"extra":0},"keyColumns":["id"],
            "position":{"afterKey":{"key":["3130"],"within":[{"side":"source","high":null,"size":7}]}}}"#;
        let cursor = serde_json::from_str::<Cursor>(json).unwrap();
        let within = vec![Within { side: Side::Source, high: None, size: 7 }];
        assert_eq!(cursor.position, Position::AfterKey(KeyPlace { key: Some(key(10)), within }));
    }
}
