//! The numbers at the top of the page.

use crate::report::Report;
use crate::summary;
use crate::text::{count, counted};

/// A number at the top.
pub(super) struct Card {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
    pub(super) class: &'static str,
    pub(super) anchor: &'static str,
}

/// The numbers, in their order.
pub(super) fn cards(report: &Report) -> Vec<Card> {
    let (transactions, rows) = (report.totals.transactions, &report.totals.rows);
    let class = |n: u64, class: &'static str| if n > 0 { class } else { "" };
    // What there is none of has no part of the page.
    let card = |name, value: u64, note: String, class, anchor| {
        let anchor = if value == 0 { "#compared" } else { anchor };
        // None seen is not none where nothing was looked at.
        let seen = value > 0 || report.totals.tables_compared > 0;
        let (value, class) = if seen { (count(value), class) } else { ("?".to_owned(), "warn") };
        Card { name, value, note, class, anchor }
    };
    vec![
        card(
            "Missing whole",
            transactions.whole,
            match (transactions.whole, transactions.whole_proved) {
                (0, _) => "transactions".to_owned(),
                (all, proved) if proved == all => "transactions, lost for certain".to_owned(),
                (_, 0) => "transactions: lost, unless they were deleted since".to_owned(),
                (_, proved) => {
                    format!("transactions: {} for certain, others unless deleted since", count(proved))
                }
            },
            class(transactions.whole, "bad"),
            "#transactions",
        ),
        card(
            "Missing in part",
            transactions.in_part,
            "transactions that are there, with rows of theirs missing".to_owned(),
            class(transactions.in_part, "bad"),
            "#transactions",
        ),
        card(
            "Lost updates, deletes",
            rows.lost_updates + rows.lost_deletes,
            format!("{}, {}", counted(rows.lost_updates, "update"), counted(rows.lost_deletes, "delete")),
            class(rows.lost_updates + rows.lost_deletes, "bad"),
            "#updates",
        ),
        card(
            "In conflict",
            rows.conflicts,
            "rows written on both sides: somebody has to choose".to_owned(),
            class(rows.conflicts, "bad"),
            "#conflicts",
        ),
        card(
            "Undecided",
            transactions.undecided + summary::rows_in_doubt(report),
            match (transactions.undecided, summary::rows_in_doubt(report)) {
                (0, rows) => format!("{}, by their times", counted(rows, "row")),
                (some, 0) => counted(some, "transaction"),
                (some, rows) => format!("{}, {}", counted(some, "transaction"), counted(rows, "row")),
            },
            class(transactions.undecided + summary::rows_in_doubt(report), "warn"),
            if rows.in_doubt() > 0 { "#doubts" } else { "#transactions" },
        ),
        card(
            "Nothing lost",
            rows.harmless(),
            "rows written in the new primary only; counted, not listed".to_owned(),
            "",
            "#compared",
        ),
    ]
}
