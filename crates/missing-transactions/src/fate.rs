//! What happened to a row: the decision table, where the state at the takeover does not tell, see [`crate::base`].
//!
//! A row is decided by the times of its versions and by what the failover's record makes of them, see
//! [`crate::times::Bounds`]. `came` is a version that both primaries had before the failover, `never` one of the old
//! primary that never came across, `there` one that the new primary wrote after the failover, `–` any other time, or
//! none. *Created* and *changed* are the two time columns of a table.
//!
//! **In the old primary only**
//!
//! | created | changed | fate |
//! |---|---|---|
//! | never | any | missing, proved |
//! | came | never | conflict: changed in the old, deleted in the new |
//! | – | never | missing, proved |
//! | came | came, – | undecided: lost or deleted |
//! | – | came | undecided: lost or deleted |
//! | – | – | missing, not proved |
//!
//! *Missing* is always a fact: the row is not there. *Proved* says that the old primary wrote it too late to come across,
//! so that a write is lost for certain. Not proved: it could have come across and been deleted in the new primary since,
//! and then nothing is lost. Where only the last write is known, a row that is proved may have been there in an earlier
//! form, and been deleted. No time makes a missing row harmless: a row that is written late with an old time looks
//! like one that was deleted since. So that stays undecided, and is listed.
//!
//! **In both, with different values**, the first line that fits
//!
//! | old | new | fate |
//! |---|---|---|
//! | created at another time | created there | conflict: two rows under one key |
//! | created at another time | otherwise created | undecided: times contradict |
//! | not changed at a known time, or so the new | | undecided: no time |
//! | changed at the same time | | undecided: same time |
//! | never, – | came, earlier | lost update |
//! | came | came, earlier | undecided: times contradict |
//! | any | came, later | undecided: times contradict |
//! | came | there | changed in the new only: nothing lost |
//! | never | there | conflict: changed in both |
//! | – | there | undecided: conflict, or nothing lost |
//! | came | –, later | changed in the new only: nothing lost |
//! | came | –, earlier | undecided: times contradict |
//! | never | – | undecided: lost update, or conflict |
//! | – | – | undecided: no record of the failover, or too near to it |
//!
//! The last write in the old primary is no proof that the new one did not write too: both may have. So who wrote last decides
//! nothing; what decides is which of the two wrote since they parted. Equal times of different rows show that a write did
//! not set the column.
//!
//! **In the new primary only**
//!
//! | created | changed | fate |
//! |---|---|---|
//! | there | any | written in the new |
//! | came | there | conflict: deleted in the old, changed in the new |
//! | came | came, none | lost delete |
//! | came | – | undecided: lost delete, or conflict |
//! | – | there | written in the new |
//! | none | came | lost delete |
//! | – | came | undecided: times contradict |
//! | – | – | undecided: no time, no record of the failover, or written or lost delete |
//!
//! *Written in the new* says who wrote the row last. Where no creation is known, the old primary may have deleted it before.
//!
//! **Without a time** a row takes what is known of the row it belongs to, for it was written with it or later: a row of
//! the old primary is undecided with its parent (lost or deleted), and proved missing with a parent that was created too
//! late to come across; a row that is only in the new primary is written there when it refers to one that was created
//! there after the failover.
//!
//! **Without a key** a changed row looks like one that is missing and one that is extra. So `never` makes a row of the old
//! primary missing, proved; `there` one of the new primary written there; `came` is undecided; the rest as above.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use table_diff::DifferenceKind;

use crate::times::{Bounds, New, Old, Times};

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is not in the new primary: a lost insert.
    Missing {
        /// Whether a write of it is lost for certain; else it could have been deleted there since.
        proved: bool,
    },
    /// The new primary has the version from before the old one's last change.
    LostUpdate,
    /// The old primary had deleted it, the new one still has it.
    LostDelete,
    /// Both wrote it since they parted.
    Conflict(Conflict),
    /// Only the new primary changed it: nothing lost.
    ChangedThere,
    /// The new primary wrote it, after the failover: nothing lost.
    WrittenThere,
    /// Only the new primary touched it, and deleted it: nothing lost.
    DeletedThere,
    /// Neither times nor record prove what happened.
    Undecided(Doubt),
}

/// How two primaries are in conflict over a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Conflict {
    /// Changed in both.
    ChangedInBoth,
    /// Two rows under one key: the new primary has given the key to another row.
    KeyTaken,
    /// Changed in the old primary, deleted in the new one.
    DeletedInNew,
    /// Deleted in the old primary, changed in the new one.
    DeletedInOld,
}

impl Conflict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ChangedInBoth => "changed in both",
            Self::KeyTaken => "two rows under one key",
            Self::DeletedInNew => "changed in the old, deleted in the new",
            Self::DeletedInOld => "deleted in the old, changed in the new",
        }
    }
}

/// Why nothing is proved of what happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Doubt {
    /// Not in the new primary, with a time long before the failover.
    LostOrDeleted,
    /// The new primary changed it; whether the old one did too is not known.
    ConflictOrNothing,
    /// The old primary's change is lost; whether the new one changed it too is not known.
    LostUpdateOrConflict,
    /// The old primary's delete is lost; whether the new one changed it too is not known.
    LostDeleteOrConflict,
    /// Only in the new primary, at a time too near to the failover.
    WrittenOrDeleted,
    /// Both versions are too near to the failover, or to each other.
    TooNear,
    /// The versions differ and carry the same time.
    SameTime,
    /// The times can't both be right.
    Contradiction,
    /// There is no time, or none that can be right.
    NoTime,
    /// Nothing is known of the failover's times.
    NoRecord,
    /// The table has no key, so that a change looks like two rows.
    NoKey,
    /// The new primary may have written it before the state at the takeover was kept, and the times prove nothing.
    LateBase,
}

impl Doubt {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LostOrDeleted => {
                "Not in the new primary, with a time from long before the failover: deleted there since, or written \
                 late with an old time."
            }
            Self::ConflictOrNothing => {
                "Changed in the new primary after the failover. Whether the old one's version had come across before \
                 is not known: a conflict, or nothing lost."
            }
            Self::LostUpdateOrConflict => {
                "The old primary's change is lost. Whether the new one changed the row too is not known."
            }
            Self::LostDeleteOrConflict => {
                "The old primary's delete is lost. Whether the new one changed the row too is not known."
            }
            Self::WrittenOrDeleted => {
                "Only in the new primary, written too near to the failover: written there, or deleted in the old \
                 primary and the delete was lost."
            }
            Self::TooNear => "Written too near to the failover to tell which primary changed it.",
            Self::SameTime => {
                "The versions differ but carry the same time: one of the writes did not set it, or both fell on the \
                 same moment."
            }
            Self::Contradiction => "The times of the two versions can't both be right.",
            Self::NoTime => "There is no time in the row, or none that can be right.",
            Self::NoRecord => "Nothing is known of the times of the failover.",
            Self::NoKey => {
                "The table has no key, so that a changed row looks like one missing and one extra."
            }
            Self::LateBase => {
                "The new primary may have written it before its state at the takeover was kept, and its times don't tell."
            }
        }
    }
}

impl Fate {
    /// One word or two, for lists and spreadsheets.
    pub fn word(self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::LostUpdate => "lost update",
            Self::LostDelete => "lost delete",
            Self::Conflict(_) => "conflict",
            Self::ChangedThere => "changed in the new only",
            Self::WrittenThere => "written in the new",
            Self::DeletedThere => "deleted in the new only",
            Self::Undecided(_) => "undecided",
        }
    }

    /// What the word leaves open; may be empty.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Missing { proved: true } => "proved: written too late to come across",
            Self::Missing { proved: false } => {
                "not proved: it could have been deleted in the new primary since"
            }
            Self::Conflict(conflict) => conflict.words(),
            Self::Undecided(doubt) => doubt.words(),
            _ => "",
        }
    }

    /// Whether nothing was lost, so that it is counted and not listed.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::ChangedThere | Self::WrittenThere | Self::DeletedThere)
    }
}

/// Decides. `keyed`: rows are known by a key.
pub fn decide(kind: DifferenceKind, keyed: bool, old: Times, new: Times, bounds: &Bounds) -> Fate {
    match kind {
        DifferenceKind::Missing => missing(keyed, bounds.of_old(old.created), bounds.of_old(old.changed)),
        DifferenceKind::Changed => changed(old, new, bounds),
        DifferenceKind::Extra => extra(keyed, bounds.of_new(new.created), bounds.of_new(new.changed), bounds),
    }
}

fn missing(keyed: bool, created: Old, changed: Old) -> Fate {
    match (created, changed) {
        (Old::NeverCame, _) => Fate::Missing { proved: true },
        (Old::CameAcross, Old::NeverCame) if keyed => Fate::Conflict(Conflict::DeletedInNew),
        (_, Old::NeverCame) => Fate::Missing { proved: true },
        (Old::CameAcross, _) | (_, Old::CameAcross) => {
            Fate::Undecided(if keyed { Doubt::LostOrDeleted } else { Doubt::NoKey })
        }
        (Old::None | Old::Unknown, Old::None | Old::Unknown) => Fate::Missing { proved: false },
    }
}

fn changed(old: Times, new: Times, bounds: &Bounds) -> Fate {
    let doubt = Fate::Undecided;
    if let (Some(first), Some(second)) = (old.created, new.created)
        && first != second
    {
        return match bounds.of_new(new.created) {
            New::WrittenThere => Fate::Conflict(Conflict::KeyTaken),
            _ => doubt(Doubt::Contradiction),
        };
    }
    let (Some(old), Some(new)): (Option<Timestamp>, Option<Timestamp>) = (old.changed, new.changed) else {
        return doubt(Doubt::NoTime);
    };
    if old == new {
        return doubt(Doubt::SameTime);
    }
    let new_is_later = new > old;
    match (bounds.of_old(Some(old)), bounds.of_new(Some(new))) {
        (_, New::CameAcross) if new_is_later => doubt(Doubt::Contradiction),
        (Old::CameAcross, New::CameAcross) => doubt(Doubt::Contradiction),
        (_, New::CameAcross) => Fate::LostUpdate,
        (Old::CameAcross, New::WrittenThere) => Fate::ChangedThere,
        (Old::NeverCame, New::WrittenThere) => Fate::Conflict(Conflict::ChangedInBoth),
        (_, New::WrittenThere) => doubt(Doubt::ConflictOrNothing),
        (Old::CameAcross, _) if new_is_later => Fate::ChangedThere,
        (Old::CameAcross, _) => doubt(Doubt::Contradiction),
        (Old::NeverCame, _) => doubt(Doubt::LostUpdateOrConflict),
        _ if bounds.are_unknown() => doubt(Doubt::NoRecord),
        _ => doubt(Doubt::TooNear),
    }
}

fn extra(keyed: bool, created: New, changed: New, bounds: &Bounds) -> Fate {
    let doubt = Fate::Undecided;
    match (created, changed) {
        (New::WrittenThere, _) => Fate::WrittenThere,
        (New::CameAcross, New::WrittenThere) if keyed => Fate::Conflict(Conflict::DeletedInOld),
        (_, New::WrittenThere) => Fate::WrittenThere,
        (New::CameAcross, _) | (_, New::CameAcross) if !keyed => doubt(Doubt::NoKey),
        (New::CameAcross, New::CameAcross | New::None) => Fate::LostDelete,
        (New::CameAcross, New::Unknown) => doubt(Doubt::LostDeleteOrConflict),
        (New::None, New::CameAcross) => Fate::LostDelete,
        (New::Unknown, New::CameAcross) => doubt(Doubt::Contradiction),
        (New::None, New::None) => doubt(Doubt::NoTime),
        _ if bounds.are_unknown() => doubt(Doubt::NoRecord),
        _ => doubt(Doubt::WrittenOrDeleted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{DatabaseFacts, Facts, Failover};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-25T{text}Z").parse().unwrap()
    }

    fn of(replicated: Option<&str>, started: Option<&str>) -> Bounds {
        let failover = started.map(|started| Failover {
            execution: String::new(),
            started_at: at(started),
            ended_at: Some(at("12:01:00")),
            outage: None,
            rto_seconds: None,
            steps: Vec::new(),
        });
        let database = DatabaseFacts { replicated_until: replicated.map(at), ..DatabaseFacts::default() };
        let facts = Facts { failover, databases: [("d".to_owned(), database)].into(), ..Facts::default() };
        Bounds::of(&facts, "d")
    }

    /// Replicated until 11:50, started at 12:00, ended at 12:01, with a margin of 5 s.
    fn bounds() -> Bounds {
        of(Some("11:50:05"), Some("12:00:00"))
    }

    /// A time of each meaning in the old primary, and in the new one. `""` is none.
    const OLD: [(&str, Old); 4] = [
        ("", Old::None),
        ("11:55:00", Old::Unknown),
        ("11:50:00", Old::CameAcross),
        ("12:01:06", Old::NeverCame),
    ];
    const NEW: [(&str, New); 4] = [
        ("", New::None),
        ("12:00:30", New::Unknown),
        ("11:59:00", New::CameAcross),
        ("12:01:06", New::WrittenThere),
    ];

    fn times(created: &str, changed: &str) -> Times {
        let time = |text: &str| (!text.is_empty()).then(|| at(text));
        Times { created: time(created), changed: time(changed), implausible: false }
    }

    #[test]
    fn the_times_of_these_tests_mean_what_they_are_to_mean() {
        for (text, meaning) in OLD {
            assert_eq!(bounds().of_old(times("", text).changed), meaning, "{text}");
        }
        for (text, meaning) in NEW {
            assert_eq!(bounds().of_new(times("", text).changed), meaning, "{text}");
        }
    }

    #[test]
    fn every_cell_of_a_row_in_the_old_primary_only() {
        let proved = Fate::Missing { proved: true };
        let missing = Fate::Missing { proved: false };
        let conflict = Fate::Conflict(Conflict::DeletedInNew);
        let doubt = Fate::Undecided(Doubt::LostOrDeleted);
        // Created down, changed across: none, unknown, came, never.
        let expected = [
            [missing, missing, doubt, proved],
            [missing, missing, doubt, proved],
            [doubt, doubt, doubt, conflict],
            [proved, proved, proved, proved],
        ];
        for (i, (created, _)) in OLD.iter().enumerate() {
            for (j, (changed, _)) in OLD.iter().enumerate() {
                let decide = |keyed| {
                    decide(
                        DifferenceKind::Missing,
                        keyed,
                        times(created, changed),
                        Times::default(),
                        &bounds(),
                    )
                };
                assert_eq!(decide(true), expected[i][j], "created {created:?}, changed {changed:?}");
                let without_key = match expected[i][j] {
                    Fate::Conflict(_) => proved,
                    Fate::Undecided(_) => Fate::Undecided(Doubt::NoKey),
                    other => other,
                };
                assert_eq!(decide(false), without_key, "no key, created {created:?}, changed {changed:?}");
            }
        }
    }

    #[test]
    fn every_cell_of_a_row_in_the_new_primary_only() {
        let conflict = Fate::Conflict(Conflict::DeletedInOld);
        let doubt = Fate::Undecided;
        let near = doubt(Doubt::WrittenOrDeleted);
        // Created down, changed across: none, unknown, came, there.
        let expected = [
            [doubt(Doubt::NoTime), near, Fate::LostDelete, Fate::WrittenThere],
            [near, near, doubt(Doubt::Contradiction), Fate::WrittenThere],
            [Fate::LostDelete, doubt(Doubt::LostDeleteOrConflict), Fate::LostDelete, conflict],
            [Fate::WrittenThere; 4],
        ];
        for (i, (created, c)) in NEW.iter().enumerate() {
            for (j, (changed, d)) in NEW.iter().enumerate() {
                let decide = |keyed| {
                    decide(DifferenceKind::Extra, keyed, Times::default(), times(created, changed), &bounds())
                };
                assert_eq!(decide(true), expected[i][j], "created {created:?}, changed {changed:?}");
                let without_key = if [c, d].contains(&&New::WrittenThere) {
                    Fate::WrittenThere
                } else if [c, d].contains(&&New::CameAcross) {
                    doubt(Doubt::NoKey)
                } else {
                    expected[i][j]
                };
                assert_eq!(decide(false), without_key, "no key, created {created:?}, changed {changed:?}");
            }
        }
    }

    #[test]
    fn every_cell_of_a_row_in_both() {
        let doubt = Fate::Undecided;
        let contradiction = doubt(Doubt::Contradiction);
        let both =
            |old: Times, new: Times, bounds: &Bounds| decide(DifferenceKind::Changed, true, old, new, bounds);
        let measured = of(Some("11:50:05"), None);
        let near = doubt(Doubt::TooNear);
        let lost = doubt(Doubt::LostUpdateOrConflict);
        let cases = [
            // Old: no meaning.
            (bounds(), "11:55:00", "11:40:00", Fate::LostUpdate),
            (bounds(), "11:55:00", "11:59:00", contradiction),
            (bounds(), "11:55:00", "12:00:30", near),
            (bounds(), "12:00:50", "12:00:30", near),
            (bounds(), "11:55:00", "12:01:06", doubt(Doubt::ConflictOrNothing)),
            // Old: came across.
            (bounds(), "11:50:00", "11:40:00", contradiction),
            (bounds(), "11:50:00", "11:55:00", contradiction),
            (bounds(), "11:50:00", "12:00:30", Fate::ChangedThere),
            (measured, "11:50:00", "11:40:00", contradiction),
            (bounds(), "11:50:00", "12:01:06", Fate::ChangedThere),
            // Old: never came. A new version that came across can't be later.
            (bounds(), "12:01:20", "11:59:00", Fate::LostUpdate),
            (bounds(), "12:01:20", "12:00:30", lost),
            (bounds(), "12:01:06", "12:01:20", Fate::Conflict(Conflict::ChangedInBoth)),
            (bounds(), "12:02:00", "12:01:06", Fate::Conflict(Conflict::ChangedInBoth)),
        ];
        for (bounds, old, new, expected) in cases {
            assert_eq!(both(times("", old), times("", new), &bounds), expected, "old {old}, new {new}");
        }

        let same = times("", "12:00:30");
        assert_eq!(both(same, same, &bounds()), doubt(Doubt::SameTime));
        for (old, new) in [("", "12:02:00"), ("12:02:00", ""), ("", "")] {
            assert_eq!(both(times("", old), times("", new), &bounds()), doubt(Doubt::NoTime));
        }
        assert_eq!(
            both(times("", "12:02:00"), times("", "12:03:00"), &Bounds::default()),
            doubt(Doubt::NoRecord)
        );

        // Two rows under one key, whatever their last writes.
        let taken = Fate::Conflict(Conflict::KeyTaken);
        for old in OLD {
            let old = if old.0.is_empty() { "11:30:00" } else { old.0 };
            assert_eq!(both(times(old, ""), times("12:02:00", "12:02:00"), &bounds()), taken, "{old}");
        }
        assert_eq!(both(times("11:00:00", ""), times("11:00:01", ""), &bounds()), contradiction);
        let one = times("11:00:00", "");
        assert_eq!(both(one, one, &bounds()), doubt(Doubt::NoTime), "a creation says nothing of updates");
    }

    #[test]
    fn without_a_record_nothing_is_decided_but_that_a_row_is_not_there() {
        let (old, new) = (times("11:00:00", "12:02:00"), times("11:00:00", "12:03:00"));
        let decide = |kind| decide(kind, true, old, new, &Bounds::default());
        assert_eq!(decide(DifferenceKind::Missing), Fate::Missing { proved: false });
        assert_eq!(decide(DifferenceKind::Changed), Fate::Undecided(Doubt::NoRecord));
        assert_eq!(decide(DifferenceKind::Extra), Fate::Undecided(Doubt::NoRecord));
    }
}
