//! The missing-transaction report: what the comparison of the old primary with the new one found.
//!
//! Memory is bounded: the lists of differences are streamed, a line at a time, and of each table only the first
//! [`LISTED_ROWS`] of each kind are listed, at most [`LISTED_BYTES`] of them, and at most [`LISTED_BYTES_IN_ALL`] in
//! all. The rest is counted, and the report says where the whole lists are.

use std::collections::BTreeMap;

use askama::Template;
use jiff::Timestamp;
use runbook::StepError;
use runbook::error::Kind;
use runbook::record::FailoverRecord;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::AsyncBufReadExt;

use crate::store::{ListKeys, ReadLines, Sum, Summing, broken};
use crate::text;

/// How many rows of each kind are listed for a table.
pub const LISTED_ROWS: usize = 1000;
/// How many bytes of each kind are listed for a table.
pub const LISTED_BYTES: usize = 512 * 1024;
/// How many bytes are listed in all: what a browser still opens.
pub const LISTED_BYTES_IN_ALL: usize = 8 * 1024 * 1024;

/// What the comparison leaves when it is complete, `summary.json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    /// By the plan's name of the database.
    pub databases: BTreeMap<String, DatabaseSummary>,
}

/// One database in a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSummary {
    /// The restored old primary.
    pub source_cluster: String,
    /// The new primary.
    pub target_cluster: String,
    /// The snapshot the old primary was restored from.
    #[serde(default)]
    pub snapshot: Option<String>,
    /// When it was taken.
    #[serde(default)]
    pub snapshot_time: Option<String>,
    /// Its tables.
    pub tables: Vec<TableSummary>,
}

/// One table in a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableSummary {
    /// Its name.
    pub table: String,
    /// Whether the sides are the same.
    pub status: TableStatus,
    /// Why it could not be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Rows of the old primary.
    #[serde(default)]
    pub rows_source: Option<u64>,
    /// Rows of the new primary.
    #[serde(default)]
    pub rows_target: Option<u64>,
    /// Rows in the old primary only.
    #[serde(default)]
    pub missing: u64,
    /// Rows in both, not the same.
    #[serde(default)]
    pub changed: u64,
    /// Rows in the new primary only.
    #[serde(default)]
    pub extra: u64,
    /// How long the comparison took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// The columns a row is known by; empty when the whole row is.
    #[serde(default)]
    pub key_columns: Vec<String>,
    /// What a reader has to know of it.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// How a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableStatus {
    /// Every row is the same.
    Alike,
    /// Some rows are not.
    Different,
    /// It could not be compared.
    Error,
}

impl Summary {
    /// Reads a summary; `origin` says where it came from.
    ///
    /// # Errors
    /// When it is not what the comparison writes.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, StepError> {
        serde_json::from_slice(bytes).map_err(|error| unreadable(origin, error))
    }
}

fn unreadable(origin: &str, error: serde_json::Error) -> StepError {
    StepError::new(
        Kind::Failed,
        format!("{origin} is not what the comparison writes"),
        "run the runbook again; the old file stays as a version of the object",
    )
    .with_source(error)
}

/// A line of differences.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Line {
    kind: RowKind,
    key: Map<String, Value>,
    source: Option<Map<String, Value>>,
    target: Option<Map<String, Value>>,
}

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// In the old primary only: a lost write.
    Missing,
    /// In both, not the same.
    Changed,
    /// In the new primary only.
    Extra,
}

/// Where a report comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Name of the recovery plan.
    pub plan: String,
    /// Id of the execution that compared.
    pub execution: String,
    /// The Region of the old primary.
    pub from_region: String,
    /// The Region of the new primary.
    pub to_region: String,
    /// When the report was written.
    pub written_at: Timestamp,
    /// The failover it is about, when its record was found.
    pub failover: Option<FailoverRecord>,
}

/// The report, `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// What it says, in a sentence or two.
    pub summary: String,
    /// The sums over all tables.
    pub totals: Totals,
    /// By the plan's name of the database.
    pub databases: BTreeMap<String, Database>,
}

/// Sums over all tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Rows in the old primary only.
    pub missing: u64,
    /// Rows in both, not the same.
    pub changed: u64,
    /// Rows in the new primary only.
    pub extra: u64,
    /// Tables that were compared.
    pub tables_compared: u64,
    /// Tables that could not be.
    pub tables_not_compared: u64,
}

/// A database in the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The restored old primary.
    pub source_cluster: String,
    /// The new primary.
    pub target_cluster: String,
    /// The snapshot the old primary was restored from.
    pub snapshot: Option<String>,
    /// When it was taken.
    pub snapshot_time: Option<String>,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// A table in the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// What the comparison says. The counts are those of the lists.
    #[serde(flatten)]
    pub summary: TableSummary,
    /// The first rows of each kind.
    pub rows: BTreeMap<RowKind, Vec<Row>>,
    /// How many rows are counted but not listed here.
    pub not_listed: u64,
    /// `s3://` folder of the whole lists; absent when there are none.
    pub differences: Option<String>,
}

/// A row that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is known by.
    pub key: Map<String, Value>,
    /// In the old primary.
    pub source: Option<Map<String, Value>>,
    /// In the new primary.
    pub target: Option<Map<String, Value>>,
}

/// Reads the lists of differences and makes the report, with the SHA-256 of every list.
///
/// # Errors
/// When a list can't be read or makes no sense.
pub async fn read<S: ReadLines + ListKeys>(
    store: &S,
    bucket: &str,
    folder: &str,
    summary: Summary,
    origin: Origin,
) -> Result<(Report, Vec<Sum>), StepError> {
    let mut evidence = Vec::new();
    let mut room = LISTED_BYTES_IN_ALL;
    let mut databases = BTreeMap::new();
    for (name, database) in summary.databases {
        let mut tables = Vec::new();
        for table in database.tables {
            let prefix = format!("{folder}{name}/{}/", table.table);
            tables.push(read_table(store, bucket, &prefix, table, &mut room, &mut evidence).await?);
        }
        let database = Database {
            source_cluster: database.source_cluster,
            target_cluster: database.target_cluster,
            snapshot: database.snapshot,
            snapshot_time: database.snapshot_time,
            tables,
        };
        databases.insert(name, database);
    }
    let totals = totals(&databases);
    let summary = sentence(&origin, &totals, &databases);
    Ok((Report { origin, summary, totals, databases }, evidence))
}

async fn read_table<S: ReadLines + ListKeys>(
    store: &S,
    bucket: &str,
    prefix: &str,
    mut summary: TableSummary,
    room: &mut usize,
    evidence: &mut Vec<Sum>,
) -> Result<Table, StepError> {
    let mut counts: BTreeMap<RowKind, u64> = BTreeMap::new();
    let mut rows: BTreeMap<RowKind, Vec<Row>> = BTreeMap::new();
    let mut used: BTreeMap<RowKind, usize> = BTreeMap::new();
    let keys = store.list_keys(bucket, prefix).await?;
    let lists: Vec<&String> = keys.iter().filter(|key| key.ends_with(".jsonl")).collect();
    let mut line = Vec::new();
    for key in &lists {
        let mut reader = store.read_lines(bucket, key).await?;
        let mut sum = Summing::default();
        let mut number = 0;
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).await.map_err(|error| broken(bucket, key, error))? == 0 {
                break;
            }
            sum.add(&line);
            number += 1;
            let difference: Line = serde_json::from_slice(&line)
                .map_err(|error| unreadable(&format!("line {number} of s3://{bucket}/{key}"), error))?;
            let kind = difference.kind;
            *counts.entry(kind).or_default() += 1;
            let (listed, used) = (rows.entry(kind).or_default(), used.entry(kind).or_default());
            if listed.len() < LISTED_ROWS && *used + line.len() <= LISTED_BYTES && line.len() <= *room {
                *used += line.len();
                *room -= line.len();
                listed.push(Row {
                    key: difference.key,
                    source: difference.source,
                    target: difference.target,
                });
            }
        }
        evidence.push(sum.of(key));
    }
    rows.retain(|_, rows| !rows.is_empty());

    // The lists are what a person acts on: they count, and a summary that says otherwise is told.
    let listed = |kind| counts.get(&kind).copied().unwrap_or_default();
    let (missing, changed, extra) =
        (listed(RowKind::Missing), listed(RowKind::Changed), listed(RowKind::Extra));
    if (missing, changed, extra) != (summary.missing, summary.changed, summary.extra) {
        summary.notes.push(format!(
            "The comparison counted {} missing, {} changed, {} extra; its lists hold {missing}, {changed}, {extra}, \
             which are the numbers used here.",
            summary.missing, summary.changed, summary.extra
        ));
    }
    (summary.missing, summary.changed, summary.extra) = (missing, changed, extra);
    let shown: usize = rows.values().map(Vec::len).sum();
    Ok(Table {
        not_listed: (missing + changed + extra).saturating_sub(shown as u64),
        differences: (!lists.is_empty()).then(|| format!("s3://{bucket}/{prefix}")),
        summary,
        rows,
    })
}

fn totals(databases: &BTreeMap<String, Database>) -> Totals {
    let mut totals = Totals::default();
    for table in databases.values().flat_map(|database| &database.tables) {
        totals.missing += table.summary.missing;
        totals.changed += table.summary.changed;
        totals.extra += table.summary.extra;
        if table.summary.status == TableStatus::Error {
            totals.tables_not_compared += 1;
        } else {
            totals.tables_compared += 1;
        }
    }
    totals
}

/// The numbers that matter, first what was lost.
fn sentence(origin: &Origin, totals: &Totals, databases: &BTreeMap<String, Database>) -> String {
    let (from, to) = (&origin.from_region, &origin.to_region);
    let mut parts: Vec<(u64, String)> = databases
        .iter()
        .flat_map(|(name, database)| database.tables.iter().map(move |table| (name, &table.summary)))
        .filter(|(_, table)| table.missing > 0)
        .map(|(name, table)| {
            (table.missing, format!("{} in {name}.{}", text::count(table.missing), table.table))
        })
        .collect();
    parts.sort_by(|a, b| b.cmp(a));
    let mut line = if totals.missing == 0 {
        format!("No row of the old primary in {from} is missing in the new one in {to}.")
    } else {
        let rest = parts.len().saturating_sub(5);
        let mut named = parts.iter().take(5).map(|(_, part)| part.as_str()).collect::<Vec<_>>().join(", ");
        if rest > 0 {
            named += &format!(", and in {}", text::counted(rest as u64, "other table"));
        }
        let be = if totals.missing == 1 { ("was", "is") } else { ("were", "are") };
        format!(
            "{} {} acknowledged by the old primary in {from} and {} missing in the new one in {to}: {named}.",
            text::counted(totals.missing, "row"),
            be.0,
            be.1
        )
    };
    if totals.changed > 0 {
        let verb = if totals.changed == 1 { "differs" } else { "differ" };
        line += &format!(" {} {verb} between the two.", text::counted(totals.changed, "row"));
    }
    if totals.tables_not_compared > 0 {
        let tables = text::counted(totals.tables_not_compared, "table");
        line += &format!(" {tables} could not be compared: more may be missing.");
    }
    line
}

/// The report as a page for people.
#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    totals: [Total; 4],
    tables: Vec<TableView>,
    not_compared: Vec<(String, String)>,
    lists: Vec<ListView>,
    snapshots: Vec<(String, String)>,
}

struct Total {
    name: &'static str,
    value: String,
    note: &'static str,
    class: &'static str,
}

struct TableView {
    name: String,
    anchor: Option<String>,
    /// missing, changed, extra; empty when zero.
    counts: [String; 3],
    rows: String,
    notes: Vec<String>,
}

struct ListView {
    name: String,
    anchor: String,
    differences: String,
    not_listed: String,
    kinds: Vec<KindView>,
}

struct KindView {
    title: String,
    open: bool,
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// A value; `old` and `new` differ only in a changed row's changed columns.
struct Cell {
    old: String,
    new: Option<String>,
}

/// The page.
///
/// # Errors
/// When the page can't be written, which a test rules out.
pub fn page(report: &Report) -> Result<String, StepError> {
    let sums = &report.totals;
    let mut tables = Vec::new();
    let mut lists = Vec::new();
    let mut not_compared = Vec::new();
    let mut snapshots = Vec::new();
    for (database, entry) in &report.databases {
        let time = entry.snapshot_time.clone().unwrap_or_else(|| "at an unknown time".into());
        let time = time.parse::<Timestamp>().map_or(time, text::time);
        let snapshot = entry.snapshot.as_deref().unwrap_or("unknown");
        snapshots.push((
            database.clone(),
            format!("{snapshot}, taken {time}, compared with {}", entry.target_cluster),
        ));
        for table in &entry.tables {
            let name = format!("{database}.{}", table.summary.table);
            if table.summary.status == TableStatus::Error {
                let error = table.summary.error.clone().unwrap_or_else(|| "no reason was given".into());
                not_compared.push((name.clone(), error));
                if table.differences.is_none() {
                    continue;
                }
            }
            let anchor = (!table.rows.is_empty()).then(|| format!("list-{}", lists.len() + 1));
            let count = |n: u64| if n == 0 { String::new() } else { text::count(n) };
            let rows = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), text::count);
            let summary = &table.summary;
            tables.push(TableView {
                name: name.clone(),
                anchor: anchor.clone(),
                counts: [count(summary.missing), count(summary.changed), count(summary.extra)],
                rows: format!("{} / {}", rows(summary.rows_source), rows(summary.rows_target)),
                notes: summary.notes.clone(),
            });
            if let Some(anchor) = anchor {
                lists.push(ListView {
                    name,
                    anchor,
                    differences: table.differences.clone().unwrap_or_default(),
                    not_listed: count(table.not_listed),
                    kinds: table.rows.iter().map(|(kind, rows)| kind_view(*kind, rows, summary)).collect(),
                });
            }
        }
    }
    let total = |name, value, note, bad: bool| Total {
        name,
        value: text::count(value),
        note,
        class: if bad { "bad" } else { "" },
    };
    let totals = [
        total("Missing", sums.missing, "in the old primary only: lost writes", sums.missing > 0),
        total("Changed", sums.changed, "in both, with different values", false),
        total("Extra", sums.extra, "in the new primary only", false),
        total(
            "Tables not compared",
            sums.tables_not_compared,
            "more may be missing there",
            sums.tables_not_compared > 0,
        ),
    ];
    Page { report, totals, tables, not_compared, lists, snapshots }.render().map_err(|error| {
        StepError::new(Kind::Failed, "the report's page can't be written", "report this line")
            .with_source(error)
    })
}

fn kind_view(kind: RowKind, rows: &[Row], summary: &TableSummary) -> KindView {
    let (all, title) = match kind {
        RowKind::Missing => (summary.missing, "missing"),
        RowKind::Changed => (summary.changed, "changed"),
        RowKind::Extra => (summary.extra, "extra"),
    };
    let mut columns: Vec<String> = Vec::new();
    for name in rows
        .iter()
        .flat_map(|row| [Some(&row.key), row.source.as_ref(), row.target.as_ref()])
        .flatten()
        .flat_map(Map::keys)
    {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let cells = |row: &Row| {
        columns
            .iter()
            .map(|column| {
                let value = |side: &Option<Map<String, Value>>| {
                    side.as_ref().and_then(|side| side.get(column)).map(shown)
                };
                let (old, new) = (value(&row.source), value(&row.target));
                match (old, new) {
                    (Some(old), Some(new)) if old != new => Cell { old, new: Some(new) },
                    (old, new) => {
                        let plain = old.or(new).or_else(|| row.key.get(column).map(shown));
                        Cell { old: plain.unwrap_or_default(), new: None }
                    }
                }
            })
            .collect()
    };
    let rows: Vec<Vec<Cell>> = rows.iter().map(cells).collect();
    let first = if (rows.len() as u64) < all {
        format!(", the first {}", text::count(rows.len() as u64))
    } else {
        String::new()
    };
    KindView {
        title: format!("{} {title}{first}", text::count(all)),
        open: kind == RowKind::Missing,
        columns,
        rows,
    }
}

/// A value as it stands in a cell: short.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text::cut(text, 120),
        other => text::cut(&other.to_string(), 120),
    }
}

mod filters {
    //! For the templates.

    /// A time in UTC.
    #[askama::filter_fn]
    pub fn utc(time: &jiff::Timestamp, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::text::time(*time))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::tests::at;
    use crate::write_missing;
    use runbook::bucket::fake::Bucket;
    use runbook::plan::sample;
    use runbook::step::Clock;
    use runbook::{Context, Status};
    use serde_json::json;

    const FOLDER: &str = "reconcile/shop/e1/";

    fn context() -> Context {
        Context {
            config: aws_config::SdkConfig::builder().build(),
            region: "sandbox-west".into(),
            clock: Clock::new(|| at(0)),
            deadline: at(300),
        }
    }

    fn table(name: &str, status: &str, counts: [u64; 3]) -> Value {
        json!({"table": name, "status": status, "rowsSource": 12_345, "rowsTarget": 12_300, "missing": counts[0],
            "changed": counts[1], "extra": counts[2], "seconds": 0.5, "keyColumns": ["ID"], "notes": []})
    }

    fn missing(id: u64) -> String {
        json!({"kind": "missing", "key": {"ID": id}, "source": {"ID": id, "CUSTOMER": "c<1>"}, "target": null}).to_string() + "\n"
    }

    pub(crate) fn compared(orders: &[Value]) -> Bucket {
        let bucket = Bucket::default();
        let summary = json!({"databases": {"orders": {"sourceCluster": "causeway-e1-orders", "targetCluster": "shop-orders-west",
            "snapshot": "causeway-unplanned", "snapshotTime": "2026-03-01T12:40:00Z", "tables": orders}}});
        bucket.set(&format!("{FOLDER}summary.json"), summary.to_string());
        bucket
    }

    #[tokio::test]
    async fn without_a_summary_nothing_is_written() {
        let bucket = Bucket::default();
        let outcome = write_missing(&context(), &bucket, &sample(), "e1").await.unwrap();
        assert_eq!(outcome.status, Status::Refused);
        assert!(outcome.reason.contains("reconcile/shop/e1/summary.json"), "{}", outcome.reason);
        assert!(bucket.writes.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn lists_are_counted_over_all_parts_and_the_manifest_comes_last() {
        let failed = json!({"table": "audit", "status": "error", "error": "no SELECT permission"});
        let half =
            json!({"table": "half", "status": "error", "error": "gone away", "missing": 1, "notes": []});
        let bucket = compared(&[
            table("CUSTOMER_ORDER", "different", [3, 1, 1]),
            table("alike", "alike", [0, 0, 0]),
            failed,
            half,
        ]);
        let changed = json!({"kind": "changed", "key": {"ID": 9}, "source": {"ID": 9, "S": "old"}, "target": {"ID": 9, "S": "new"}});
        let extra = json!({"kind": "extra", "key": {"ID": 8}, "source": null, "target": {"ID": 8, "S": "x"}});
        bucket.set(&format!("{FOLDER}orders/CUSTOMER_ORDER/part-00001.jsonl"), missing(1) + &missing(2));
        bucket.set(
            &format!("{FOLDER}orders/CUSTOMER_ORDER/part-00002.jsonl"),
            format!("{}{changed}\n{extra}", missing(3)),
        );
        // What was found before an error is told too.
        bucket.set(&format!("{FOLDER}orders/half/part-00001.jsonl"), missing(5));
        // Another table whose name begins the same must not be counted in.
        bucket.set(&format!("{FOLDER}orders/CUSTOMER_ORDER_ITEM/part-00001.jsonl"), missing(4));

        let outcome = write_missing(&context(), &bucket, &sample(), "e1").await.unwrap();
        assert_eq!(outcome.status, Status::Done);
        assert_eq!(
            outcome.observed.location,
            "s3://causeway-reports-000000000000-sandbox-west/reports/shop/e1/report.html"
        );
        assert_eq!(
            outcome.observed.summary,
            "4 rows were acknowledged by the old primary in sandbox-east and are missing in the new one in sandbox-west: \
             3 in orders.CUSTOMER_ORDER, 1 in orders.half. 1 row differs between the two. 2 tables could not be \
             compared: more may be missing."
        );
        let report: Value = serde_json::from_str(&bucket.text("reports/shop/e1/report.json")).unwrap();
        let orders = &report["databases"]["orders"]["tables"][0];
        assert_eq!(orders["rows"]["missing"].as_array().unwrap().len(), 3);
        assert_eq!(orders["rows"]["changed"][0]["target"]["S"], "new");
        assert_eq!((&report["totals"]["missing"], &orders["notListed"]), (&json!(4), &json!(0)));
        let page = bucket.text("reports/shop/e1/report.html");
        assert!(
            page.contains("c&#60;1&#62;")
                && page.contains("no SELECT permission")
                && page.contains(">orders.half</h2>")
        );
        let manifest: Value = serde_json::from_str(&bucket.text("reports/shop/e1/manifest.json")).unwrap();
        assert_eq!(manifest["files"].as_array().unwrap().len(), 2);
        assert_eq!(manifest["read"].as_array().unwrap().len(), 3);
        assert_eq!(bucket.writes.lock().unwrap().last().unwrap(), "reports/shop/e1/manifest.json");

        let before = bucket.text("reports/shop/e1/manifest.json");
        write_missing(&context(), &bucket, &sample(), "e1").await.unwrap();
        assert_eq!(bucket.text("reports/shop/e1/manifest.json"), before, "a second call writes the same");
    }

    #[tokio::test]
    async fn a_long_list_is_counted_whole_and_listed_in_part() {
        let bucket = compared(&[table("t", "different", [2500, 0, 0])]);
        bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), (0..2500).map(missing).collect::<String>());
        write_missing(&context(), &bucket, &sample(), "e1").await.unwrap();
        let report: Value = serde_json::from_str(&bucket.text("reports/shop/e1/report.json")).unwrap();
        let table = &report["databases"]["orders"]["tables"][0];
        assert_eq!((table["missing"].as_u64(), table["notListed"].as_u64()), (Some(2500), Some(1500)));
        assert!(bucket.text("reports/shop/e1/report.html").contains("2,500 missing, the first 1,000"));
    }

    #[tokio::test]
    async fn lists_that_disagree_with_the_summary_win_and_it_is_said() {
        let bucket = compared(&[table("t", "different", [5, 0, 0])]);
        bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1));
        let outcome = write_missing(&context(), &bucket, &sample(), "e1").await.unwrap();
        assert!(
            outcome.observed.summary.starts_with("1 row was acknowledged"),
            "{}",
            outcome.observed.summary
        );
        assert!(bucket.text("reports/shop/e1/report.html").contains("counted 5 missing"));
    }

    #[tokio::test]
    async fn a_broken_line_is_named_and_a_file_that_reads_differently_is_an_error() {
        let bucket = compared(&[table("t", "different", [2, 0, 0])]);
        bucket.set(&format!("{FOLDER}orders/t/part-00001.jsonl"), missing(1) + "{\"kind\":");
        let error = write_missing(&context(), &bucket, &sample(), "e1").await.unwrap_err().to_string();
        assert!(
            error.contains(
                "line 2 of s3://causeway-reports-000000000000-sandbox-west/reconcile/shop/e1/orders/t/part-00001.jsonl"
            ),
            "{error}"
        );

        let bucket = Bucket { garbles: Some("report.html"), ..compared(&[table("t", "alike", [0, 0, 0])]) };
        let error = write_missing(&context(), &bucket, &sample(), "e1").await.unwrap_err().to_string();
        assert!(error.contains("report.html was written but reads differently"), "{error}");
        assert!(!bucket.objects.lock().unwrap().contains_key("reports/shop/e1/manifest.json"));
    }
}
