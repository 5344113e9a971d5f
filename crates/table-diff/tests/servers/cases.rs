//! `tests/cases/<name>/`: two schemas with their data, and the differences expected, a line each, in any order.
//! `notes.txt`, where there is one, has the notes expected.

use std::fs;
use std::path::Path;

use table_diff::{Options, Presence, Side, list_tables};

use crate::support::{TestServer, compare};

/// Limits from one row to all at once, after how many ranges it is cut, how often a scan cuts, and whether it is one.
const WAYS: [(u64, u64, usize, u64, bool); 7] = [
    (1, 1, 1, 32, true),
    (2, 3, 2, 32, true),
    (100_000, 5000, usize::MAX, 32, true),
    (1, 1, 1, 1, false),
    (2, 3, 2, 2, false),
    (5, 2, usize::MAX, 4, false),
    (100_000, 5000, usize::MAX, 32, false),
];

#[tokio::test]
async fn every_case_gives_what_is_expected() {
    compare_cases(&TestServer::mariadb(), "mysql.only").await;
}

#[tokio::test]
async fn every_case_gives_it_on_mysql_as_well() {
    if let Some(server) = TestServer::mysql() {
        compare_cases(&server, "mariadb.only").await;
    }
}

/// Compares all but the cases that have a file named `without`.
async fn compare_cases(server: &TestServer, without: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    cases.sort();
    assert!(cases.len() > 10);
    let mut wrong = Vec::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        if case.join(without).exists() {
            continue;
        }
        let (left, right) = (format!("{name}-source"), format!("{name}-target"));
        server.script(&left, &case.join("source.sql"));
        server.script(&right, &case.join("target.sql"));
        let mut expected = lines(&fs::read_to_string(case.join("expected.jsonl")).unwrap());
        expected.sort();
        for (rows, inspect_rows, cut, spread, strong) in WAYS {
            let fetch_bytes = rows * 100;
            let options = Options {
                first_rows: rows,
                chunk_rows: rows,
                inspect_rows,
                fetch_bytes,
                spread,
                strong,
                ..Options::default()
            };
            let mut source = server.connect(Side::Source, &left).await;
            let mut target = server.connect(Side::Target, &right).await;
            let mut found = Vec::new();
            let mut notes = Vec::new();
            for listed in list_tables(&mut source, &mut target, &[], &[]).await.unwrap() {
                assert_eq!(listed.presence, Presence::Both, "{name}");
                let (differences, summary) =
                    compare(&mut source, &mut target, &listed.table, &options, cut).await;
                found.extend(differences.iter().map(|difference| serde_json::to_string(difference).unwrap()));
                notes.extend(summary.notes);
            }
            found.sort();
            if found != expected {
                wrong.push(format!(
                    "{name} in {options:?}:\nfound\n{}\nexpected\n{}",
                    found.join("\n"),
                    expected.join("\n")
                ));
            }
            if let Ok(expected) = fs::read_to_string(case.join("notes.txt")) {
                // MySQL shows no display widths of integers.
                let plain = |text: &str| text.replace("int(11)", "int").replace("int(20)", "int");
                assert_eq!(plain(&notes.join("\n")), plain(expected.trim_end()), "{name}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}
