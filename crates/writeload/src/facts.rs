//! What the values of one row have to be, from the conditions of its table: bounds, lists, lengths, NULL or not, patterns.
//!
//! Where a condition is met by either of several parts, one of them is chosen by chance for each row. What is not understood
//! gives no fact.

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::condition::{Comparison, Condition, Term};

/// What is known of the values of a row.
#[derive(Debug, Default, Clone)]
pub(crate) struct Facts {
    pub(crate) columns: BTreeMap<String, ColumnFacts>,
    /// The first is less than the second.
    pub(crate) less: Vec<(String, String)>,
    /// They are equal.
    pub(crate) equal: Vec<(String, String)>,
}

/// What is known of a value.
#[derive(Debug, Default, Clone)]
pub(crate) struct ColumnFacts {
    /// It has to be NULL, or may not be.
    pub(crate) null: Option<bool>,
    pub(crate) at_least: Option<f64>,
    pub(crate) at_most: Option<f64>,
    /// As [`Self::at_least`], without the bound itself.
    pub(crate) more_than: Option<f64>,
    pub(crate) less_than: Option<f64>,
    pub(crate) one_of: Option<Vec<String>>,
    pub(crate) none_of: Vec<String>,
    pub(crate) shortest: Option<u32>,
    pub(crate) longest: Option<u32>,
    pub(crate) pattern: Option<String>,
    /// What its JSON has to be: `object`, `array`, or anything.
    pub(crate) json: Option<String>,
}

/// Functions that say how long a text is.
const LENGTHS: [&str; 5] = ["length", "char_length", "character_length", "octet_length", "octetlength"];
/// Functions whose result is the text itself, for texts that are simple enough.
const SAME: [&str; 6] = ["lower", "btrim", "trim", "rtrim", "coalesce", "ifnull"];

impl Facts {
    /// Of conditions, with what is a matter of choice chosen.
    pub(crate) fn choose<'a>(random: &mut StdRng, conditions: impl Iterator<Item = &'a Condition>) -> Self {
        let mut facts = Self::default();
        for condition in conditions {
            facts.add(random, condition, true);
        }
        facts
    }

    /// What is known of a column.
    pub(crate) fn of(&self, column: &str) -> ColumnFacts {
        self.columns.get(column).cloned().unwrap_or_default()
    }

    fn column(&mut self, name: &str) -> &mut ColumnFacts {
        self.columns.entry(name.to_owned()).or_default()
    }

    /// Adds what follows from a condition that holds, or that does not.
    fn add(&mut self, random: &mut StdRng, condition: &Condition, holds: bool) {
        match (condition, holds) {
            (Condition::All(parts), true) | (Condition::Any(parts), false) => {
                parts.iter().for_each(|part| self.add(random, part, holds));
            }
            (Condition::Any(parts), true) | (Condition::All(parts), false) => {
                let chosen = random.random_range(0..parts.len());
                self.add(random, &parts[chosen], holds);
            }
            (Condition::Not(inside), _) => self.add(random, inside, !holds),
            (Condition::Null(Term::Column(name), null), _) => self.column(name).null = Some(*null == holds),
            (Condition::In(term, values, one_of), _) => {
                let Some(name) = same(term) else { return };
                let texts = values.iter().filter_map(|value| match value {
                    Term::Constant(text) => Some(text.clone()),
                    _ => None,
                });
                let texts: Vec<String> = texts.collect();
                if *one_of == holds {
                    self.column(name).one_of = Some(texts);
                } else {
                    self.column(name).none_of.extend(texts);
                }
            }
            (Condition::Matches(term, pattern), true) => {
                if let Some(name) = same(term) {
                    self.column(name).pattern = Some(pattern.clone());
                }
            }
            (Condition::Truth(Term::Column(name)), _) => {
                self.column(name).one_of = Some(vec![if holds { "true" } else { "false" }.to_owned()]);
            }
            (Condition::Truth(Term::Call(function, arguments)), true) => self.call(function, arguments),
            (Condition::Compare(left, comparison, right), _) => {
                let comparison = if holds { *comparison } else { comparison.opposite() };
                self.compare(left, comparison, right);
                if matches!(left, Term::Constant(_)) {
                    self.compare(right, comparison.turned(), left);
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, function: &str, arguments: &[Term]) {
        match (function, arguments) {
            ("json_valid", [Term::Column(name)]) => {
                let json = &mut self.column(name).json;
                json.get_or_insert_with(|| "any".to_owned());
            }
            ("regexp_like" | "regexp_instr", [term, Term::Constant(pattern), ..]) => {
                if let Some(name) = same(term) {
                    self.column(name).pattern = Some(pattern.clone());
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, left: &Term, comparison: Comparison, right: &Term) {
        match (left, right) {
            (Term::Column(left), Term::Column(right)) => match comparison {
                Comparison::Less | Comparison::AtMost => self.less.push((left.clone(), right.clone())),
                Comparison::More | Comparison::AtLeast => self.less.push((right.clone(), left.clone())),
                Comparison::Equal => self.equal.push((left.clone(), right.clone())),
                Comparison::Differs => {}
            },
            (Term::Call(function, arguments), Term::Constant(text)) => {
                let (Some(inside), function) = (arguments.first(), function.as_str()) else { return };
                let Term::Column(name) = unwrapped(inside) else { return };
                if LENGTHS.contains(&function) {
                    let Ok(length) = text.parse::<u32>() else { return };
                    let facts = self.column(name);
                    match comparison {
                        Comparison::Equal => (facts.shortest, facts.longest) = (Some(length), Some(length)),
                        Comparison::Less => facts.longest = Some(length.saturating_sub(1)),
                        Comparison::AtMost => facts.longest = Some(length),
                        Comparison::More => facts.shortest = Some(length + 1),
                        Comparison::AtLeast => facts.shortest = Some(length),
                        Comparison::Differs => facts.shortest = facts.shortest.max(Some(1)),
                    }
                } else if ["jsonb_typeof", "json_typeof", "json_type"].contains(&function)
                    && comparison == Comparison::Equal
                {
                    self.column(name).json = Some(text.to_lowercase());
                } else if SAME.contains(&function) {
                    let name = name.clone();
                    self.constant(&name, comparison, text);
                }
            }
            (Term::Column(name), Term::Constant(text)) => self.constant(name, comparison, text),
            _ => {}
        }
    }

    fn constant(&mut self, name: &str, comparison: Comparison, text: &str) {
        let facts = self.column(name);
        let rank = rank(text);
        match comparison {
            Comparison::Equal => facts.one_of = Some(vec![text.to_owned()]),
            Comparison::Differs => facts.none_of.push(text.to_owned()),
            Comparison::Less => facts.less_than = least(facts.less_than, rank),
            Comparison::AtMost => facts.at_most = least(facts.at_most, rank),
            Comparison::More => facts.more_than = most(facts.more_than, rank),
            Comparison::AtLeast => facts.at_least = most(facts.at_least, rank),
        }
    }
}

impl ColumnFacts {
    /// The bounds, inclusive, of numbers that are `step` apart.
    pub(crate) fn bounds(&self, step: f64) -> (Option<f64>, Option<f64>) {
        let low = most(self.at_least, self.more_than.map(|bound| bound + step));
        let high = least(self.at_most, self.less_than.map(|bound| bound - step));
        (low, high)
    }
}

fn least(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).min_by(f64::total_cmp)
}

fn most(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).max_by(f64::total_cmp)
}

/// The column that a term is, or is to simple texts.
fn same(term: &Term) -> Option<&str> {
    match unwrapped(term) {
        Term::Column(name) => Some(name),
        _ => None,
    }
}

fn unwrapped(term: &Term) -> &Term {
    match term {
        Term::Call(function, arguments) if SAME.contains(&function.as_str()) => {
            arguments.first().map_or(term, unwrapped)
        }
        other => other,
    }
}

/// A number, or a moment as its seconds since 1970, to be compared with others of its kind.
pub(crate) fn rank(text: &str) -> Option<f64> {
    if let Ok(number) = text.parse::<f64>() {
        return Some(number);
    }
    let text = text.trim().replacen(' ', "T", 1);
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let civil = text.parse::<jiff::civil::DateTime>().ok();
        let civil = civil.or_else(|| Some(text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0)));
        civil?.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    });
    moment.map(|moment| moment.as_duration().as_secs_f64())
}
