//! The report's page in a real browser, Chromium: `look.py` opens the pages of every golden case of
//! `missing-transactions` at desktop and phone width, light and dark, with and without JavaScript, and prints them.
//!
//! `PICTURES=1` keeps the pictures of the whole failover in `docs/pictures`, for the README.

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
