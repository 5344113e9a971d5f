//! Ranges of a table's key, for a comparison that several processes share: each compares one, with a cursor of its own.

use serde::{Deserialize, Serialize};

use crate::cells::{Key, hexadecimal};
use crate::error::Error;
use crate::table::Table;

/// A range of a table's key: what comes behind one key, up to another and with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRange {
    /// The key's columns, to see that they are still the same; empty for a whole table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
    /// Behind which key; `None`: from the start of the table.
    #[serde(with = "hexadecimal", default, skip_serializing_if = "Option::is_none")]
    pub(crate) low: Option<Key>,
    /// Up to which key; `None`: to the end of the table.
    #[serde(with = "hexadecimal", default, skip_serializing_if = "Option::is_none")]
    pub(crate) high: Option<Key>,
}

impl KeyRange {
    /// Whether it is a whole table.
    pub fn is_whole(&self) -> bool {
        self.low.is_none() && self.high.is_none()
    }

    /// The ranges between these keys, which are in order.
    pub(crate) fn between(columns: &[String], cuts: &[Key]) -> Vec<Self> {
        if cuts.is_empty() {
            return vec![Self::default()];
        }
        let highs = cuts.iter().cloned().map(Some).chain([None]);
        let lows = [None].into_iter().chain(cuts.iter().cloned().map(Some));
        lows.zip(highs).map(|(low, high)| Self { columns: columns.to_vec(), low, high }).collect()
    }

    /// An error where a table's key is not the one that the range was made for.
    pub(crate) fn fits(&self, table: &Table, columns: &[String]) -> Result<(), Error> {
        let keys = self.low.iter().chain(&self.high);
        if self.is_whole() || self.columns == columns && keys.clone().all(|key| key.len() == columns.len()) {
            return Ok(());
        }
        let reason = format!(
            "it was cut into ranges of its key ({}), and its key is ({}) now: compare it from the start",
            self.columns.join(", "),
            columns.join(", ")
        );
        Err(Error::Table { table: table.to_string(), reason })
    }
}

/// Proves that ranges, in this order, have every key of a table once: the first begins at the table's start, each of the others where
/// the one before it ends, and the last ends at the table's end. That the keys are in order is for [`crate::check_ranges`] to see.
///
/// # Errors
/// Where there is a gap, or where two may overlap: in words.
pub fn check_cover(ranges: &[KeyRange]) -> Result<(), String> {
    let Some((first, last)) = ranges.first().zip(ranges.last()) else {
        return Err("there is no range".into());
    };
    if first.low.is_some() {
        return Err("the first range does not begin at the table's start".into());
    }
    if last.high.is_some() {
        return Err("the last range does not end at the table's end".into());
    }
    for (number, pair) in ranges.windows(2).enumerate() {
        let [before, behind] = pair else { continue };
        if before.high.is_none() || before.high != behind.low {
            return Err(format!("range {} does not begin where range {} ends", number + 2, number + 1));
        }
        if before.columns != behind.columns {
            return Err(format!("ranges {} and {} are of other keys", number + 1, number + 2));
        }
    }
    match ranges.iter().position(|range| !range.is_whole() && range.low == range.high) {
        Some(number) => Err(format!("range {} ends where it begins", number + 1)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        vec![number.to_string().into_bytes()]
    }

    fn ranges(cuts: &[u64]) -> Vec<KeyRange> {
        KeyRange::between(&["id".to_owned()], &cuts.iter().copied().map(key).collect::<Vec<_>>())
    }

    #[test]
    fn ranges_between_cuts_cover_the_table_and_a_gap_or_an_overlap_is_told() {
        for cuts in [&[][..], &[10], &[10, 20, 30]] {
            assert_eq!(check_cover(&ranges(cuts)), Ok(()));
        }
        let all = ranges(&[10, 20, 30]);
        let without = |number: usize| {
            let mut some = all.clone();
            some.remove(number);
            check_cover(&some).unwrap_err()
        };
        assert_eq!(check_cover(&[]).unwrap_err(), "there is no range");
        assert_eq!(without(0), "the first range does not begin at the table's start");
        assert_eq!(without(1), "range 2 does not begin where range 1 ends");
        assert_eq!(without(3), "the last range does not end at the table's end");
        let changed = |number: usize, change: fn(&mut KeyRange)| {
            let mut some = all.clone();
            change(&mut some[number]);
            check_cover(&some).unwrap_err()
        };
        // An overlap, the same range twice, one of another key, and one without a key in the middle.
        assert_eq!(
            changed(2, |range| range.low = Some(key(15))),
            "range 3 does not begin where range 2 ends"
        );
        assert_eq!(
            check_cover(&[&all[..2], &all[1..]].concat()).unwrap_err(),
            "range 3 does not begin where range 2 ends"
        );
        assert_eq!(changed(2, |range| range.columns = vec!["no".into()]), "ranges 2 and 3 are of other keys");
        assert_eq!(changed(1, |range| range.high = None), "range 3 does not begin where range 2 ends");
        assert_eq!(
            check_cover(
                &[&all[..1], &[KeyRange { high: Some(key(10)), ..all[1].clone() }], &ranges(&[10])[1..]]
                    .concat()
            )
            .unwrap_err(),
            "range 2 ends where it begins"
        );
    }

    #[test]
    fn a_range_is_read_as_it_was_written_and_one_of_another_key_is_an_error() {
        let all = ranges(&[10]);
        let json = serde_json::to_string(&all).unwrap();
        assert_eq!(json, r#"[{"columns":["id"],"high":["3130"]},{"columns":["id"],"low":["3130"]}]"#);
        assert_eq!(serde_json::from_str::<Vec<KeyRange>>(&json).unwrap(), all);
        assert_eq!(serde_json::to_string(&KeyRange::default()).unwrap(), "{}");
        let table = Table { schema: None, name: "t".into() };
        all[0].fits(&table, &["id".into()]).unwrap();
        KeyRange::default().fits(&table, &["any".into()]).unwrap();
        let error = all[0].fits(&table, &["a".into(), "b".into()]).unwrap_err().to_string();
        assert!(error.contains("ranges of its key (id), and its key is (a, b) now"), "{error}");
    }
}
