//! Reading a document's maps key by key, and noting what is wrong with them: where it is, and what to do.

use std::fmt;

use serde_json::{Map, Value};

use crate::references;

/// What is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, as it was named to [`crate::Document::parse`].
    pub file: String,
    /// Step, if it is in one.
    pub step: Option<String>,
    /// Path of the key, such as `inputs.Choices[0].NextStep`; may be empty.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(step) = &self.step {
            write!(f, ", step {step}")?;
        }
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A JSON map that is read key by key; what is left at the end is unknown. Collects problems.
pub(crate) struct Fields<'a> {
    file: &'a str,
    /// The step that this is in, by name.
    pub step: Option<String>,
    /// Path of this map in its step or document.
    pub prefix: String,
    /// What is not read yet.
    pub map: Map<String, Value>,
    problems: &'a mut Vec<Problem>,
    unsupported: &'a mut Vec<Problem>,
    /// Names of the document's variables, once they are read.
    pub variables: Vec<String>,
}

impl<'a> Fields<'a> {
    /// The keys of a whole document.
    pub fn new(
        file: &'a str,
        map: Map<String, Value>,
        problems: &'a mut Vec<Problem>,
        unsupported: &'a mut Vec<Problem>,
    ) -> Self {
        Self { file, step: None, prefix: String::new(), map, problems, unsupported, variables: Vec::new() }
    }
}

impl Fields<'_> {
    /// Names of the document's variables.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }

    /// Reports a problem at a key of this map, or with the map itself if `key` is empty.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message.into());
        self.problems.push(problem);
    }

    /// Reports what AWS supports and this crate does not.
    pub fn unsupported(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.at(key, message.into());
        self.unsupported.push(problem);
    }

    fn at(&self, key: &str, message: String) -> Problem {
        let separator = if self.prefix.is_empty() || key.is_empty() { "" } else { "." };
        let key = format!("{}{separator}{key}", self.prefix);
        Problem { file: self.file.to_owned(), step: self.step.clone(), key, message }
    }

    /// Takes a key's value; null is absence.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a key that has to be there.
    pub fn require(&mut self, key: &str) -> Option<Value> {
        let value = self.take(key);
        if value.is_none() {
            self.problem(key, "is missing");
        }
        value
    }

    /// Takes a text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.problem(key, format!("takes a text, not {other}"));
                None
            }
        }
    }

    /// Takes a text that has to be there.
    pub fn require_text(&mut self, key: &str) -> Option<String> {
        if !self.map.contains_key(key) {
            self.problem(key, "is missing");
        }
        self.text(key)
    }

    /// Takes `true` or `false`, also as a text, as AWS's JSON schema of documents has it.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        match self.take(key)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if ["true", "false"].contains(&text.as_str()) => Some(text == "true"),
            other => {
                self.problem(key, format!("takes true or false, not {other}"));
                None
            }
        }
    }

    /// Takes a whole number within bounds.
    pub fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.take(key)?;
        let number = value.as_u64().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.problem(key, format!("takes a whole number from {least} to {most}, not {value}"));
        }
        number
    }

    /// Takes a list; absence is an empty one.
    pub fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.problem(key, format!("takes a list, not {other}"));
                Vec::new()
            }
        }
    }

    /// Checks a literal with `check`; a text with a reference is checked when it is known.
    pub fn literal(&mut self, key: &str, value: &Value, check: impl FnOnce(&Value) -> Result<(), String>) {
        if references::names(value).is_empty()
            && let Err(message) = check(value)
        {
            self.problem(key, message);
        }
    }

    /// Descends into the map at `key`.
    pub fn inside(&mut self, key: &str, value: Value) -> Option<Fields<'_>> {
        let Value::Object(map) = value else {
            self.problem(key, format!("takes a map, not {value}"));
            return None;
        };
        let separator = if self.prefix.is_empty() { "" } else { "." };
        let prefix = format!("{}{separator}{key}", self.prefix);
        let (step, variables) = (self.step.clone(), self.variables.clone());
        let (problems, unsupported) = (&mut *self.problems, &mut *self.unsupported);
        Some(Fields { file: self.file, step, prefix, map, problems, unsupported, variables })
    }

    /// Accepts whatever is left.
    pub fn accept_rest(&mut self) {
        self.map.clear();
    }

    /// Reports what is left as unknown.
    pub fn finish(&mut self, of: &str) {
        for key in self.map.keys().cloned().collect::<Vec<_>>() {
            self.problem(&key, format!("is not a key of {of}"));
        }
    }
}
