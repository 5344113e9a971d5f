//! The position of a replay, kept between calls.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::fate::Summary;
use crate::Error;
use crate::order::Order;

/// The position of a replay. It is small, except for 20 bytes for each row that was not put back and has children.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The counts so far.
    pub summary: Summary,
    /// The step of the order. Its table and pass show whether the order is still the same.
    pub(super) step: usize,
    pub(super) table: String,
    pub(super) pass: u16,
    /// How many differences of the table have been read.
    pub(super) read: usize,
    /// Rows that were not put back, by the references of their children.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", with = "hexadecimal", rename = "left")]
    pub(super) not_replayed: BTreeSet<u64>,
}

/// 64-bit numbers as text: JSON's are exact only up to 53 bits.
mod hexadecimal {
    use std::collections::BTreeSet;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(numbers: &BTreeSet<u64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(numbers.iter().map(|number| format!("{number:016x}")))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<u64>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        texts.iter().map(|text| u64::from_str_radix(text, 16).map_err(D::Error::custom)).collect()
    }
}

impl Cursor {
    /// Refuses a cursor that belongs to another order.
    pub(super) fn check(&self, order: &Order) -> Result<(), Error> {
        let step = order.steps.get(self.step);
        let new = self.step == 0 && self.table.is_empty();
        if new || step.is_some_and(|step| step.table == self.table && step.pass == self.pass) {
            return Ok(());
        }
        Err(Error::Cursor(format!("it is in table {}, which has another place in the order now", self.table)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Step;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            table: "t".into(),
            step: 3,
            pass: 1,
            read: 7,
            not_replayed: BTreeSet::from([1, u64::MAX]),
            ..Cursor::default()
        };
        let json = serde_json::to_string(&cursor).unwrap();
        assert!(json.contains(r#""left":["0000000000000001","ffffffffffffffff"]"#), "{json}");
        assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        assert_eq!(
            serde_json::from_str::<Cursor>(&serde_json::to_string(&Cursor::default()).unwrap()).unwrap(),
            Cursor::default()
        );
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let order = Order { steps: vec![Step { table: "t".into(), pass: 1 }], ..Order::default() };
        let cursor = Cursor { table: "u".into(), pass: 1, ..Cursor::default() };
        assert!(
            Cursor::default().check(&order).is_ok()
                && Cursor { table: "t".into(), ..cursor.clone() }.check(&order).is_ok()
        );
        assert!(cursor.check(&order).unwrap_err().to_string().contains("it is in table u"));
    }
}
