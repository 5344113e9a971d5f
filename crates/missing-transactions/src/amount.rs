//! What the missing rows of a table are worth: the sum of the column that the plan says, by currency.
//!
//! **Promise.** Sums are exact, in whole units of the last decimal place; what can't be added is counted, never left out in
//! silence. Memory is bounded: beyond `CURRENCIES` currencies rows are counted only.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use table_diff::{TableShape, ValueKind};

use crate::facts::TableHints;
use crate::text;

/// Currencies that are added up separately. A column with more of them holds something else.
const CURRENCIES: usize = 20;
/// Decimal places that are added; PostgreSQL has more.
const PLACES: usize = 18;

/// What the missing rows of a table are worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Amounts {
    /// The column that was added up.
    pub column: String,
    /// The column with the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// The sums, as decimal numbers, by currency; under an empty name without one.
    pub sums: BTreeMap<String, String>,
    /// Missing rows that are in none of the sums: their amount is no number, or too large, or of one currency too many.
    #[serde(default, skip_serializing_if = "text::is_zero")]
    pub rows_left_out: u64,
}

impl Amounts {
    /// `1,204.50 EUR and 20.00 USD`.
    pub(crate) fn words(&self) -> String {
        let mut parts: Vec<String> = self
            .sums
            .iter()
            .map(|(currency, sum)| format!("{} {currency}", text::grouped(sum)).trim_end().to_owned())
            .collect();
        if self.rows_left_out > 0 {
            parts.push(format!("{} without a sum", text::counted(self.rows_left_out, "row")));
        }
        text::joined(&parts)
    }
}

/// An exact number: `units` of its last decimal place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Decimal {
    units: i128,
    places: usize,
}

impl Decimal {
    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) if !number.is_f64() => number.to_string(),
            _ => return None,
        };
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = whole.strip_prefix('-').unwrap_or(whole);
        if part.len() > PLACES || unsigned.is_empty() || !digits(unsigned) || !digits(part) {
            return None;
        }
        Some(Self { units: format!("{whole}{part}").parse().ok()?, places: part.len() })
    }

    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let scaled = |of: Self| {
            let more = u32::try_from(places - of.places).ok()?;
            of.units.checked_mul(10_i128.checked_pow(more)?)
        };
        Some(Self { units: scaled(self)?.checked_add(scaled(other)?)?, places })
    }

    fn text(self) -> String {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = self.places + 1);
        let (whole, part) = digits.split_at(digits.len() - self.places);
        if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
    }
}

/// Adds up the amounts of a table's missing rows.
#[derive(Debug, Clone)]
pub(crate) struct Adding {
    column: String,
    currency: Option<String>,
    sums: BTreeMap<String, Decimal>,
    rows_left_out: u64,
}

impl Adding {
    /// For a table of which the plan says what its rows are worth. `Err`: why it can't be added up; the report is made all the
    /// same.
    pub(crate) fn of(
        shape: &TableShape,
        hints: &TableHints,
        is_personal: &dyn Fn(&str) -> bool,
    ) -> Result<Option<Self>, String> {
        let Some(column) = &hints.amount else { return Ok(None) };
        let exact = |kind| matches!(kind, ValueKind::Integer | ValueKind::Decimal);
        if !shape.columns.iter().any(|known| known.name == *column && exact(known.kind)) {
            return Err(format!("nothing is added up: there is no column {column:?} with exact numbers"));
        }
        for name in [column].into_iter().chain(&hints.currency) {
            if is_personal(name) {
                return Err(format!("nothing is added up: column {name:?} is masked"));
            }
            if !shape.columns.iter().any(|known| known.name == *name) {
                return Err(format!("nothing is added up: there is no column {name:?}"));
            }
        }
        Ok(Some(Self {
            column: column.clone(),
            currency: hints.currency.clone(),
            sums: BTreeMap::new(),
            rows_left_out: 0,
        }))
    }

    /// Takes a missing row.
    pub(crate) fn add(&mut self, row: &Map<String, Value>) {
        let currency = match self.currency.as_ref().map(|column| row.get(column)) {
            None | Some(None | Some(Value::Null)) => String::new(),
            Some(Some(value)) => text::cut(&text::shown(value), 20),
        };
        let room = self.sums.len() < CURRENCIES || self.sums.contains_key(&currency);
        let amount = row.get(&self.column).and_then(Decimal::read).filter(|_| room);
        let sum = self.sums.get(&currency).copied().unwrap_or_default();
        match amount.and_then(|amount| sum.plus(amount)) {
            Some(sum) => _ = self.sums.insert(currency, sum),
            None => self.rows_left_out += 1,
        }
    }

    /// The sums; `None` when no row is missing.
    pub(crate) fn finish(self) -> Option<Amounts> {
        if self.sums.is_empty() && self.rows_left_out == 0 {
            return None;
        }
        Some(Amounts {
            column: self.column,
            currency: self.currency,
            sums: self.sums.into_iter().map(|(currency, sum)| (currency, sum.text())).collect(),
            rows_left_out: self.rows_left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn adding(hints: &Value) -> Result<Option<Adding>, String> {
        let column =
            |name: &str, kind: &str| json!({"name": name, "typeText": kind, "kind": kind, "nullable": true});
        let shape = json!({"columns": [column("total", "decimal"), column("rate", "float"), column("currency", "text"),
            column("tip", "integer")], "primaryKey": []});
        let hints = serde_json::from_value(hints.clone()).unwrap();
        Adding::of(&serde_json::from_value(shape).unwrap(), &hints, &|name| name == "tip")
    }

    fn sum(rows: &[Value]) -> Amounts {
        let mut adding = adding(&json!({"amount": "total", "currency": "currency"})).unwrap().unwrap();
        for row in rows {
            adding.add(row.as_object().unwrap());
        }
        adding.finish().unwrap()
    }

    #[test]
    fn sums_are_exact_and_by_currency() {
        let thousand: Vec<Value> =
            (0..1000).map(|_| json!({"total": "1234.10", "currency": "EUR"})).collect();
        assert_eq!(sum(&thousand).sums, [("EUR".to_owned(), "1234100.00".to_owned())].into());
        let mixed = sum(&[
            json!({"total": "0.1", "currency": "EUR"}),
            json!({"total": "0.20", "currency": "EUR"}),
            json!({"total": "-1204.505", "currency": "USD"}),
            json!({"total": 7, "currency": null}),
        ]);
        assert_eq!(mixed.words(), "7, 0.30 EUR and -1,204.505 USD");
    }

    #[test]
    fn what_can_not_be_added_is_counted() {
        let large = "9".repeat(38);
        let odd = sum(&[
            json!({"total": "1.00", "currency": "EUR"}),
            json!({"total": null, "currency": "EUR"}),
            json!({"total": "NaN", "currency": "EUR"}),
            json!({"total": 0.1, "currency": "EUR"}),
            json!({"total": large, "currency": "EUR"}),
            json!({"currency": "EUR"}),
        ]);
        assert_eq!(odd.words(), "1.00 EUR and 5 rows without a sum");
        let many: Vec<Value> = (0..30).map(|i| json!({"total": "1", "currency": format!("c{i}")})).collect();
        assert_eq!((sum(&many).sums.len(), sum(&many).rows_left_out), (CURRENCIES, 30 - CURRENCIES as u64));
    }

    #[test]
    fn a_column_that_is_not_there_not_exact_or_masked_is_not_added_up() {
        assert!(adding(&json!({})).unwrap().is_none());
        for hints in [
            json!({"amount": "totl"}),
            json!({"amount": "rate"}),
            json!({"amount": "tip"}),
            json!({"amount": "total", "currency": "curency"}),
        ] {
            assert!(adding(&hints).unwrap_err().starts_with("nothing is added up: "), "{hints}");
        }
    }
}
