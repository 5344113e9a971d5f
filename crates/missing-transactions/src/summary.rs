//! The report in a sentence or two, numbers first.

use crate::report::{Report, Standing};
use crate::text::{count, counted, duration, joined, row_time};

/// The numbers that matter: what was lost, when, and what is not known.
pub(crate) fn sentence(report: &Report) -> String {
    let region = |name: &str, or: &str| if name.is_empty() { or.to_owned() } else { name.to_owned() };
    let from = region(&report.facts.from_region, "the old primary");
    let to = region(&report.facts.to_region, "the new one");
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);

    let mut sentences = Vec::new();
    if transactions.whole > 0 {
        let be = if transactions.whole == 1 { "is" } else { "are" };
        sentences.push(format!(
            "{} that {from} had taken {be} missing in {to}: {}.",
            counted(transactions.whole, "transaction"),
            of_each(report, Standing::Whole)
        ));
    } else if transactions.in_part == 0 && rows.missing == 0 {
        let seen = if report.is_complete() { "" } else { " of what was compared" };
        sentences.push(format!("No transaction{seen} that {from} had taken is missing in {to}."));
    }
    if transactions.in_part > 0 {
        let be = if transactions.in_part == 1 { "is" } else { "are" };
        let more = if transactions.whole > 0 { " more" } else { "" };
        let which = of_each(report, Standing::InPart);
        sentences.push(format!("{}{more} {be} there in part: {which}.", count(transactions.in_part)));
    }
    let mut others = Vec::new();
    if rows.lost_updates > 0 {
        others.push(format!("{} lost", counted(rows.lost_updates, "update")));
    }
    if rows.lost_deletes > 0 {
        others.push(format!("{} lost", counted(rows.lost_deletes, "delete")));
    }
    if rows.conflicts > 0 {
        others.push(format!("{} in conflict", counted(rows.conflicts, "row")));
    }
    if rows.in_doubt() > 0 {
        others.push(format!("{} of which it can't be told", counted(rows.in_doubt(), "row")));
    }
    if !others.is_empty() {
        sentences.push(format!(
            "{}{}.",
            if sentences.is_empty() { "" } else { "Besides: " },
            joined(&others)
        ));
    }
    if let Some(window) = &report.window {
        let over = &report.over_time;
        let aside = over.before + over.after;
        let stray = if aside > 0 { " and strays from further off" } else { "" };
        if window.first == window.last {
            sentences.push(format!("It was written at {} UTC.", row_time(window.first)));
        } else if aside > 0
            && let (Some(first), Some(last)) = (over.bars.first(), over.bars.last())
        {
            sentences.push(format!(
                "Most of it was written between {} and {} UTC,{stray}.",
                row_time(first.from),
                row_time(last.from)
            ));
        } else {
            sentences.push(format!(
                "It was written between {} and {} UTC, {}.",
                row_time(window.first),
                row_time(window.last),
                duration(window.seconds)
            ));
        }
    }
    if report.totals.tables_not_compared > 0 {
        let tables = counted(report.totals.tables_not_compared, "table");
        let be = if report.totals.tables_not_compared == 1 { "was" } else { "were" };
        sentences.push(format!("{tables} {be} not compared: more may be missing."));
    }
    sentences.join(" ")
}

/// `32 orders and 5 customers`, the most first, at most five of them.
fn of_each(report: &Report, standing: Standing) -> String {
    let mut each: Vec<(u64, String)> = report
        .kinds
        .iter()
        .map(|kind| {
            let n = match standing {
                Standing::Whole => kind.transactions.whole,
                Standing::InPart => kind.transactions.in_part,
                Standing::Undecided => kind.transactions.undecided,
            };
            (n, kind.label.clone())
        })
        .filter(|(n, _)| *n > 0)
        .collect();
    each.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let rest: u64 = each.iter().skip(5).map(|(n, _)| n).sum();
    let mut parts: Vec<String> =
        each.iter().take(5).map(|(n, label)| format!("{} {label}", count(*n))).collect();
    if rest > 0 {
        parts.push(format!("{} of other kinds", count(rest)));
    }
    joined(&parts)
}
