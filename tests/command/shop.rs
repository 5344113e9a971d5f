//! The shop in both Regions, as customers find it: in Chromium, through a failover, by `browser/shop.py`.
//!
//! `PICTURES=1` keeps the pictures in `docs/pictures`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use rehearsals::{chromium, parts, python, root};

use super::Run;

#[test]
fn customers_in_a_browser_move_to_the_other_region_with_cart_and_orders() {
    let Some(browser) = chromium() else { return parts::missing("browser", "there is no chromium") };
    let mut run = Run::start(&["sandbox", "--factor", "120", "--shop", "--rate", "2"]);
    let live = run.read_until("The shop runs. Look at ").rsplit_once(' ').unwrap().1.to_owned();
    let mut input = run.child.stdin.take().unwrap();
    let kept = tempfile::tempdir().unwrap();
    let pictures = match std::env::var_os("PICTURES") {
        Some(_) => root().join("docs/pictures"),
        None => kept.path().to_owned(),
    };
    let script = root().join("tests/browser/shop.py");
    let mut customers = Command::new(python().unwrap())
        .arg(script)
        .arg(browser)
        .arg(live)
        .arg(pictures)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(customers.stdout.take().unwrap()).lines().map(Result::unwrap) {
        match line.strip_prefix("type ") {
            Some(command) => writeln!(input, "{command}").unwrap(),
            None => said += &format!("{line}\n"),
        }
    }
    customers.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = customers.wait().unwrap();
    run.interrupt();
    let (told, code) = run.end();
    assert!(status.success(), "{said}\n{told}");
    assert_eq!(code, Some(0), "{told}");
}
