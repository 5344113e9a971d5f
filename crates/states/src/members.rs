//! Reading a definition's objects member by member, and noting what is wrong with them: where it is, and what is supported.

use std::fmt;

use serde_json::{Map, Value};

/// What is wrong in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the member, such as `States.Compare.ItemReader.Resource`.
    pub place: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

/// A place in a definition, where problems are noted.
pub(crate) struct Place<'a> {
    at: String,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Place<'a> {
    /// A place; an empty one is the whole definition.
    pub fn new(at: &str, problems: &'a mut Vec<Problem>) -> Self {
        Self { at: at.to_owned(), problems }
    }

    /// A member of what is here.
    pub fn inside(&mut self, member: &str) -> Place<'_> {
        let separator = if self.at.is_empty() { "" } else { "." };
        Place { at: format!("{}{separator}{member}", self.at), problems: self.problems }
    }

    /// An item of what is here.
    pub fn item(&mut self, index: usize) -> Place<'_> {
        Place { at: format!("{}[{index}]", self.at), problems: self.problems }
    }

    /// Notes what is wrong here.
    pub fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem { place: self.at.clone(), message: message.into() });
    }

    /// The members of an object that is here; `None`, and a problem, when it is none.
    pub fn members(&mut self, value: Value) -> Option<Members<'_>> {
        match value {
            Value::Object(map) => {
                let place = Place { at: self.at.clone(), problems: self.problems };
                Some(Members { place, map, known: Vec::new() })
            }
            other => {
                self.problem(format!("takes an object, not {other}"));
                None
            }
        }
    }
}

/// An object that is read member by member; what is left at the end is not supported.
pub(crate) struct Members<'a> {
    /// Where it is.
    pub place: Place<'a>,
    map: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Members<'_> {
    /// Notes what is wrong with a member.
    pub fn problem(&mut self, member: &str, message: impl Into<String>) {
        self.place.inside(member).problem(message);
    }

    /// Takes a member. A null is a value: it means something for the paths.
    pub fn take(&mut self, member: &'static str) -> Option<Value> {
        self.known.push(member);
        self.map.remove(member)
    }

    /// Takes a member that has to be there.
    pub fn require(&mut self, member: &'static str) -> Option<Value> {
        let value = self.take(member);
        if value.is_none() {
            self.problem(member, "is missing");
        }
        value
    }

    /// Takes a text.
    pub fn text(&mut self, member: &'static str) -> Option<String> {
        match self.take(member)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(member, format!("takes a text, not {other}"));
                None
            }
        }
    }

    /// Takes a text that has to be there.
    pub fn require_text(&mut self, member: &'static str) -> Option<String> {
        if !self.map.contains_key(member) {
            self.problem(member, "is missing");
        }
        self.text(member)
    }

    /// Takes `true` or `false`.
    pub fn flag(&mut self, member: &'static str) -> Option<bool> {
        match self.take(member)? {
            Value::Bool(flag) => Some(flag),
            other => {
                self.problem(member, format!("takes true or false, not {other}"));
                None
            }
        }
    }

    /// Takes a whole number from `least` to `most`.
    pub fn number(&mut self, member: &'static str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(member)?;
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.problem(member, format!("takes a whole number from {least} to {most}, not {value}"));
        }
        number
    }

    /// Takes a list that has to be there and has items.
    pub fn items(&mut self, member: &'static str) -> Vec<Value> {
        match self.require(member) {
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(other) => {
                self.problem(member, format!("takes a list with items, not {other}"));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// Whether a member is there and not taken yet.
    pub fn has(&self, member: &str) -> bool {
        self.map.contains_key(member)
    }

    /// Notes what was not taken. `what` names the object, such as `a Task`.
    pub fn finish(mut self, what: &str) {
        let left: Vec<String> = self.map.keys().cloned().collect();
        for member in left {
            let known = self.known.join(", ");
            self.problem(&member, format!("is not supported: {what} takes {known}"));
        }
    }
}
