//! Conditions of `aws:branch` and `aws:loop`: a variable and an operation, combined by `And`, `Or`, `Not`.

use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::references::resolve;
use crate::types::{boolean, text};

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them.
    And(Vec<Condition>),
    /// Any of them.
    Or(Vec<Condition>),
    /// Not this one.
    Not(Box<Condition>),
    /// One comparison; both sides may hold references.
    Test {
        /// What is looked at.
        variable: Value,
        /// How.
        operation: Operation,
        /// What it is compared to.
        operand: Value,
    },
}

/// An operation, as AWS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are AWS's and say it all")]
pub enum Operation {
    StringEquals,
    EqualsIgnoreCase,
    StartsWith,
    EndsWith,
    Contains,
    NumericEquals,
    NumericGreater,
    NumericLesser,
    NumericGreaterOrEquals,
    NumericLesserOrEquals,
    BooleanEquals,
}

const OPERATIONS: [(&str, Operation); 11] = [
    ("StringEquals", Operation::StringEquals),
    ("EqualsIgnoreCase", Operation::EqualsIgnoreCase),
    ("StartsWith", Operation::StartsWith),
    ("EndsWith", Operation::EndsWith),
    ("Contains", Operation::Contains),
    ("NumericEquals", Operation::NumericEquals),
    ("NumericGreater", Operation::NumericGreater),
    ("NumericLesser", Operation::NumericLesser),
    ("NumericGreaterOrEquals", Operation::NumericGreaterOrEquals),
    ("NumericLesserOrEquals", Operation::NumericLesserOrEquals),
    ("BooleanEquals", Operation::BooleanEquals),
];

impl Condition {
    /// Takes the condition's keys out of `fields`; other keys stay there for the caller. Problems are reported there.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut found = Vec::new();
        for (key, combine) in [("And", Self::And as fn(Vec<Self>) -> Self), ("Or", Self::Or)] {
            if let Some(list) = fields.take(key) {
                let Value::Array(items) = list else {
                    fields.problem(key, "takes a list of conditions");
                    continue;
                };
                let read = items
                    .into_iter()
                    .enumerate()
                    .filter_map(|(index, item)| Self::nested(fields, &format!("{key}[{index}]"), item))
                    .collect();
                found.push(combine(read));
            }
        }
        if let Some(negated) = fields.take("Not")
            && let Some(condition) = Self::nested(fields, "Not", negated)
        {
            found.push(Self::Not(Box::new(condition)));
        }
        if let Some(variable) = fields.take("Variable") {
            let operations: Vec<_> = OPERATIONS
                .iter()
                .filter_map(|(name, operation)| fields.take(name).map(|operand| (*operation, operand)))
                .collect();
            match <[_; 1]>::try_from(operations) {
                Ok([(operation, operand)]) => found.push(Self::Test { variable, operation, operand }),
                Err(several) => {
                    let known = OPERATIONS.map(|(name, _)| name).join(", ");
                    fields.problem(
                        "Variable",
                        format!(
                            "needs exactly one operation beside it, of {known}; there are {}",
                            several.len()
                        ),
                    );
                    return None;
                }
            }
        }
        match <[_; 1]>::try_from(found) {
            Ok([condition]) => Some(condition),
            Err(several) => {
                fields.problem(
                    "",
                    format!("needs exactly one of Variable, And, Or, Not; there are {}", several.len()),
                );
                None
            }
        }
    }

    fn nested(fields: &mut Fields<'_>, key: &str, value: Value) -> Option<Self> {
        let mut inner = fields.inside(key, value)?;
        let condition = Self::read(&mut inner);
        inner.finish("a condition");
        condition
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// A comparison of numbers or Booleans with something else. AWS doesn't document this; an error is the strict
    /// reading.
    pub fn holds(&self, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<bool, String> {
        Ok(match self {
            Self::And(all) => {
                for one in all {
                    if !one.holds(lookup)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::Or(any) => {
                for one in any {
                    if one.holds(lookup)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Not(one) => !one.holds(lookup)?,
            Self::Test { variable, operation, operand } => {
                compare(&resolve(variable, lookup), *operation, &resolve(operand, lookup))?
            }
        })
    }
}

fn compare(left: &Value, operation: Operation, right: &Value) -> Result<bool, String> {
    let (a, b) = (text(left), text(right));
    let numbers = || -> Result<(f64, f64), String> {
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| format!("`{text}` is not a number"));
        Ok((number(&a)?, number(&b)?))
    };
    Ok(match operation {
        Operation::StringEquals => a == b,
        Operation::EqualsIgnoreCase => a.to_lowercase() == b.to_lowercase(),
        Operation::StartsWith => a.starts_with(&b),
        Operation::EndsWith => a.ends_with(&b),
        Operation::Contains => match left {
            Value::Array(items) => items.iter().any(|item| text(item) == b),
            _ => a.contains(&b),
        },
        #[expect(clippy::float_cmp, reason = "equality is what the operation asks for")]
        Operation::NumericEquals => numbers().map(|(a, b)| a == b)?,
        Operation::NumericGreater => numbers().map(|(a, b)| a > b)?,
        Operation::NumericLesser => numbers().map(|(a, b)| a < b)?,
        Operation::NumericGreaterOrEquals => numbers().map(|(a, b)| a >= b)?,
        Operation::NumericLesserOrEquals => numbers().map(|(a, b)| a <= b)?,
        Operation::BooleanEquals => {
            let read =
                |text: &str| boolean(text).ok_or_else(|| format!("`{text}` is neither true nor false"));
            read(&a)? == read(&b)?
        }
    })
}

/// A map's values that hold references, of a condition as it was written.
pub(crate) fn references(condition: &Condition) -> Vec<String> {
    match condition {
        Condition::And(many) | Condition::Or(many) => many.iter().flat_map(references).collect(),
        Condition::Not(one) => references(one),
        Condition::Test { variable, operand, .. } => {
            let both =
                Map::from_iter([("a".to_owned(), variable.clone()), ("b".to_owned(), operand.clone())]);
            crate::references::names(&Value::Object(both))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn compares_as_each_operation_says() {
        let cases = [
            (json!("a"), "StringEquals", json!("a"), Ok(true)),
            (json!("a"), "StringEquals", json!("A"), Ok(false)),
            (json!(5), "StringEquals", json!("5"), Ok(true)),
            (json!("a"), "EqualsIgnoreCase", json!("A"), Ok(true)),
            (json!("abc"), "StartsWith", json!("ab"), Ok(true)),
            (json!("abc"), "EndsWith", json!("bc"), Ok(true)),
            (json!("abc"), "Contains", json!("d"), Ok(false)),
            (json!(["x", "y"]), "Contains", json!("y"), Ok(true)),
            (json!("10"), "NumericGreater", json!(9), Ok(true)),
            (json!(9), "NumericLesser", json!(9), Ok(false)),
            (json!(9), "NumericGreaterOrEquals", json!(9), Ok(true)),
            (json!(9), "NumericLesserOrEquals", json!("9.0"), Ok(true)),
            (json!(9), "NumericEquals", json!(9.5), Ok(false)),
            (json!("x"), "NumericEquals", json!(1), Err("`x` is not a number".to_owned())),
            (json!("True"), "BooleanEquals", json!(true), Ok(true)),
            (json!(false), "BooleanEquals", json!("true"), Ok(false)),
            (
                json!("{{ s.o }}"),
                "BooleanEquals",
                json!(true),
                Err("`{{ s.o }}` is neither true nor false".to_owned()),
            ),
        ];
        for (left, name, right, expected) in cases {
            let operation = OPERATIONS.iter().find(|(known, _)| *known == name).unwrap().1;
            assert_eq!(compare(&left, operation, &right), expected, "{left} {name} {right}");
        }
    }
}
