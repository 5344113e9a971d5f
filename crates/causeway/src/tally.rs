//! Who writes during a rehearsal, and how much they saw acknowledged so far: what the page and the numbers are made of.

use std::time::Duration;

/// What those who write are called, in sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// They: `customers`.
    pub who: &'static str,
    /// What they do: `order`.
    pub act: &'static str,
    /// What they do in a Region that breaks: `go on ordering`.
    pub goes_on: &'static str,
    /// What they see acknowledged, many of it: `orders`.
    pub many: &'static str,
    /// What they use: `the shop`.
    pub what: &'static str,
}

/// What the shop's customers are called.
pub const CUSTOMERS: Words =
    Words { who: "customers", act: "order", goes_on: "go on ordering", many: "orders", what: "the shop" };

impl Words {
    /// They, at the beginning of a sentence.
    pub fn they(&self) -> String {
        let mut letters = self.who.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

/// What was seen so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// Each acknowledged write: the Region, and when, since they started.
    pub accepted: Vec<(String, Duration)>,
    /// Answers that were errors.
    pub errors: usize,
}

impl Tally {
    /// The outage as they saw it: from the last write acknowledged by `old` to the first by `new`.
    pub fn outage(&self, old: &str, new: &str) -> Option<(Duration, Duration)> {
        Some((self.times(old).max()?, self.times(new).min()?))
    }

    /// When a Region acknowledged each of its writes.
    pub fn times<'a>(&'a self, region: &'a str) -> impl Iterator<Item = Duration> + 'a {
        self.accepted.iter().filter(move |(of, _)| of == region).map(|(_, at)| *at)
    }
}

/// Whoever knows what was seen.
pub trait Count: Send + Sync {
    /// What was seen so far.
    fn tally(&self) -> Tally;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_between_the_last_of_the_old_and_the_first_of_the_new() {
        let at = |region: &str, second| (region.to_owned(), Duration::from_secs(second));
        let tally = Tally { accepted: vec![at("e", 1), at("w", 9), at("e", 3), at("w", 7)], errors: 0 };
        assert_eq!(tally.outage("e", "w"), Some((Duration::from_secs(3), Duration::from_secs(7))));
        assert_eq!(tally.outage("e", "n"), None);
        assert_eq!(CUSTOMERS.they(), "Customers");
    }
}
