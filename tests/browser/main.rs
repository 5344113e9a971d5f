//! The report's page in a real browser, Chromium: `look.py` opens the pages of every golden case of
//! `missing-transactions`, and one with a hundred orders for what it prints, at desktop and phone width, light and dark, with
//! and without JavaScript, and prints them.
//!
//! `PICTURES=1` keeps the pictures of the whole failover in `docs/pictures`, for the README.

#![expect(clippy::unwrap_used, reason = "tests say what failed by panicking")]

use missing_transactions::report::Transaction;
use missing_transactions::{Report, page};
use rehearsals::{look_at_pages, root};

#[test]
fn the_page_works_in_a_browser_and_asks_for_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = 0;
    for case in std::fs::read_dir(root().join("crates/missing-transactions/tests/cases")).unwrap() {
        let case = case.unwrap();
        let text = std::fs::read_to_string(case.path().join("report.json")).unwrap();
        let report: Report = serde_json::from_str(&text).unwrap();
        let name = folder.path().join(case.file_name()).with_extension("html");
        std::fs::write(name, page(&report).unwrap()).unwrap();
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
    std::fs::write(folder.path().join("a-hundred-orders.html"), page(&a_hundred_orders()).unwrap()).unwrap();
    let pictures = match std::env::var_os("PICTURES") {
        Some(_) => root().join("docs/pictures"),
        None => folder.path().join("pictures"),
    };
    match look_at_pages(folder.path(), &pictures) {
        Ok(None) => rehearsals::parts::missing("browser", "there is no chromium"),
        Ok(Some(said)) => {
            assert!(!said.trim_end().ends_with(" 0 searched in"), "no page has a table to search in");
            assert_eq!(std::fs::read_dir(pictures).unwrap().count(), 4, "{said}");
        }
        Err(wrong) => panic!("{wrong}"),
    }
}

/// The whole failover with its first order, items and payment a hundred times.
fn a_hundred_orders() -> Report {
    let case = root().join("crates/missing-transactions/tests/cases/a-whole-failover/report.json");
    let mut report: Report = serde_json::from_str(&std::fs::read_to_string(case).unwrap()).unwrap();
    let orders = report.kinds.iter_mut().find(|kind| kind.table == "orders").unwrap();
    assert!(!orders.listed[0].members.is_empty(), "it has items");
    let first = serde_json::to_string(&orders.listed[0]).unwrap();
    let id = orders.listed[0].key["id"].to_string();
    let more = (60_000..60_100).map(|other: u32| first.replace(&id, &other.to_string()));
    orders.listed.extend(more.map(|order| serde_json::from_str::<Transaction>(&order).unwrap()));
    orders.transactions.whole += 100;
    report
}
