//! A row that differs, and its values as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

use crate::cells::unhex;
use crate::column::{Column, Kind, OWN_BYTES, scaled_float};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// In the source only.
    Missing,
    /// In both, not the same.
    Changed,
    /// In the target only.
    Extra,
}

/// A row that differs.
///
/// Values are exact: integers beyond ±2⁵³, decimals, dates and times are text as the server writes it; floats are the
/// shortest number that reads back as the same; bytes, and text that has no UTF-8 by its own bytes, are `{"base64": "…"}`;
/// JSON columns are their text. A row of a table without a key has an empty `key`, and a line for each time it occurs too often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What happened.
    pub kind: DifferenceKind,
    /// The key's columns.
    pub key: Map<String, Value>,
    /// The source's row.
    pub source: Option<Map<String, Value>>,
    /// The target's row.
    pub target: Option<Map<String, Value>>,
    /// The row in the base; absent where there was no base to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

impl Difference {
    /// The source's row, where the target has none and did not delete it, as far as the base tells.
    pub fn lost_row(&self) -> Option<&Map<String, Value>> {
        let deleted = matches!(self.base, Some(Base::Source | Base::Target | Base::Other(_)));
        self.source.as_ref().filter(|_| self.kind == DifferenceKind::Missing && !deleted)
    }

    /// The base's row, where it is neither the source's nor the target's.
    pub fn base_row(&self) -> Option<&Map<String, Value>> {
        match &self.base {
            Some(Base::Other(row)) => Some(row),
            _ => None,
        }
    }
}

/// A row that differs, as it is in the base: a copy of the target from the moment when source and target parted. It says
/// which of the two wrote the row since: the one whose version the base does not have.
///
/// Of a table without a key it is said line by line: of rows that occur `n` times too often on one side, as many as the base
/// does not have are [`Absent`](Self::Absent) from it, first, and the rest were in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// The base has no such row.
    Absent,
    /// It has the source's row.
    Source,
    /// It has the target's row.
    Target,
    /// It has another version of the row: this one.
    Other(Map<String, Value>),
}

/// The largest integer that every JSON reader keeps exact.
const SAFE: u64 = 1 << 53;

/// A row as JSON, in the order of its columns.
pub(crate) fn row(columns: &[Column], cells: &[Option<Vec<u8>>]) -> Map<String, Value> {
    columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| {
            (column.name.clone(), cell.as_deref().map_or(Value::Null, |bytes| value(column.kind, bytes)))
        })
        .collect()
}

/// A value as JSON, from its canonical bytes.
pub(crate) fn value(kind: Kind, bytes: &[u8]) -> Value {
    let base64 = |bytes: &[u8]| json!({"base64": STANDARD.encode(bytes)});
    let text = match kind {
        Kind::Bytes => return base64(bytes),
        Kind::Hex => return base64(&unhex(bytes).unwrap_or_else(|| bytes.to_vec())),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => return base64(&own_bytes(bytes).unwrap_or_else(|| bytes.to_vec())),
        },
    };
    let number = match kind {
        Kind::Integer => {
            text.parse::<i64>().ok().filter(|number| number.unsigned_abs() <= SAFE).map(Number::from)
        }
        Kind::Float => scaled_float(text).or_else(|| text.parse::<f64>().ok()).and_then(Number::from_f64),
        Kind::Boolean => return Value::Bool(text == "true"),
        _ => None,
    };
    number.map_or_else(|| Value::from(text), Value::Number)
}

/// The bytes of a text that has no UTF-8.
fn own_bytes(cell: &[u8]) -> Option<Vec<u8>> {
    let (first, digits) = cell.split_first()?;
    if *first == OWN_BYTES { unhex(digits) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_exact() {
        for (kind, bytes, expected) in [
            (Kind::Integer, "9007199254740992", json!(9_007_199_254_740_992_i64)),
            (Kind::Integer, "9007199254740993", json!("9007199254740993")),
            (Kind::Integer, "18446744073709551615", json!("18446744073709551615")),
            (Kind::Decimal, "1.10", json!("1.10")),
            (Kind::Float, "-0", json!(-0.0)),
            (Kind::Float, "NaN", json!("NaN")),
            (Kind::Bytes, "a", json!({"base64": "YQ=="})),
            (Kind::Hex, "61", json!({"base64": "YQ=="})),
            (Kind::Text, "", json!("")),
        ] {
            assert_eq!(value(kind, bytes.as_bytes()).to_string(), expected.to_string(), "{kind:?} {bytes}");
        }
        assert_eq!(value(Kind::Text, b"\xc3"), json!({"base64": "ww=="}));
        assert_eq!(value(Kind::Text, b"\xffFBFC"), json!({"base64": "+/w="}), "its own bytes");
        let scaled = [
            ("-27:64", 5e-324),
            ("-1:-14521.800010834497", -1.320_750_017_006_002_7e-8),
            ("25:16777215.999999998", f64::MAX),
        ];
        for (text, number) in scaled {
            assert_eq!(value(Kind::Float, text.as_bytes()), json!(number), "{text}");
        }
    }
}
