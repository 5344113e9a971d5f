//! The comparison and the replay over the servers in memory: what the functions reach where databases would be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use reconcile::{Compare, Failure, Sides};
use replay::{Place, Replay};
use row_replay::{Replayed, ReplayedRow};
use runbook::StepError;
use runbook::error::Kind;
use runbook::secret::Place as At;
use sandbox::WEST;
use serde_json::{Map, Value, json};
use table_diff::{
    Base, Catalogue, Counts, Cursor, Difference, DifferenceKind, Differences, KeyRange, Listed, Progress,
    Sink, Table, TableSummary,
};

use super::fleet::{Fleet, Rows};
use crate::handlers::{Handlers, Orders};
use crate::iam::let_in;

/// How long it takes to compare some rows, and how many.
const EACH: Duration = Duration::from_secs(20);
const SOME: usize = 60;
/// How long it takes to put a row back.
const EACH_BACK: Duration = Duration::from_secs(3);

/// The one table.
pub const TABLE: &str = "CUSTOMER_ORDER";

/// The databases of the schedule, reached by a function.
pub struct Tables<'a> {
    pub handlers: &'a Handlers,
    pub fleet: &'a Fleet,
}

fn out_of_reach(what: &str) -> StepError {
    StepError::new(Kind::Unreachable, format!("{what} can't be reached"), "try again")
}

impl Tables<'_> {
    /// ARN of a cluster in the west, where everything is compared and put back.
    fn arn(cluster: &str) -> String {
        format!("arn:aws:rds:{WEST}:000000000000:cluster:{cluster}")
    }

    fn rows(&self, cluster: &str) -> Result<Rows, StepError> {
        let there = self.fleet.rows(&Self::arn(cluster)).filter(|_| !self.handlers.world.is_isolated(WEST));
        there.ok_or_else(|| out_of_reach(cluster))
    }
}

fn row(number: u64, text: &str) -> Map<String, Value> {
    [("ID".to_owned(), json!(number)), ("STATUS".to_owned(), json!(text))].into_iter().collect()
}

fn difference(
    number: u64,
    old: Option<&String>,
    new: Option<&String>,
    base: Option<Option<&String>>,
) -> Option<Difference> {
    let kind = match (old, new) {
        (Some(_), None) => DifferenceKind::Missing,
        (None, Some(_)) => DifferenceKind::Extra,
        (Some(old), Some(new)) if old != new => DifferenceKind::Changed,
        _ => return None,
    };
    let base = base.map(|base| match base {
        None => Base::Absent,
        Some(text) if Some(text) == old => Base::Source,
        Some(text) if Some(text) == new => Base::Target,
        Some(text) => Base::Other(row(number, text)),
    });
    let of = |text: Option<&String>| text.map(|text| row(number, text));
    let key = [("ID".to_owned(), json!(number))].into_iter().collect();
    Some(Difference { kind, key, source: of(old), target: of(new), base })
}

/// Where the comparison stands after this number.
fn cursor(counts: Counts, number: u64) -> Cursor {
    let place = json!({"afterKey": {"key": [format!("{number:016x}")]}});
    serde_json::from_value(json!({"counts": counts, "keyColumns": ["ID"], "position": place})).unwrap()
}

fn bound(range: &Value, name: &str) -> Option<u64> {
    range[name][0].as_str().map(|key| u64::from_str_radix(key, 16).unwrap())
}

impl Compare for Tables<'_> {
    async fn list_tables(
        &self,
        sides: &Sides,
        include: &[String],
        exclude: &[String],
    ) -> Result<Vec<Listed>, Failure> {
        for cluster in [&sides.source_cluster, &sides.target_cluster] {
            self.rows(cluster).map_err(Failure::Step)?;
        }
        Orders(self.handlers).list_tables(sides, include, exclude).await
    }

    async fn catalogue(&self, sides: &Sides) -> Result<Catalogue, StepError> {
        Orders(self.handlers).catalogue(sides).await
    }

    async fn estimated_rows(&self, sides: &Sides) -> Result<BTreeMap<Table, u64>, StepError> {
        let rows = self.rows(&sides.target_cluster)?.len() as u64;
        Ok([(Table { schema: None, name: TABLE.into() }, rows)].into())
    }

    async fn key_ranges(
        &self,
        sides: &Sides,
        _: &Table,
        (_, most): (u64, usize),
    ) -> Result<Vec<KeyRange>, Failure> {
        let rows = self.rows(&sides.target_cluster).map_err(Failure::Step)?;
        let cuts: Vec<u64> = rows.keys().copied().skip(100).step_by(100).take(most.min(4) - 1).collect();
        let key = |number: Option<&u64>| number.map(|number| vec![format!("{number:016x}")]);
        let range = |index: usize| {
            let low = index.checked_sub(1).and_then(|before| cuts.get(before));
            let range = json!({"columns": ["ID"], "low": key(low), "high": key(cuts.get(index))});
            serde_json::from_value(range).unwrap()
        };
        Ok((0..=cuts.len()).map(range).collect())
    }

    async fn check_ranges(&self, _: &Sides, _: &Table, _: &[KeyRange]) -> Result<(), Failure> {
        Ok(())
    }

    async fn compare_table(
        &self,
        sides: &Sides,
        (table, range): (&Table, &KeyRange),
        from: Option<Cursor>,
        sink: &mut impl Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Progress, Failure> {
        assert_eq!(table.name, TABLE);
        let range = serde_json::to_value(range).unwrap();
        let (low, high) = (bound(&range, "low").unwrap_or(0), bound(&range, "high").unwrap_or(u64::MAX));
        let mut counts = from.as_ref().map(|cursor| cursor.counts).unwrap_or_default();
        let place = from.map(|cursor| serde_json::to_value(cursor).unwrap());
        let mut after = place.and_then(|place| bound(&place["position"]["afterKey"], "key")).unwrap_or(low);
        loop {
            tokio::time::sleep(EACH).await;
            // The three are read at one moment, as far as the customers are concerned.
            let old = self.rows(&sides.source_cluster).map_err(Failure::Step)?;
            let new = self.rows(&sides.target_cluster).map_err(Failure::Step)?;
            let base = match &sides.base {
                Ok(base) => Some(self.rows(&base.summary.cluster).map_err(Failure::Step)?),
                Err(_) => None,
            };
            let inside = |number: &&u64| **number > after && **number <= high;
            let all: BTreeSet<u64> = old.keys().chain(new.keys()).filter(inside).copied().collect();
            let some: Vec<u64> = all.iter().copied().take(SOME).collect();
            let mut found = Vec::new();
            for number in &some {
                let (old, new) = (old.get(number), new.get(number));
                counts.rows_source += u64::from(old.is_some());
                counts.rows_target += u64::from(new.is_some());
                let base = base.as_ref().map(|base| base.get(number));
                if let Some(difference) = difference(*number, old, new, base) {
                    match difference.kind {
                        DifferenceKind::Missing => counts.missing += 1,
                        DifferenceKind::Changed => counts.changed += 1,
                        DifferenceKind::Extra => counts.extra += 1,
                    }
                    found.push(difference);
                }
            }
            after = some.last().copied().unwrap_or(after);
            let reached = sink.reached(found, &cursor(counts, after)).await;
            reached.map_err(|error| Failure::Step(*error.downcast::<StepError>().unwrap()))?;
            if some.len() == all.len() {
                let key_columns = vec!["ID".into()];
                return Ok(Progress::Finished(TableSummary {
                    not_compared: Vec::new(),
                    counts,
                    key_columns,
                    notes: Vec::new(),
                }));
            }
            if stop() {
                return Ok(Progress::Interrupted(Some(cursor(counts, after))));
            }
        }
    }
}

impl Replay for Tables<'_> {
    async fn replay(
        &self,
        place: &Place,
        rows: replay::Rows<'_, impl Differences>,
        cursor: Option<row_replay::Cursor>,
        sink: &mut impl row_replay::Sink,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<row_replay::Progress, StepError> {
        let at = At { region: WEST, host: &place.target.host, port: place.target.port };
        let by = (place.target.user.as_str(), place.target.password.as_str());
        let entered = let_in(&self.handlers.world, &self.handlers.permissions, &place.cluster, at, by).await;
        entered.map_err(|why| StepError::new(Kind::Denied, why, "sign in otherwise"))?;
        let cluster = Self::arn(&place.cluster);
        let mut cursor = serde_json::to_value(cursor.unwrap_or_default()).unwrap();
        let done = cursor["read"].as_u64().unwrap();
        let mut differences = rows.differences.open(TABLE);
        let mut number = 0;
        while let Some(difference) = differences.next().await {
            number += 1;
            let difference = difference.map_err(|error| out_of_reach(&error.to_string()))?;
            let Some(lost) = difference.lost_row().filter(|_| number > done) else { continue };
            let id = lost["ID"].as_u64().unwrap();
            let text = lost["STATUS"].as_str().unwrap().to_owned();
            tokio::time::sleep(EACH_BACK).await;
            let there = self.rows(&place.cluster)?.get(&id).cloned();
            let (fate, counted) = match there {
                None => {
                    let dry = rows.options.dry_run;
                    if !dry && !self.fleet.take(&cluster, Some(id), Some(text), true) {
                        return Err(StepError::new(
                            Kind::Denied,
                            format!("{cluster} takes no writes"),
                            "name the writer",
                        ));
                    }
                    (Replayed::Inserted, "inserted")
                }
                Some(there) if there == text => (Replayed::AlreadyThere, "alreadyThere"),
                Some(there) => (Replayed::KeyTaken { other: row(id, &there) }, "keyTaken"),
            };
            let counts = &mut cursor["summary"]["tables"][TABLE];
            if counts.is_null() {
                *counts = serde_json::to_value(row_replay::Counts::default()).unwrap();
            }
            counts[counted] = json!(counts[counted].as_u64().unwrap() + 1);
            (cursor["read"], cursor["table"], cursor["pass"]) = (json!(number), json!(TABLE), json!(1));
            let reached: row_replay::Cursor = serde_json::from_value(cursor.clone()).unwrap();
            let fates =
                vec![ReplayedRow { table: TABLE.into(), key: difference.key.clone(), replayed: fate }];
            sink.reached(fates, &reached).await.map_err(|error| *error.downcast::<StepError>().unwrap())?;
            if stop() {
                return Ok(row_replay::Progress::Interrupted(Box::new(reached)));
            }
        }
        let cursor: row_replay::Cursor = serde_json::from_value(cursor).unwrap();
        Ok(row_replay::Progress::Finished(cursor.summary))
    }
}
