//! What keeps a row from being inserted: from what the replay knows already, or by asking the server.

use std::collections::BTreeSet;

use serde_json::Value;
use table_diff::Difference;

use super::batch::Row;
use super::fate::Replayed;
use crate::order::Order;
use crate::session::{Failure, Session};
use crate::table::{Parent, Table};

pub(super) const NO_KEY: &str = "without a key it can't be told whether the row is there";

/// The fate of a row where no server has to be asked: it has no key, it is too long, or its parent was left out.
/// `packet` is the length that a statement may have, `not_replayed` the rows that were not put back.
pub(super) fn known(
    table: &Table<'_>,
    row: &Row,
    order: &Order,
    packet: usize,
    not_replayed: [&BTreeSet<u64>; 2],
) -> Option<Replayed> {
    let Some(insert) = &row.insert else { return Some(Replayed::left_out(NO_KEY)) };
    if insert.len() >= packet {
        let reason = format!("its statement has {} bytes, and max_allowed_packet is {packet}", insert.len());
        return Some(Replayed::Refused { reason });
    }
    let parents = table.parents(row.difference.source.as_ref()?);
    let out = parents.into_iter().find(|parent| {
        parent.reference.is_some_and(|reference| {
            not_replayed.iter().any(|rows| rows.contains(&reference)) || order.doubtful.contains(&reference)
        })
    });
    out.map(|Parent { key, values, .. }| Replayed::ParentLeftOut {
        foreign_key: key.name.clone(),
        parent: key.parent.clone(),
        parent_key: values,
    })
}

/// Asks the server what keeps a row from being inserted. `None`: nothing that can be looked up.
pub(super) async fn find(
    session: &mut Session,
    order: &Order,
    table: &Table<'_>,
    difference: &Difference,
) -> Result<Option<Replayed>, Failure> {
    let Some(values) = &difference.source else { return Ok(None) };
    if let Some(key) = table.key(difference)
        && let Some(cells) = session.query(table.rows(&key)).await?.first()
    {
        let other = table.read(cells);
        // As texts: 0 and −0 are the same number.
        let text = Value::to_string;
        let same =
            |name: &str, value: &Value| other.get(name).map(text).is_some_and(|other| other == text(value));
        let same = table.written(values).all(|(column, value)| same(&column.name, value));
        return Ok(Some(if same { Replayed::AlreadyThere } else { Replayed::KeyTaken { other } }));
    }
    for unique in table.uniques(difference) {
        if let Some(cells) = session.query(table.rows(&unique.taken)).await?.first() {
            let other = table.read(cells);
            let key = difference.key.keys().filter_map(|name| Some((name.clone(), other.get(name)?.clone())));
            let (columns, other_key) = (unique.columns.to_vec(), key.collect());
            return Ok(Some(Replayed::UniqueCollision { columns, other_key, other }));
        }
    }
    for Parent { key, values, query, reference } in table.parents(values) {
        let will_be = reference.is_some_and(|reference| order.missing.contains(&reference));
        if !will_be && session.query(query).await?.is_empty() {
            return Ok(Some(Replayed::ParentMissing {
                foreign_key: key.name.clone(),
                parent: key.parent.clone(),
                parent_key: values,
            }));
        }
    }
    Ok(None)
}
