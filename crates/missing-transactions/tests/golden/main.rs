//! Cases as directories: `tests/cases/<name>/` has a `catalogue.json` for one database, `facts.json` (the failover's
//! facts, the plan's hints, tables that were not compared whole), a list of differences for each table that has some, and
//! the report that comes of them. `UPDATE_GOLDEN=1` writes the reports anew; read the changes before they are kept.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use missing_transactions::{Builder, Compared, Database, Facts, Hints, Limits, Report};
use serde::Deserialize;
use table_diff::{Catalogue, Difference};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    #[serde(default)]
    facts: Facts,
    #[serde(default)]
    hints: Hints,
    #[serde(default)]
    errors: BTreeMap<String, String>,
    #[serde(default)]
    listed: Option<usize>,
    #[serde(default)]
    grouped_rows: Option<usize>,
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The report of a case, and the spreadsheets of its tables.
fn report(case: &Path) -> (Report, BTreeMap<String, String>) {
    let catalogue: Catalogue = read(&case.join("catalogue.json"));
    let told: Case = read(&case.join("facts.json"));
    let databases = BTreeMap::from([("shop".to_owned(), Database { catalogue, hints: told.hints })]);
    let mut limits = Limits::default();
    limits.listed = told.listed.unwrap_or(limits.listed);
    limits.grouped_rows = told.grouped_rows.unwrap_or(limits.grouped_rows);
    let mut builder = Builder::new(told.facts, &databases, limits).unwrap();
    let mut sheets = BTreeMap::new();
    for (database, name) in builder.order() {
        let compared = Compared {
            error: told.errors.get(&name).cloned(),
            key_columns: databases[&database].catalogue.tables[&name].primary_key.clone(),
            ..Compared::default()
        };
        let mut table = builder.table(&database, &name, compared).unwrap();
        let mut csv = table.csv(Vec::new());
        let Ok(lines) = std::fs::read_to_string(case.join(format!("{name}.jsonl"))) else { continue };
        for line in lines.lines() {
            let difference: Difference = serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            let fate = table.add(&difference);
            csv.add(&difference, fate).unwrap();
        }
        sheets.insert(name, String::from_utf8(csv.finish().unwrap()).unwrap());
    }
    (builder.finish(), sheets)
}

#[test]
fn every_case_gives_its_report() {
    let schema = jsonschema::validator_for(&Report::json_schema()).unwrap();
    for case in cases() {
        let (report, sheets) = report(&case);
        let json = serde_json::to_value(&report).unwrap();
        let errors: Vec<String> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.display());
        let again: Report = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(again, report, "{}", case.display());

        let text = serde_json::to_string_pretty(&json).unwrap() + "\n";
        let path = case.join("report.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
            for (name, sheet) in &sheets {
                std::fs::write(case.join(format!("{name}.csv")), sheet).unwrap();
            }
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{}", path.display());
        for (name, sheet) in &sheets {
            let path = case.join(format!("{name}.csv"));
            assert_eq!(*sheet, std::fs::read_to_string(&path).unwrap_or_default(), "{}", path.display());
        }
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
        let (report, _) = report(&case);
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
