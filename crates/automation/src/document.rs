//! An Automation document (schema 0.3), as it is once it is read and checked.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::fields::Problem;
use crate::step::Step;
use crate::types::{Type, text};

/// A document that can't be run, with every reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct DocumentError(pub Vec<Problem>);

/// A checked document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its description.
    pub description: Option<String>,
    /// The role that its steps run as, with references to parameters.
    pub assume_role: Option<String>,
    /// What it takes.
    pub parameters: BTreeMap<String, Parameter>,
    /// Its variables, which `aws:updateVariable` sets.
    pub variables: BTreeMap<String, Parameter>,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// What it shows at the end: `step.Output`.
    pub outputs: Vec<String>,
    /// What AWS supports and this crate does not. A document with any of it can't be started.
    pub unsupported: Vec<Problem>,
    /// The text it was read from.
    pub text: String,
}

/// A parameter or a variable.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its type.
    pub r#type: Type,
    /// The name of its type as written, such as `AWS::IAM::Role::Arn`.
    pub type_name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its value when none is given. A parameter without one is required.
    pub default: Option<Value>,
    /// The only values it takes, if there are any here.
    pub allowed_values: Vec<Value>,
    /// What each text must match as a whole.
    pub allowed_pattern: Option<regex::Regex>,
    /// Fewest and most items of a list.
    pub items: (Option<u64>, Option<u64>),
    /// Fewest and most characters of a text.
    pub chars: (Option<u64>, Option<u64>),
}

impl Parameter {
    /// Checks a value of the right type.
    ///
    /// # Errors
    /// What it violates.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let single = std::slice::from_ref(value);
        let items = value.as_array().map_or(single, Vec::as_slice);
        if !self.allowed_values.is_empty()
            && !self.allowed_values.contains(value)
            && !items.iter().all(|item| self.allowed_values.contains(item))
        {
            let allowed = self.allowed_values.iter().map(text).collect::<Vec<_>>().join(", ");
            return Err(format!("`{}` is not one of {allowed}", text(value)));
        }
        let within = |(least, most): (Option<u64>, Option<u64>), count: usize| {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            least.is_none_or(|least| least <= count) && most.is_none_or(|most| count <= most)
        };
        if value.is_array() && !within(self.items, items.len()) {
            return Err(format!("{} items are not between minItems and maxItems", items.len()));
        }
        for item in items.iter().filter_map(Value::as_str) {
            if self.allowed_pattern.as_ref().is_some_and(|pattern| !pattern.is_match(item)) {
                return Err(format!("`{item}` does not match allowedPattern"));
            }
            if !within(self.chars, item.chars().count()) {
                return Err(format!("the length of `{item}` is not between minChars and maxChars"));
            }
        }
        Ok(())
    }
}

impl Document {
    /// The names a caller has to give a value for.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.parameters
            .iter()
            .filter(|(_, parameter)| parameter.default.is_none())
            .map(|(name, _)| name.as_str())
    }
}
