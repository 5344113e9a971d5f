//! `docs/witnesses.md`: in what the project differs from a witness that nobody here wrote, and why it may.
//!
//! The page has a section (`## NAME`) for each witness. A difference that stays is a row of the section's table
//! `| what differs | why |`: the difference in backticks, exactly as the test says it, and the reason. A test hands what it
//! found to [`hold`], which fails on a difference that has no row and on a row whose difference is gone.

use std::collections::{BTreeMap, BTreeSet};

/// Header of the table of exceptions. Other tables of a section say something else.
const HEADER: &str = "| what differs | why |";

/// Holds what a test found against a section of the page.
///
/// # Errors
/// What is not listed, what is listed and does not occur, or a page that can't be read: a section that is missing, a row
/// without a reason or twice.
pub fn hold(section: &str, found: impl IntoIterator<Item = String>) -> Result<(), String> {
    let page = crate::root().join("docs/witnesses.md");
    let page = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    compare(&page, section, &found.into_iter().collect())
}

/// The sections of the page, by name.
#[must_use]
pub fn sections(page: &str) -> BTreeMap<&str, &str> {
    let sections = page.split("\n## ").skip(1);
    sections.map(|text| text.split_once('\n').unwrap_or((text, ""))).collect()
}

/// The exceptions of a section, each with its reason.
fn exceptions<'a>(section: &str, text: &'a str) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let mut exceptions = BTreeMap::new();
    for table in text.split(HEADER).skip(1) {
        // The first line is what follows the header, the second the line of dashes.
        for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
            let parts = row.strip_prefix("| `").and_then(|row| row.strip_suffix(" |"));
            let parts = parts.and_then(|row| row.split_once("` | "));
            let (what, why) = parts.filter(|(_, why)| !why.trim().is_empty()).ok_or_else(|| {
                format!("docs/witnesses.md, {section}: write \"| `what differs` | why |\", not: {row}")
            })?;
            if exceptions.insert(what, why).is_some() {
                return Err(format!("docs/witnesses.md, {section}: twice: {what}"));
            }
        }
    }
    Ok(exceptions)
}

fn compare(page: &str, section: &str, found: &BTreeSet<String>) -> Result<(), String> {
    let text = sections(page).get(section).copied();
    let text = text.ok_or_else(|| format!("docs/witnesses.md has no section \"## {section}\""))?;
    let listed = exceptions(section, text)?;
    let new = found.iter().filter(|what| !listed.contains_key(what.as_str()));
    let new = new.map(|what| format!("  differs: {what}"));
    let gone = listed.keys().filter(|what| !found.contains(**what));
    let gone = gone.map(|what| format!("  differs no more: {what}"));
    let problems: Vec<String> = new.chain(gone).collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{section}: mend what differs, or list it with its reason in docs/witnesses.md; take out what differs no more:\n{}",
        problems.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Witnesses\n\nText.\n\n## One\nText.\n\n| from | to |\n|---|---|\n| a | b |\n\n| what differs | why |\n|---|---|\n| `a is b` | because |\n\nMore.\n\n## Two\nNothing differs.\n";

    #[test]
    fn a_difference_needs_its_row_and_a_row_its_difference() {
        let found = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<BTreeSet<String>>();
        assert_eq!(compare(PAGE, "One", &found(&["a is b"])), Ok(()));
        assert_eq!(compare(PAGE, "Two", &found(&[])), Ok(()));
        let told = compare(PAGE, "One", &found(&["a is c"])).unwrap_err();
        assert!(told.contains("  differs: a is c\n  differs no more: a is b"), "{told}");
        assert!(compare(PAGE, "Two", &found(&["a is b"])).is_err());
        assert!(compare(PAGE, "Three", &found(&[])).unwrap_err().contains("## Three"));
    }

    #[test]
    fn a_row_without_a_reason_or_twice_is_refused() {
        let row = "| `a is b` | because |";
        for wrong in ["| `a is b` |  |", "| a is b | because |", &format!("{row}\n{row}")] {
            let page = PAGE.replace(row, wrong);
            assert!(compare(&page, "One", &BTreeSet::from(["a is b".to_owned()])).is_err(), "{wrong}");
        }
    }
}
