//! What the state at the takeover proves: the new primary as it was when it took over, the *base* of a three-way comparison
//! ([`table_diff::Base`]). What a primary has and the base has not, that primary wrote since; no time is needed for that.
//!
//! | | the base has no such row | it has the old primary's | it has the new primary's | it has another |
//! |---|---|---|---|---|
//! | in the old only | missing | deleted in the new only | | conflict: changed in the old, deleted in the new |
//! | in both | conflict: two rows under one key | changed in the new only | lost update | conflict: changed in both |
//! | in the new only | written in the new | | lost delete | conflict: deleted in the old, changed in the new |
//!
//! # A base that came late
//! When the new primary may have taken writes before its snapshot was, the base may have some of them. Where the base agrees
//! with the old primary, or has no row that the new one has, that makes no difference: the new primary has written since. A
//! version in the base that is older than the takeover, by the time of its last write, is none of them. Every other row is decided
//! by times, as if there were no base ([`crate::fate`]), and is in doubt ([`Doubt::LateBase`]) where those prove nothing.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use table_diff::{Base, DifferenceKind};

use crate::fate::{Conflict, Doubt, Fate};
use crate::times::TakeoverState;

/// What a fate rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Basis {
    /// The state at the takeover.
    Takeover,
    /// The times of the rows and of the failover.
    #[default]
    Times,
}

impl Basis {
    pub(crate) fn is_times(&self) -> bool {
        *self == Self::Times
    }
}

/// What happened to a row, and how that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What happened.
    pub fate: Fate,
    /// What that rests on.
    pub basis: Basis,
}

impl Verdict {
    /// How sure it is, in words; empty where the fate says it all.
    pub fn surety(self) -> String {
        let detail = self.fate.detail();
        match (self.basis, self.fate) {
            (_, Fate::Undecided(_)) => detail.to_owned(),
            (Basis::Takeover, Fate::Conflict(_)) => format!("{detail}; {PROVED}"),
            (Basis::Takeover, _) => PROVED.to_owned(),
            (Basis::Times, Fate::Missing { proved: false }) => detail.to_owned(),
            (Basis::Times, _) if detail.is_empty() => INFERRED.to_owned(),
            (Basis::Times, _) => format!("{detail}; {INFERRED}"),
        }
    }
}

const PROVED: &str = "proved by the state at the takeover";
const INFERRED: &str = "inferred from times";

/// What the base says of a row.
pub(crate) enum Said {
    /// Its fate.
    Proved(Fate),
    /// Nothing that is sure, for it came late.
    Late,
}

/// Asks the base. `written` is when the version that it has was written last, where that is known.
pub(crate) fn ask(
    kind: DifferenceKind,
    base: &Base,
    state: TakeoverState,
    written: Option<Timestamp>,
) -> Said {
    let is_sure = match (state, base) {
        (TakeoverState::InTime, _) | (_, Base::Source) => true,
        (_, Base::Absent) => kind == DifferenceKind::Extra,
        (TakeoverState::Late(Some(from)), Base::Target | Base::Other(_)) => {
            written.is_some_and(|written| written < from)
        }
        _ => false,
    };
    if is_sure { Said::Proved(fate(kind, base)) } else { Said::Late }
}

fn fate(kind: DifferenceKind, base: &Base) -> Fate {
    match (kind, base) {
        (DifferenceKind::Missing, Base::Absent) => Fate::Missing { proved: true },
        (DifferenceKind::Missing, Base::Source) => Fate::DeletedThere,
        (DifferenceKind::Missing, Base::Target | Base::Other(_)) => Fate::Conflict(Conflict::DeletedInNew),
        (DifferenceKind::Changed, Base::Absent) => Fate::Conflict(Conflict::KeyTaken),
        (DifferenceKind::Changed, Base::Source) => Fate::ChangedThere,
        (DifferenceKind::Changed, Base::Target) => Fate::LostUpdate,
        (DifferenceKind::Changed, Base::Other(_)) => Fate::Conflict(Conflict::ChangedInBoth),
        (DifferenceKind::Extra, Base::Absent) => Fate::WrittenThere,
        (DifferenceKind::Extra, Base::Target) => Fate::LostDelete,
        (DifferenceKind::Extra, Base::Source | Base::Other(_)) => Fate::Conflict(Conflict::DeletedInOld),
    }
}

/// What is decided by times where the base came late. A row that is not there is in doubt as it is without a base: with the
/// transaction that it belongs to.
pub(crate) fn in_doubt(fate: Fate) -> Fate {
    match fate {
        Fate::Undecided(Doubt::LostOrDeleted) => fate,
        Fate::Undecided(_) => Fate::Undecided(Doubt::LateBase),
        fate => fate,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    const KINDS: [DifferenceKind; 3] =
        [DifferenceKind::Missing, DifferenceKind::Changed, DifferenceKind::Extra];

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(1_764_072_000 + second).unwrap())
    }

    fn asked(
        kind: DifferenceKind,
        base: &Base,
        state: TakeoverState,
        written: Option<Timestamp>,
    ) -> Option<Fate> {
        match ask(kind, base, state, written) {
            Said::Proved(fate) => Some(fate),
            Said::Late => None,
        }
    }

    /// Every history of one row, from no row or one of two versions, on both sides: what each wrote since is told.
    #[test]
    fn what_each_primary_wrote_since_is_told() {
        let versions = [None, Some(1), Some(2), Some(3)];
        for base in versions {
            for old in versions {
                for new in versions {
                    let kind = match (old, new) {
                        (Some(_), None) => DifferenceKind::Missing,
                        (None, Some(_)) => DifferenceKind::Extra,
                        (Some(old), Some(new)) if old != new => DifferenceKind::Changed,
                        _ => continue,
                    };
                    let said = match base {
                        None => Base::Absent,
                        base if base == old => Base::Source,
                        base if base == new => Base::Target,
                        Some(_) => Base::Other(Map::new()),
                    };
                    let fate = asked(kind, &said, TakeoverState::InTime, None).unwrap();
                    let (by_old, by_new) = (old != base, new != base);
                    let expected = match fate {
                        Fate::Missing { proved } => proved && by_old && !by_new,
                        Fate::LostUpdate | Fate::LostDelete => by_old && !by_new,
                        Fate::Conflict(_) => by_old && by_new,
                        Fate::ChangedThere | Fate::WrittenThere | Fate::DeletedThere => !by_old && by_new,
                        Fate::Undecided(_) => false,
                    };
                    assert!(expected, "{base:?}: {old:?} and {new:?} are {fate:?}");
                }
            }
        }
    }

    #[test]
    fn a_late_base_proves_only_what_no_write_of_the_new_primary_can_have_made() {
        let late = TakeoverState::Late(at(10));
        for kind in KINDS {
            for (base, sure) in [
                (Base::Absent, kind == DifferenceKind::Extra),
                (Base::Source, true),
                (Base::Target, false),
                (Base::Other(Map::new()), false),
            ] {
                for state in [late, TakeoverState::Late(None), TakeoverState::Unknown] {
                    assert_eq!(
                        asked(kind, &base, state, None).is_some(),
                        sure,
                        "{kind:?} {base:?} {state:?}"
                    );
                    assert_eq!(asked(kind, &base, state, at(10)).is_some(), sure, "{kind:?} {base:?}");
                }
                let is_version = matches!(base, Base::Target | Base::Other(_));
                assert_eq!(
                    asked(kind, &base, late, at(9)).is_some(),
                    sure || is_version,
                    "{kind:?} {base:?}"
                );
            }
        }
    }
}
