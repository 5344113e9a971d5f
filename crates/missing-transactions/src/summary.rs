//! The report in a sentence or two, numbers first.

use crate::fate::Doubt;
use crate::recovery::{Kept, RecoveryPoint};
use crate::report::{Report, Standing};
use crate::text::{count, counted, duration, joined, second};

/// The numbers that matter: what was lost, when, and what is not known. The first is what matters most.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let mut sentences = missing(report);
    if sentences.is_empty() {
        sentences.push(none_missing(report));
    }
    if let Some(headline) = sentences.first_mut() {
        headline.push_str(&amounts(report));
    }
    // Also where something was found: this may be all that the report can say.
    sentences.extend(not_compared(report));
    sentences.extend(other_losses(report));
    sentences.extend(undecided(report));
    sentences.extend(late_base(report));
    sentences.extend(when(report));
    sentences.extend(recovery_point(report));
    sentences
}

/// The old primary and the new one, by their Regions where these are known.
fn primaries(report: &Report) -> (&str, &str) {
    let facts = &report.facts;
    let from = if facts.from_region.is_empty() { "the old primary" } else { &facts.from_region };
    let to = if facts.to_region.is_empty() { "the new one" } else { &facts.to_region };
    (from, to)
}

fn are(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// The transactions that are missing, whole and in part; empty where none is.
fn missing(report: &Report) -> Vec<String> {
    let (from, to) = primaries(report);
    let transactions = report.totals.transactions;
    let mut sentences = Vec::new();
    if transactions.whole > 0 {
        sentences.push(format!(
            "{} that {from} had taken {} missing in {to} ({}).",
            counted(transactions.whole, "transaction"),
            are(transactions.whole),
            of_each(report, Standing::Whole)
        ));
    }
    if transactions.in_part > 0 {
        let n = if transactions.whole > 0 {
            format!("{} more", count(transactions.in_part))
        } else {
            counted(transactions.in_part, "transaction")
        };
        let which = of_each(report, Standing::InPart);
        sentences
            .push(format!("{n} {} there in part, with rows missing ({which}).", are(transactions.in_part)));
    }
    sentences
}

/// That no transaction is known to be missing, with what restricts it.
fn none_missing(report: &Report) -> String {
    let (from, to) = primaries(report);
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    if report.totals.tables_compared == 0 && rows.all() == 0 {
        let whole = if report.tables.is_empty() { "" } else { " whole" };
        return format!("No table was compared{whole}: what {from} lost is not known.");
    }
    match (rows.missing, transactions.undecided, report.is_complete()) {
        (0, 0, true) => format!("No transaction that {from} had taken is missing in {to}."),
        (0, 0, false) => {
            format!("In what was compared, no transaction that {from} had taken is missing in {to}.")
        }
        (0, ..) => format!("No transaction that {from} had taken is known to be lost in {to}."),
        (missing, ..) => {
            format!("{} that {from} had taken {} missing in {to}.", counted(missing, "row"), are(missing))
        }
    }
}

/// What the missing rows are worth, as sentences behind the first one.
fn amounts(report: &Report) -> String {
    let amounts = report.tables.iter().filter_map(|table| {
        let amounts = table.amounts.as_ref()?;
        Some(format!(" Missing in {}.{}: {}.", table.table, amounts.column, amounts.words()))
    });
    amounts.collect()
}

/// What was lost beside missing rows.
fn other_losses(report: &Report) -> Option<String> {
    let rows = &report.totals.rows;
    let others = [
        (rows.lost_updates, "update", "lost"),
        (rows.lost_deletes, "delete", "lost"),
        (rows.conflicts, "row", "in conflict"),
    ];
    let others: Vec<String> = others
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, how)| format!("{} {how}", counted(n, one)))
        .collect();
    (!others.is_empty()).then(|| format!("Besides: {}.", joined(&others)))
}

/// What is undecided: transactions, and rows that are in none.
fn undecided(report: &Report) -> Option<String> {
    let doubts = [(report.totals.transactions.undecided, "transaction"), (rows_in_doubt(report), "row")];
    let doubts: Vec<String> =
        doubts.into_iter().filter(|(n, _)| *n > 0).map(|(n, one)| counted(n, one)).collect();
    (!doubts.is_empty()).then(|| format!("What happened to {} is not known.", joined(&doubts)))
}

/// What *missing* means here, in words for somebody who was woken up. `None` where no row is missing.
pub(crate) fn surety(report: &Report) -> Option<String> {
    let rows = &report.totals.rows;
    let to = if report.facts.to_region.is_empty() { "the new primary" } else { &report.facts.to_region };
    let open = rows.missing - rows.missing_proved.min(rows.missing);
    let alike = format!(
        "a row that was lost, and one that came across and was deleted in {to} since, look the same afterwards. Count \
         them as lost, unless you know that the application deletes such rows."
    );
    Some(match (rows.missing, open) {
        (0, _) => return None,
        (_, 0) => format!("That the missing rows were lost is certain: {}.", why_lost(report, to)),
        (missing, open) if open == missing => {
            format!("Missing means: not in {to} now, which is certain. Why they are not is open: {alike}")
        }
        (missing, open) => format!(
            "Of the {}, {} are lost for certain: {}. Of the other {} it is certain only that they are not in {to} now: {alike}",
            counted(missing, "missing row"),
            count(missing - open),
            why_lost(report, to),
            count(open)
        ),
    })
}

/// Why rows are lost for certain.
fn why_lost(report: &Report, to: &str) -> String {
    let rows = &report.totals.rows;
    let late = format!("they were written too late to reach {to}");
    let absent = format!("they were not in {to} when it took over");
    match rows.proved_by_takeover {
        0 => late,
        proved if proved == rows.all() => absent,
        _ => format!("{absent}, or {}", late.trim_start_matches("they ")),
    }
}

/// What the state at the takeover could not decide, because it came late.
fn late_base(report: &Report) -> Option<String> {
    let n = *report.totals.rows.undecided.get(&Doubt::LateBase)?;
    let to = if report.facts.to_region.is_empty() { "the new primary" } else { &report.facts.to_region };
    Some(format!(
        "The state at the takeover was kept when {to} may have taken writes already: what happened to {} then is not known.",
        counted(n, "row")
    ))
}

/// What to do now, as far as the report can say it: only what there is something to do about.
pub fn next_steps(report: &Report) -> String {
    let rows = &report.totals.rows;
    let mut steps = Vec::new();
    if rows.missing > 0 || report.files.iter().any(|file| file.name.ends_with("replay.sql")) {
        let (to, execution) = (&report.facts.to_region, &report.facts.execution);
        let replay = format!(
            "start the runbook replay in {to} with ReconcileExecution {execution}: it shows what it would do, and asks before it \
             does it."
        );
        steps.push(match &report.facts.moved_to {
            None => format!("To put missing rows back, {replay}"),
            Some(region) => format!(
                "The databases were moved to {region} since. To put missing rows back, run replay.sql of each database against the \
                 writer there; or move them to {to} once more (runbook failback), then {replay}"
            ),
        });
    }
    let by_hand = [
        (rows.lost_updates, "lost updates"),
        (rows.lost_deletes, "lost deletes"),
        (rows.conflicts, "conflicts"),
        (rows_in_doubt(report), "rows in doubt"),
    ];
    let by_hand: Vec<String> =
        by_hand.into_iter().filter(|(n, _)| *n > 0).map(|(_, what)| what.to_owned()).collect();
    if !by_hand.is_empty() {
        steps.push(format!("Somebody has to decide about {}: each is listed.", joined(&by_hand)));
    }
    if !report.is_complete() {
        steps.push("Not all was compared: mend the cause, and start the runbook reconcile again.".to_owned());
    }
    if steps.is_empty() {
        steps.push("There is nothing to put back.".to_owned());
    }
    steps.join(" ")
}

/// What was to be compared and was not, by name: at most five tables, and databases.
fn not_compared(report: &Report) -> Option<String> {
    let found: Vec<String> = report.not_compared().into_iter().map(|(name, _)| name).collect();
    let (tables, databases) = found.split_at_checked(report.totals.tables_not_compared as usize)?;
    let mut names = tables.to_vec();
    if names.len() > 5 {
        names = names[..5].to_vec();
        names.push(format!("{} more", count(tables.len() as u64 - 5)));
    }
    let what = match (tables.len(), databases) {
        (0, []) => return None,
        (0, _) => format!("No table of {} was compared", joined(databases)),
        (n, _) => {
            let were = if n == 1 { "was" } else { "were" };
            let tables = counted(n as u64, "table");
            let rest = if databases.is_empty() {
                String::new()
            } else {
                format!(", and no table of {}", joined(databases))
            };
            format!("{tables} {were} not compared whole ({}){rest}", joined(&names))
        }
    };
    Some(format!("{what}: more may be missing."))
}

/// Undecided rows that are in no transaction.
pub(crate) fn rows_in_doubt(report: &Report) -> u64 {
    let rows = &report.totals.rows;
    rows.in_doubt() - rows.undecided.get(&Doubt::LostOrDeleted).copied().unwrap_or_default()
}

/// When the lost writes were made.
fn when(report: &Report) -> Option<String> {
    let window = report.window.as_ref()?;
    let over = &report.over_time;
    let stray = over.before + over.after;
    let (first, last) = match (over.bars.first(), over.bars.last()) {
        (Some(first), Some(last)) if stray > 0 => (first.from, last.from),
        _ => (window.first, window.last),
    };
    let (from, to) = (second(first), second(last));
    if from == to {
        let which = if window.timed == 1 { "write was" } else { "writes were" };
        return Some(format!("The lost {which} made at {from} UTC."));
    }
    // The date once, where it is the same.
    let to = if from.get(..10) == to.get(..10) { to.get(11..).unwrap_or(&to).to_owned() } else { to };
    Some(if stray > 0 {
        format!(
            "The lost writes were made between {from} and {to} UTC, except for {} with a time far from these.",
            count(stray)
        )
    } else {
        format!("The lost writes were made between {from} and {to} UTC.")
    })
}

/// How far back the lost writes go, of the database where it is worst, and whether that is what the plan allows.
fn recovery_point(report: &Report) -> Option<String> {
    let rows = &report.totals.rows;
    if rows.missing + rows.lost_updates + rows.lost_deletes + rows.conflicts == 0 {
        return None;
    }
    let budget = report.facts.budgets?.rpo_seconds;
    let worst = |(_, point): &(&String, &RecoveryPoint)| (point.against(budget), point.seconds);
    let points = report.recovery_points.iter();
    let (name, point) =
        points.max_by(|a, b| worst(a).partial_cmp(&worst(b)).unwrap_or(std::cmp::Ordering::Equal))?;
    let of = if report.recovery_points.len() > 1 { format!(" of {name}") } else { String::new() };
    let rpo = format!("the RPO of {}", duration(budget));
    let far = duration(point.seconds.unwrap_or_default());
    // Where writes were lost after the failover began, too, there is more than what lies before it.
    let before = report.windows.get(name).and_then(|window| window.first_before_start_seconds);
    let far = if before >= point.seconds {
        format!("The first lost write{of} lies {far} before the failover")
    } else {
        format!("Between the first lost write{of} and the last, after the failover began, lie {far}")
    };
    Some(match point.against(budget) {
        Kept::Over => format!("{far}: {rpo} was not kept."),
        Kept::Within => format!("{far}, within {rpo}."),
        Kept::Unknown => {
            let of = if of.is_empty() { of } else { format!(" for {name}") };
            let why = point.open.first().map(|why| format!(": {why}")).unwrap_or_default();
            format!("Whether {rpo} was kept{of} is not known{why}.")
        }
    })
}

/// `orders: 32, customers: 5`, the most first, at most five of them.
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
        each.iter().take(5).map(|(n, label)| format!("{label}: {}", count(*n))).collect();
    if rest > 0 {
        parts.push(format!("others: {}", count(rest)));
    }
    parts.join(", ")
}
