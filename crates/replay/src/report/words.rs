//! A row that is not there, in words: why, and what is there in its place.

use missing_transactions::text::cut;
use row_replay::{Replayed, ReplayedRow};
use serde_json::{Map, Value};

use super::model::Row;
use crate::personal::Personal;
use crate::status::RowStatus;

/// Characters that are shown of a value, and of the server's words.
const SHOWN: usize = 200;

/// A row as it is listed.
pub(super) fn listed(
    personal: &Personal,
    database: &str,
    row: &ReplayedRow,
    status: RowStatus,
    why: &Replayed,
) -> Row {
    let show = |table: &str, values: &Map<String, Value>| shown(personal, table, values);
    let text = |table: &str, values: &Map<String, Value>| line(&show(table, values));
    let (reason, there) = match (status, why) {
        (RowStatus::Gone, _) => ("it was put back, and is not there any more".to_owned(), None),
        (_, Replayed::Inserted | Replayed::AlreadyThere) => {
            ("nothing is known that would prevent its insert".to_owned(), None)
        }
        (_, Replayed::KeyTaken { other }) => {
            ("another row has its key now; it was not touched".to_owned(), Some(show(&row.table, other)))
        }
        (_, Replayed::UniqueCollision { columns, other_key, other }) => {
            let key = text(&row.table, other_key);
            let reason = format!("the row with {key} has the same {}", columns.join(", "));
            (reason, Some(show(&row.table, other)))
        }
        (_, Replayed::ParentMissing { parent, parent_key, .. }) => {
            (format!("it belongs to {parent} {}, which is not there", text(parent, parent_key)), None)
        }
        (_, Replayed::ParentLeftOut { parent, parent_key, .. }) => {
            let key = text(parent, parent_key);
            (
                format!(
                    "it belongs to {parent} {key}, which is left out: what has that key now may be another thing"
                ),
                None,
            )
        }
        (_, Replayed::Refused { .. }) if personal.is_in(&row.table) => (
            "the server refuses it; its message is not shown, because it may quote personal values"
                .to_owned(),
            None,
        ),
        (_, Replayed::Refused { reason }) => (format!("the server says: {}", cut(reason, 2 * SHOWN)), None),
        (_, Replayed::LeftOut { reason }) => (reason.clone(), None),
    };
    let key = show(&row.table, &row.key);
    Row { database: database.to_owned(), table: row.table.clone(), key, status, reason, there }
}

/// Values as they are shown: personal ones masked, long ones cut.
fn shown(personal: &Personal, table: &str, values: &Map<String, Value>) -> Map<String, Value> {
    let short = |column: &str, value: &Value| match value {
        Value::Null => Value::Null,
        _ if personal.has(table, column) => Value::from("masked"),
        Value::String(text) => Value::String(cut(text, SHOWN)),
        Value::Object(_) | Value::Array(_) => Value::String(cut(&value.to_string(), SHOWN)),
        other => other.clone(),
    };
    values.iter().map(|(name, value)| (name.clone(), short(name, value))).collect()
}

/// `id 7, name a`.
pub(super) fn line(values: &Map<String, Value>) -> String {
    let pairs = values.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Null => format!("{name} NULL"),
        other => format!("{name} {other}"),
    });
    pairs.collect::<Vec<_>>().join(", ")
}
