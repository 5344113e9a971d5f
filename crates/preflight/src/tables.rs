//! The tables of the databases: whether a reconciliation could compare them and a replay put rows back into them.
//!
//! Their list is kept in the report bucket ([`keep`]), so that a reconciliation knows what it has to compare: a table that was
//! seen on a quiet day and is not seen any more, because a right was revoked meanwhile, is reported as not compared.

use std::collections::{BTreeMap, BTreeSet};

use runbook::StepError;
use runbook::bucket::{GetObject, PutObject};
use runbook::error::Kind;
use runbook::names::keys;
use runbook::plan::Database;
use runbook::record::{ReadTables, TablesRecord};
use table_diff::Rights;

/// What keeps the tables of a database from being compared, and rows from being put back, one line each. `rights` are those
/// of the user who compares, `replay` those of the user who puts rows back; `None` where that user was not let in, which is a
/// finding elsewhere.
pub(crate) fn find(
    name: &str,
    planned: &Database,
    rights: &Result<Option<Rights>, String>,
    replay: &Result<Option<Rights>, String>,
) -> Vec<String> {
    let rights = match rights {
        Ok(Some(rights)) => rights,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![error.clone()],
    };
    let database = &planned.database;
    if rights.tables.is_empty() {
        return vec![format!(
            "{name}: its user sees no table in {database}: there would be nothing to compare"
        )];
    }
    let mut found = Vec::new();
    let wanted = &planned.reconcile;
    if rights.hides_others && wanted.tables.is_empty() {
        found.push(format!(
            "{name}: its user may read single tables of {database} only, and can't see whether there are others: give it the right \
             to read the whole database, or name every table in databases.{name}.reconcile.tables"
        ));
    }
    let compared = |table: &&String| {
        (wanted.tables.is_empty() || wanted.tables.contains(table)) && !wanted.exclude.contains(table)
    };
    let unreadable: Vec<&str> = rights.unreadable.iter().filter(compared).map(String::as_str).collect();
    if !unreadable.is_empty() {
        found.push(format!("{name}: its user may not read {}", unreadable.join(", ")));
    }
    for (field, tables) in [
        ("reconcile.tables", wanted.tables.iter().collect::<Vec<_>>()),
        ("reconcile.exclude", wanted.exclude.iter().collect()),
        ("report", planned.report.keys().collect()),
    ] {
        let absent = tables.into_iter().filter(|table| !rights.tables.contains(*table));
        let absent: Vec<&str> = absent.map(String::as_str).collect();
        if !absent.is_empty() {
            found.push(format!(
                "databases.{name}.{field} names {}, which {database} does not have, or does not let its user see",
                absent.join(", ")
            ));
        }
    }
    match replay {
        Err(error) => found.extend((!found.contains(error)).then(|| error.clone())),
        Ok(None) => {}
        Ok(Some(replay)) => {
            let may = |table: &String| {
                replay.tables.contains(table)
                    && !replay.unreadable.contains(table)
                    && !replay.uninsertable.contains(table)
            };
            let denied = rights.tables.iter().filter(compared).filter(|table| !may(table));
            let denied: Vec<&str> = denied.map(String::as_str).collect();
            if !denied.is_empty() {
                found.push(format!(
                    "{name}: lost rows could not be put back into {}: the user who replays needs SELECT and INSERT there \
                     (`replaySecret` or `replayIamUser` in databases.{name}.members may name another one)",
                    denied.join(", ")
                ));
            }
        }
    }
    found
}

/// Keeps the list of the tables of each of these databases. Where the user may not see all of them, the tables that were seen
/// before stay in it. Nothing is written when nothing has changed.
///
/// # Errors
/// When the bucket can't be read or written.
pub(crate) async fn keep<S: GetObject + PutObject + Sync>(
    store: &S,
    bucket: &str,
    plan: &str,
    rights: BTreeMap<&String, &Rights>,
) -> Result<(), StepError> {
    let known = store.read_tables(bucket, plan).await?.unwrap_or_default();
    let record = with(&known, rights);
    if record == known {
        return Ok(());
    }
    let key = keys::tables(plan);
    let text = serde_json::to_vec(&record).map_err(|error| {
        StepError::new(Kind::Failed, format!("{key} can't be written as JSON"), "report this line")
            .with_source(error)
    })?;
    store.put_object(bucket, &key, "application/json", text).await
}

/// The known list, updated with what was seen now.
fn with(known: &TablesRecord, rights: BTreeMap<&String, &Rights>) -> TablesRecord {
    let mut record = known.clone();
    for (name, rights) in rights {
        let tables: &mut BTreeSet<String> = record.databases.entry(name.clone()).or_default();
        if !rights.hides_others {
            tables.clear();
        }
        tables.extend(rights.tables.iter().cloned());
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_user_who_may_not_see_all_tables_removes_none() {
        let orders = "orders".to_owned();
        let see = |known: &TablesRecord, tables: &[&str], hides_others| {
            let rights = Rights { tables: names(tables), hides_others, ..Rights::default() };
            with(known, BTreeMap::from([(&orders, &rights)]))
        };
        let all = see(&TablesRecord::default(), &["a", "b"], false);
        assert_eq!(all.databases["orders"], names(&["a", "b"]));
        assert_eq!(see(&all, &["b", "c"], true).databases["orders"], names(&["a", "b", "c"]));
        assert_eq!(see(&all, &["b", "c"], false).databases["orders"], names(&["b", "c"]));
        // A database that was not seen keeps what is known of it.
        assert_eq!(with(&all, BTreeMap::new()), all);
    }

    #[test]
    fn rows_are_put_back_by_a_user_who_may_read_and_insert() {
        let mut plan = runbook::plan::sample();
        let planned = plan.databases.get_mut("orders").unwrap();
        planned.report.clear();
        let all = Rights { tables: names(&["a", "b", "c"]), ..Rights::default() };
        let found = |planned: &Database, replay: Rights| {
            find("orders", planned, &Ok(Some(all.clone())), &Ok(Some(replay)))
        };
        assert_eq!(found(planned, all.clone()), [""; 0]);
        let some = Rights {
            uninsertable: names(&["a"]),
            unreadable: names(&["b"]),
            tables: names(&["a", "b"]),
            ..Rights::default()
        };
        let texts = found(planned, some.clone());
        assert!(
            texts.len() == 1
                && texts[0].starts_with("orders: lost rows could not be put back into a, b, c: "),
            "{texts:?}"
        );
        planned.reconcile.exclude = vec!["b".into()];
        planned.reconcile.tables = vec!["a".into(), "b".into()];
        assert!(found(planned, some)[0].contains("put back into a: "));
        let broken = || Err("orders: no way in".to_owned());
        assert_eq!(find("orders", planned, &Ok(Some(all.clone())), &broken()), ["orders: no way in"]);
        assert_eq!(find("orders", planned, &broken(), &broken()), ["orders: no way in"], "once");
    }
}
