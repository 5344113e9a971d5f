//! Cases as directories. `tests/cases/<name>/` has
//!
//! - `schema.sql`, `both.sql`: the tables, and what was in them when the two primaries parted,
//! - `old.sql`, `new.sql`: what each of them wrote then,
//! - `base.sql`: what both had at the takeover beyond that, where there is a state of then,
//! - `facts.json`: the failover's facts, the plan's hints, why a table was not compared whole, smaller limits,
//! - `report.json`, and a spreadsheet for each table with differences: what comes of it.
//!
//! Each is two databases of a real MariaDB, compared as a runbook compares them. `UPDATE_GOLDEN=1` writes reports and
//! spreadsheets anew; read the changes before they are kept.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

// The servers of table-diff's own tests.
#[path = "../../../table-diff/tests/servers/support.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use missing_transactions::{Builder, Compared, Database, Facts, Hints, Limits, Report};
use serde::Deserialize;
use table_diff::{
    Copies, Difference, Options, Presence, Progress, Server, Side, Table, compare_copies, list_tables,
    read_catalogue,
};

use support::{Kept, TestServer};

/// What a case has beside its data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    #[serde(default)]
    facts: Facts,
    #[serde(default)]
    hints: Hints,
    #[serde(default)]
    errors: BTreeMap<String, Broken>,
    #[serde(default)]
    listed: Option<usize>,
    #[serde(default)]
    grouped_rows: Option<usize>,
}

/// A table that is not compared, or not to its end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Broken {
    /// The reason that the report gives.
    reason: String,
    /// It is compared for one pass of about so many rows; without it not at all.
    #[serde(default)]
    pass_rows: Option<u64>,
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A database with the tables of a case and the data of one side.
fn load(server: &TestServer, database: &str, case: &Path, side: &str) {
    let mut sql = format!("CREATE DATABASE `{database}` CHARACTER SET utf8mb4;\nUSE `{database}`;\n");
    sql += "SET sql_mode = 'TRADITIONAL';\n";
    for script in ["schema", "both", side] {
        sql += &text(&case.join(script).with_extension("sql"));
    }
    server.sql("", &sql);
}

/// The differences of a table, and what a comparison says of it.
async fn compare(
    sides: &mut (Server, Server),
    base: Option<&mut Server>,
    table: &Table,
    broken: Option<&Broken>,
) -> (Vec<Difference>, Compared) {
    let mut compared = Compared { error: broken.map(|broken| broken.reason.clone()), ..Compared::default() };
    let pass = broken.map(|broken| broken.pass_rows);
    if pass == Some(None) {
        return (Vec::new(), compared);
    }
    let mut options = Options::default();
    options.chunk_rows = pass.flatten().unwrap_or(options.chunk_rows);
    let mut kept = Kept::default();
    let copies = Copies { source: &mut sides.0, target: &mut sides.1, base };
    let progress = compare_copies(copies, table, &options, None, &mut kept, || pass.is_some()).await;
    let counts = match progress.unwrap() {
        Progress::Finished(summary) => {
            assert!(broken.is_none(), "{table}: compared whole");
            compared.key_columns = summary.key_columns;
            compared.notes = summary.notes;
            summary.counts
        }
        Progress::Interrupted(cursor) => cursor.unwrap().counts,
    };
    assert!(counts.rows_source > counts.missing + counts.changed, "{table}: no rows that are alike");
    compared.rows_source = Some(counts.rows_source);
    compared.rows_target = Some(counts.rows_target);
    (kept.found, compared)
}

/// The report of a case, and the spreadsheets of the tables with differences.
async fn report(server: &TestServer, case: &Path) -> (Report, BTreeMap<String, String>) {
    let name = case.file_name().unwrap().to_str().unwrap();
    let (old, new) = (format!("{name}-old"), format!("{name}-new"));
    std::thread::scope(|both| {
        both.spawn(|| load(server, &old, case, "old"));
        both.spawn(|| load(server, &new, case, "new"));
    });
    let mut base = None;
    if case.join("base.sql").exists() {
        let name = format!("{name}-base");
        load(server, &name, case, "base");
        base = Some(server.connect(Side::Base, &name).await);
    }
    let mut sides = (server.connect(Side::Source, &old).await, server.connect(Side::Target, &new).await);
    let catalogue = read_catalogue(&mut sides.1).await.unwrap();
    let mut tables = BTreeMap::new();
    for listed in list_tables(&mut sides.0, &mut sides.1, &[], &[]).await.unwrap() {
        assert_eq!(listed.presence, Presence::Both, "{name}: {}", listed.table);
        tables.insert(listed.table.to_string(), listed.table);
    }

    let described: Case = read(&case.join("facts.json"));
    assert!(
        described.errors.keys().all(|table| tables.contains_key(table)),
        "{name}: errors of other tables"
    );
    let databases = BTreeMap::from([("shop".to_owned(), Database { catalogue, hints: described.hints })]);
    let mut limits = Limits::default();
    limits.listed = described.listed.unwrap_or(limits.listed);
    limits.grouped_rows = described.grouped_rows.unwrap_or(limits.grouped_rows);
    let mut builder = Builder::new(described.facts, &databases, limits).unwrap();
    let mut sheets = BTreeMap::new();
    let order = builder.order();
    assert_eq!(order.len(), tables.len(), "{name}");
    for (database, table) in order {
        let (found, compared) =
            compare(&mut sides, base.as_mut(), &tables[&table], described.errors.get(&table)).await;
        let mut rows = builder.table(&database, &table, compared).unwrap();
        let mut csv = rows.csv(Vec::new());
        for difference in &found {
            // As text and back, for that is how they come.
            let line = serde_json::to_string(difference).unwrap();
            let difference: Difference = serde_json::from_str(&line).unwrap();
            let verdict = rows.add(&difference);
            csv.add(&difference, verdict).unwrap();
        }
        let sheet = String::from_utf8(csv.finish().unwrap()).unwrap();
        if !found.is_empty() {
            sheets.insert(format!("{table}.csv"), sheet);
        }
    }
    (builder.finish(), sheets)
}

#[tokio::test]
async fn every_case_gives_its_report() {
    let schema = jsonschema::validator_for(&Report::json_schema()).unwrap();
    // Twenty-four databases are made, and none is kept.
    let server = TestServer::mariadb_with(&["--innodb-flush-method=nosync"]);
    let cases = cases();
    assert!(cases.len() >= 12);
    for case in cases {
        let (report, sheets) = report(&server, &case).await;
        let json = serde_json::to_value(&report).unwrap();
        let errors: Vec<String> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.display());
        let again: Report = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(again, report, "{}", case.display());

        let mut made = sheets;
        made.insert("report.json".into(), serde_json::to_string_pretty(&json).unwrap() + "\n");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            for (name, text) in &made {
                std::fs::write(case.join(name), text).unwrap();
            }
        }
        for (name, text) in &made {
            let path = case.join(name);
            assert_eq!(*text, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
        }
        let names = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().file_name());
        let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
        let mut given = vec!["schema.sql", "both.sql", "old.sql", "new.sql", "facts.json"];
        given.extend(case.join("base.sql").exists().then_some("base.sql"));
        let given = given.into_iter().map(str::to_owned);
        assert_eq!(names, made.into_keys().chain(given).collect(), "{}", case.display());
    }
}

#[test]
fn the_published_schema_is_that_of_the_reports() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.schema.json");
    let schema = serde_json::to_string_pretty(&Report::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == schema,
        "write docs/report.schema.json anew: UPDATE_GOLDEN=1"
    );
}

#[test]
fn every_page_keeps_data_data_and_needs_nothing_else() {
    // Where the environment says, for a browser to look at.
    let folder = std::env::var_os("PAGES").map(PathBuf::from);
    for case in cases() {
        let report: Report = read(&case.join("report.json"));
        let page = missing_transactions::page(&report).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{name}.html")), &page).unwrap();
        }
        assert_eq!(page.matches("<script").count(), 1, "{name}: only our own script");
        for outside in ["src=\"", "<link", "@import", "<iframe", "<img", "<b>", "onerror=\""] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
        assert_eq!(
            page.matches("url(").count(),
            page.matches("url(#").count(),
            "{name}: only places on the page"
        );
        assert!(!page.contains("@example.com"), "{name}: personal data is masked");
    }
}

#[test]
fn a_key_is_shown_once_of_a_table_that_was_cut_off() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/tables-not-compared");
    let page = missing_transactions::page(&read(&case.join("report.json"))).unwrap();
    let heads = |column: &str| page.matches(&format!("<th scope=\"col\">{column}</th>")).count();
    assert_eq!((heads("Key"), heads("id"), heads("customer_id")), (1, 0, 1));
}

/// The page and the summary of a case.
fn page_and_summary(case: &str) -> (String, String) {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case);
    let report: Report = read(&case.join("report.json"));
    (missing_transactions::page(&report).unwrap(), report.summary)
}

#[test]
fn a_write_that_was_lost_longer_before_the_failover_than_the_budget_is_a_breach() {
    let (page, summary) = page_and_summary("rpo-breached");
    assert!(page.contains("<b class=\"bad\">1 min 16 s</b> <small>over RPO 1 min</small>"), "{page}");
    assert!(!page.contains("within RPO"), "{page}");
    let breach = "The first lost write lies 1 min 16 s before the failover: the RPO of 1 min was not kept.";
    assert!(summary.contains(breach), "{summary}");
}

#[test]
fn where_no_table_was_compared_nothing_is_said_to_be_there_or_kept() {
    let (page, summary) = page_and_summary("no-table-compared");
    let headline = "No table was compared whole: what us-east-1 lost is not known.";
    assert!(summary.starts_with(headline), "{summary}");
    assert!(page.contains("<header class=\"doubt\">") && page.contains(&format!("<h1>{headline}</h1>")));
    assert!(
        summary.contains("5 tables were not compared whole (shop.customers, shop.order_items, "),
        "{summary}"
    );
    assert!(page.contains("<title>No table compared · Missing transactions of shop</title>"), "{page}");
    assert!(!page.contains("<b class=\"\">0</b>"), "no card says that there is none");
    assert!(!page.contains("<p>None.</p>") && !page.contains("within RPO"), "{page}");
}

#[test]
fn the_page_says_how_long_the_second_cluster_was_there() {
    let (page, _) = page_and_summary("with-the-state-at-the-takeover");
    let told = "restored as a second cluster, which was there for 42 min until the comparison was complete";
    assert!(page.contains(told), "{page}");
}

#[test]
fn the_page_says_what_missing_means_and_puts_back_only_what_is_missing() {
    let (page, _) = page_and_summary("rpo-breached");
    assert!(page.contains("Missing means: not in us-west-2 now, which is certain."), "{page}");
    assert!(page.contains("To put missing rows back, start the runbook replay in us-west-2"), "{page}");
    assert!(page.contains("<title>2 missing rows · Missing transactions of shop</title>"), "{page}");
    let (page, _) = page_and_summary("nothing-lost");
    assert!(page.contains("There is nothing to put back.") && !page.contains("Missing means"), "{page}");
    assert!(page.contains("<title>No missing rows · Missing transactions of shop</title>"), "{page}");
}
