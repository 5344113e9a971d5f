//! What the step answers, and the sentences in it: numbers first.

use std::collections::BTreeMap;

use missing_transactions::text::{count, counted, cut};
use serde::{Deserialize, Serialize};

use crate::state::State;
use crate::status::{RowStatus, Tally};

/// Characters of a summary at most: an approval's message has 4,096, and the request more around it.
const SUMMARY: usize = 2000;

/// What was seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// How many rows stand where, by the plan's name of the database.
    pub(crate) databases: BTreeMap<String, Tally>,
    /// The numbers in a sentence or two.
    pub summary: String,
    /// `s3://` address of the page; empty while there is none.
    pub location: String,
}

/// Rows by database, as far as an operation has come.
pub(crate) fn tallies(state: &State) -> BTreeMap<String, Tally> {
    let tally = |database: &crate::state::Database| {
        let counted = database.cursor.as_ref().map(|cursor| &cursor.summary);
        let summary = database.summary.as_ref().or(counted);
        let mut tally = Tally::default();
        for counts in summary.iter().flat_map(|summary| summary.tables.values()) {
            tally.merge(&Tally::from(*counts));
        }
        tally
    };
    state.databases.iter().map(|(name, database)| (name.clone(), tally(database))).collect()
}

/// All of them together.
pub(crate) fn total(databases: &BTreeMap<String, Tally>) -> Tally {
    let mut total = Tally::default();
    databases.values().for_each(|tally| total.merge(tally));
    total
}

/// Rows on both sides that differ.
pub(crate) fn conflicts(state: &State) -> u64 {
    let summaries = state.databases.values().filter_map(|database| database.summary.as_ref());
    summaries.flat_map(|summary| summary.tables.values()).map(|counts| counts.conflicts).sum()
}

/// What has to be said beside the rows.
fn beside(conflicts: u64, not_compared: &[String]) -> String {
    let mut text = String::new();
    if conflicts > 0 {
        text = format!(" {} on both sides with different values: not touched.", counted(conflicts, "row"));
    }
    if !not_compared.is_empty() {
        text = format!("{text} Not fully compared, so not fully replayed: {}.", not_compared.join(", "));
    }
    text
}

/// What a preview found.
pub(crate) fn preview(
    databases: &BTreeMap<String, Tally>,
    conflicts: u64,
    not_compared: &[String],
) -> String {
    let total = total(databases);
    let to_put_back = total.of(RowStatus::ToPutBack);
    let mut text = match to_put_back {
        0 => "No row to put back".to_owned(),
        _ => {
            let by_database = databases
                .iter()
                .filter(|(_, tally)| tally.of(RowStatus::ToPutBack) > 0)
                .map(|(name, tally)| format!("{name} {}", count(tally.of(RowStatus::ToPutBack))));
            let by_database = by_database.collect::<Vec<_>>().join(", ");
            format!("{} to put back ({by_database})", counted(to_put_back, "row"))
        }
    };
    let left_out = total.all() - total.there() - to_put_back;
    if left_out > 0 {
        text = format!("{text}; {} to leave out: {}", count(left_out), total.words(&RowStatus::LEFT[1..]));
    }
    if total.there() > 0 {
        text = format!("{text}; {} there already", count(total.there()));
    }
    cut(&format!("{text}.{}", beside(conflicts, not_compared)), SUMMARY)
}

/// What putting back came to, or has come to so far.
pub(crate) fn applied(databases: &BTreeMap<String, Tally>) -> String {
    let total = total(databases);
    // A row whose call was killed before it could tell is found there by the next.
    let back = total.of(RowStatus::ToPutBack) + total.there();
    let mut text = format!("{} there now", counted(back, "lost row"));
    let left = total.all() - back;
    if left > 0 {
        text = format!("{text}; {} left out: {}", count(left), total.words(&RowStatus::LEFT[1..]));
    }
    cut(&text, SUMMARY)
}

/// What is left after all.
pub(crate) fn verified(tally: &Tally, conflicts: u64, not_compared: &[String]) -> String {
    let mut text = format!("{} of {} there", count(tally.there()), counted(tally.all(), "lost row"));
    let altered = tally.of(RowStatus::Altered);
    if altered > 0 {
        text = format!("{text} ({} put back and changed since)", count(altered));
    }
    let left = tally.all() - tally.there();
    text = match left {
        0 => format!("{text}; none is left"),
        _ => format!("{text}; {} left: {}", count(left), tally.words(&RowStatus::LEFT)),
    };
    cut(&format!("{text}.{}", beside(conflicts, not_compared)), SUMMARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_come_first() {
        let tally = |counts| Tally::from(counts);
        let databases = BTreeMap::from([
            ("catalog".to_owned(), tally(row_replay::Counts { inserted: 4, ..Default::default() })),
            (
                "orders".to_owned(),
                tally(row_replay::Counts {
                    inserted: 1200,
                    already_there: 3,
                    key_taken: 1,
                    ..Default::default()
                }),
            ),
        ]);
        assert_eq!(
            preview(&databases, 1, &["orders/odd".into()]),
            "1,204 rows to put back (catalog 4, orders 1,200); 1 to leave out: 1 whose key another row has now; 3 there \
             already. 1 row on both sides with different values: not touched. Not fully compared, so not fully replayed: \
             orders/odd."
        );
        assert_eq!(preview(&BTreeMap::new(), 0, &[]), "No row to put back.");
        assert_eq!(
            applied(&databases),
            "1,207 lost rows there now; 1 left out: 1 whose key another row has now"
        );
        let end =
            Tally(BTreeMap::from([(RowStatus::There, 5), (RowStatus::Altered, 1), (RowStatus::Refused, 2)]));
        assert_eq!(
            verified(&end, 0, &[]),
            "6 of 8 lost rows there (1 put back and changed since); 2 left: 2 that the server refuses."
        );
        let whole = Tally(BTreeMap::from([(RowStatus::There, 1)]));
        assert_eq!(verified(&whole, 0, &[]), "1 of 1 lost row there; none is left.");
    }
}
