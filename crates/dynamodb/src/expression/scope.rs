//! What the placeholders of a request's expressions stand for.
//!
//! One scope serves all expressions of a request. It remembers which placeholders were used, since one that no expression
//! uses is an error.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::attribute::Attribute;
use crate::error::{Error, Result};

/// The names and values of a request.
#[derive(Debug, Default)]
pub struct Scope {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, Attribute>,
    used: RefCell<BTreeSet<String>>,
}

impl Scope {
    /// Reads `ExpressionAttributeNames` and `ExpressionAttributeValues` of a request, whose expressions are its members
    /// `expressions`.
    ///
    /// # Errors
    /// When there is no expression that could use them, or one is none.
    pub fn read(input: &Value, expressions: &[&str]) -> Result<Self> {
        let mut scope = Self::default();
        let any = expressions.iter().any(|member| !input[*member].is_null());
        for member in ["ExpressionAttributeNames", "ExpressionAttributeValues"] {
            let Some(given) = input.get(member).filter(|given| !given.is_null()) else { continue };
            let given = given.as_object().ok_or_else(|| {
                Error::new("SerializationException", format!("{member} takes an object, not {given}"))
            })?;
            if !any {
                let which = if member.ends_with("Values") && !expressions.is_empty() {
                    let verb = if expressions.len() == 1 { "is" } else { "are" };
                    format!(": {} {verb} null", expressions.join(" and "))
                } else {
                    String::new()
                };
                return Err(Error::validation(format!(
                    "{member} can only be specified when using expressions{which}"
                )));
            }
            if given.is_empty() {
                return Err(Error::validation(format!("{member} must not be empty")));
            }
            for (key, value) in given {
                scope.add(member, key, value)?;
            }
        }
        Ok(scope)
    }

    fn add(&mut self, member: &str, key: &str, value: &Value) -> Result<()> {
        let names = member.ends_with("Names");
        let rest = key.strip_prefix(if names { '#' } else { ':' }).unwrap_or_default();
        if rest.is_empty() || !rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Error::validation(format!(
                "{member} contains invalid key: Syntax error; key: \"{key}\""
            )));
        }
        if names {
            let name = value
                .as_str()
                .filter(|name| !name.is_empty())
                .ok_or_else(|| Error::validation(format!("{member} contains invalid value for key {key}")))?;
            self.names.insert(key.to_owned(), name.to_owned());
        } else {
            let value = Attribute::read(value).map_err(|mut error| {
                if error.code == "ValidationException" {
                    error.message =
                        format!("{member} contains invalid value: {} for key {key}", error.message);
                }
                error
            })?;
            self.values.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// What a `#name` stands for.
    pub fn name(&self, placeholder: &str) -> Option<&str> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.names.get(placeholder).map(String::as_str)
    }

    /// What a `:value` stands for.
    pub fn value(&self, placeholder: &str) -> Option<&Attribute> {
        self.used.borrow_mut().insert(placeholder.to_owned());
        self.values.get(placeholder)
    }

    /// Whether every placeholder was used.
    ///
    /// # Errors
    /// When one was not.
    pub fn all_used(&self) -> Result<()> {
        let used = self.used.borrow();
        let check = |member: &str, keys: Vec<&String>| {
            let unused: Vec<&str> =
                keys.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            if unused.is_empty() {
                return Ok(());
            }
            Err(Error::validation(format!(
                "Value provided in {member} unused in expressions: keys: {{{}}}",
                unused.join(", ")
            )))
        };
        check("ExpressionAttributeNames", self.names.keys().collect())?;
        check("ExpressionAttributeValues", self.values.keys().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_need_an_expression_a_key_and_a_value() {
        let read = |mut input: Value, expression: bool| {
            if expression {
                input["FilterExpression"] = json!("x");
            }
            Scope::read(&input, &["FilterExpression"]).map(drop).map_err(|error| error.message)
        };
        let names = json!({"ExpressionAttributeNames": {"#a": "b"}});
        assert_eq!(read(names.clone(), true), Ok(()));
        assert_eq!(
            read(names, false).unwrap_err(),
            "ExpressionAttributeNames can only be specified when using expressions"
        );
        assert_eq!(
            read(json!({"ExpressionAttributeValues": {":a": {"S": "b"}}}), false).unwrap_err(),
            "ExpressionAttributeValues can only be specified when using expressions: FilterExpression is null"
        );
        for (input, message) in [
            (json!({"ExpressionAttributeNames": {}}), "must not be empty"),
            (
                json!({"ExpressionAttributeNames": {"a": "b"}}),
                "contains invalid key: Syntax error; key: \"a\"",
            ),
            (json!({"ExpressionAttributeValues": {":a-b": {"S": "b"}}}), "contains invalid key"),
            (json!({"ExpressionAttributeValues": {":a": {"N": "b"}}}), "numeric value: b for key :a"),
        ] {
            let told = read(input, true).unwrap_err();
            assert!(told.contains(message), "{told}");
        }
    }

    #[test]
    fn one_that_is_not_used_is_told() {
        let input = json!({"FilterExpression": "x", "ExpressionAttributeNames": {"#a": "b", "#c": "d"}});
        let scope = Scope::read(&input, &["FilterExpression"]).unwrap();
        assert_eq!(scope.name("#a"), Some("b"));
        let message = scope.all_used().unwrap_err().message;
        assert_eq!(message, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#c}");
        assert_eq!(scope.name("#c"), Some("d"));
        assert!(scope.all_used().is_ok());
    }
}
