//! How far back the lost writes of a database go: its recovery point, for which a plan has a budget (RPO).
//!
//! It is the time from the earliest lost write to the start of the failover, or to the last lost write where that is later,
//! because an old Region that was not stopped keeps taking writes that are lost. A row that is not in the new primary
//! counts from its creation, where that has a time, and otherwise from its last write. A change counts from itself.
//!
//! **Promise.** A recovery point is within its budget only when nothing known could make it longer: no lost write without a
//! time, no undecided row, no table that was not compared, and there is a record of the failover. It is over the budget as
//! soon as one lost write is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::loss::Window;
use crate::text::counted;

/// The recovery point of one database.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPoint {
    /// Seconds from the earliest lost write to the start of the failover, or to the last lost write where that is later;
    /// 0 when nothing was lost. It may be more where `open` is not empty. Absent when nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Why it may be more, or is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// Whether a recovery point is within a budget. The worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// It is within the budget.
    Within,
    /// It is not known.
    Unknown,
    /// It is over the budget.
    Over,
}

impl RecoveryPoint {
    /// Whether it is within a budget in seconds.
    pub fn against(&self, budget: f64) -> Kept {
        match self.seconds {
            Some(seconds) if seconds > budget => Kept::Over,
            Some(_) if self.open.is_empty() => Kept::Within,
            _ => Kept::Unknown,
        }
    }

    /// The recovery point of a database: when its lost writes were made, how many have no time and no row that says when, how
    /// many of its rows have which fate, and how many of its tables were compared whole and how many not.
    pub(crate) fn of(window: Option<&Window>, unplaced: u64, counts: &Counts, tables: [u64; 2]) -> Self {
        let lost = counts.missing + counts.lost_updates + counts.lost_deletes + counts.conflicts;
        let mut open = Vec::new();
        if unplaced > 0 {
            open.push(format!("{} without a time", counted(unplaced, "lost write")));
        }
        if counts.in_doubt() > 0 {
            open.push(format!("{} in doubt", counted(counts.in_doubt(), "row")));
        }
        match tables {
            [0, _] => open.push("no table was compared whole".to_owned()),
            [_, 0] => {}
            [_, not] => open.push(format!("{} not compared whole", counted(not, "table"))),
        }
        let seconds = match window {
            Some(window) => {
                let to_start = window.first_before_start_seconds;
                if to_start.is_none() {
                    open.push("there is no record of the failover".to_owned());
                }
                to_start.map(|seconds| seconds.max(window.seconds))
            }
            None if lost == 0 && open.is_empty() => Some(0.0),
            None => None,
        };
        Self { seconds, open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fate::Doubt;

    fn window(before_start: Option<f64>, seconds: f64) -> Window {
        let first = "2026-11-25T12:00:00Z".parse().unwrap();
        Window {
            first,
            last: first,
            seconds,
            first_before_start_seconds: before_start,
            last_after_start_seconds: None,
            timed: 1,
            untimed: 0,
        }
    }

    #[test]
    fn it_goes_from_the_first_lost_write_to_the_failover_or_to_the_last_one() {
        let lost = Counts { missing: 1, ..Counts::default() };
        let seconds =
            |before, span| RecoveryPoint::of(Some(&window(Some(before), span)), 0, &lost, [1, 0]).seconds;
        assert_eq!(seconds(76.0, 0.0), Some(76.0), "one lost write long before");
        assert_eq!(seconds(76.0, 90.0), Some(90.0), "the old Region went on for 14 seconds");
        assert_eq!(seconds(-5.0, 600.0), Some(600.0), "the old Region was not stopped");
        let none = RecoveryPoint::of(None, 0, &Counts::default(), [1, 0]);
        assert_eq!((none.seconds, none.against(0.0)), (Some(0.0), Kept::Within), "nothing was lost");
    }

    #[test]
    fn it_is_within_its_budget_only_where_nothing_could_make_it_longer() {
        let lost = Counts { missing: 1, ..Counts::default() };
        let doubt = Counts { undecided: [(Doubt::NoTime, 1)].into(), ..lost.clone() };
        let known = window(Some(30.0), 0.0);
        let kept = |point: RecoveryPoint| [point.against(60.0), point.against(20.0)];
        assert_eq!(kept(RecoveryPoint::of(Some(&known), 0, &lost, [1, 0])), [Kept::Within, Kept::Over]);
        for (unplaced, counts, tables) in [(1, &lost, [1, 0]), (0, &doubt, [1, 0]), (0, &lost, [1, 1])] {
            let point = RecoveryPoint::of(Some(&known), unplaced, counts, tables);
            assert_eq!(kept(point), [Kept::Unknown, Kept::Over], "{unplaced} {counts:?} {tables:?}");
        }
        let no_record = RecoveryPoint::of(Some(&window(None, 0.0)), 0, &lost, [1, 0]);
        assert_eq!(kept(no_record), [Kept::Unknown; 2], "there is no failover to measure to");
        assert_eq!(kept(RecoveryPoint::of(None, 1, &lost, [1, 0])), [Kept::Unknown; 2], "no time at all");
        let unseen = RecoveryPoint::of(None, 0, &Counts::default(), [0, 1]);
        assert_eq!(kept(unseen), [Kept::Unknown; 2], "nothing found in what was compared");
    }
}
