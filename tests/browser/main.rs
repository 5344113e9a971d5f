//! The report's page in a real browser, Chromium: `look.py` opens the pages of every golden case of
//! `missing-transactions` at desktop and phone width, light and dark, with and without JavaScript, and prints them.
//!
//! `PICTURES=1` keeps the pictures of the whole failover in `docs/pictures`, for the README.

use std::path::Path;
use std::process::Command;

use missing_transactions::{Report, page};

#[test]
fn the_page_works_in_a_browser_and_asks_for_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = root.join("target/python/bin/python");
    let browser = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|at| at.is_file())
    });
    let Some(browser) = browser else {
        eprintln!("skipped: there is no chromium; tests/setup.sh browser installs it");
        return;
    };
    assert!(python.is_file(), "there is no {}: run tests/setup.sh python", python.display());
    let folder = tempfile::tempdir().unwrap();
    let mut cases = 0;
    for case in std::fs::read_dir(root.join("crates/missing-transactions/tests/cases")).unwrap() {
        let case = case.unwrap();
        let text = std::fs::read_to_string(case.path().join("report.json")).unwrap();
        let report: Report = serde_json::from_str(&text).unwrap();
        let name = folder.path().join(case.file_name()).with_extension("html");
        std::fs::write(name, page(&report).unwrap()).unwrap();
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
    let pictures = match std::env::var_os("PICTURES") {
        Some(_) => root.join("docs/pictures"),
        None => folder.path().join("pictures"),
    };
    let script = root.join("tests/browser/look.py");
    let looked =
        Command::new(python).arg(script).arg(browser).arg(folder.path()).arg(&pictures).output().unwrap();
    let said = String::from_utf8_lossy(&looked.stdout);
    let errors = String::from_utf8_lossy(&looked.stderr);
    assert!(looked.status.success(), "{said}{errors}");
    assert_eq!(std::fs::read_dir(pictures).unwrap().count(), 4, "{said}");
}
