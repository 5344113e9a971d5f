//! What a report has to say, worked out from the ledger alone: no step, no comparison and no sandbox has a part in it.
//!
//! Two primaries parted. What the old one took and the new one never got is lost; what both did to a row since is a conflict. The new
//! primary goes on while it is compared, so a row may be seen in any of the states that it has in that time.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::fleet::{Book, Parting, Rows, Taken, apply};

/// What a report may say of a row; nothing where it may leave it out.
pub const HARMLESS: &str = "";

/// What two primaries did since they parted.
pub struct Loss {
    base: Rows,
    old: Rows,
    /// The states that each row of the new primary had while it was compared.
    new: BTreeMap<u64, Vec<Option<String>>>,
}

impl Loss {
    /// Of a parting, seen by a comparison between two moments.
    pub fn new(parting: &Parting, old: &Book, new: &Book, (from, to): (Instant, Instant)) -> Self {
        let replay = |rows: &Rows, changes: &[Taken]| {
            let mut rows = rows.clone();
            changes.iter().for_each(|taken| apply(&mut rows, taken.change.clone()));
            rows
        };
        let base = replay(&old.before, &old.log[..parting.across.min(old.log.len())]);
        let seen = new.log.iter().filter(|taken| taken.at <= from).count();
        let mut states: BTreeMap<u64, Vec<Option<String>>> = replay(&base, &new.log[..seen])
            .into_iter()
            .map(|(number, text)| (number, vec![Some(text)]))
            .collect();
        for taken in new.log[seen..].iter().take_while(|taken| taken.at <= to) {
            let (number, text) = taken.change.clone();
            states.entry(number).or_insert_with(|| vec![None]).push(text);
        }
        Self { old: replay(&old.before, &old.log), base, new: states }
    }

    fn states(&self, number: u64) -> &[Option<String>] {
        self.new.get(&number).map_or(&[None], Vec::as_slice)
    }

    /// What may be said of each row of which something has to be said, or may be.
    pub fn allowed(&self) -> BTreeMap<u64, BTreeSet<&'static str>> {
        let numbers = self.old.keys().chain(self.base.keys()).chain(self.new.keys());
        let numbers: BTreeSet<u64> = numbers.copied().collect();
        let fates =
            |number: u64| self.states(number).iter().map(|new| self.fate(number, new.as_ref())).collect();
        numbers.iter().map(|number| (*number, fates(*number))).collect()
    }

    /// Whether a row is in the old primary, and was missing in the new one at some moment.
    pub fn may_be_missing(&self, number: u64) -> bool {
        self.old.contains_key(&number) && self.states(number).contains(&None)
    }

    /// The old primary's text of a row.
    pub fn old(&self, number: u64) -> Option<&String> {
        self.old.get(&number)
    }

    /// A row at the parting, in the old primary, and in the new one, for a person.
    pub fn told(&self, number: u64) -> String {
        let (base, old) = (self.base.get(&number), self.old.get(&number));
        format!(
            "at the parting {base:?}, in the old primary {old:?}, in the new one {:?}",
            self.states(number)
        )
    }

    /// How many rows were lost, changed or deleted without a trace at the parting itself.
    pub fn size(&self) -> usize {
        self.old.iter().filter(|(number, text)| self.base.get(number) != Some(text)).count()
            + self.base.keys().filter(|number| !self.old.contains_key(number)).count()
    }

    fn fate(&self, number: u64, new: Option<&String>) -> &'static str {
        let (old, base) = (self.old.get(&number), self.base.get(&number));
        match (old, new) {
            _ if old == new => HARMLESS,
            (Some(_), None) if base.is_none() => "missing",
            (Some(_), Some(_)) if base == new => "lost update",
            (None, Some(_)) if base == new => "lost delete",
            // The new primary's own doing.
            _ if base == old => HARMLESS,
            _ => "conflict",
        }
    }
}
