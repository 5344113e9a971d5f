//! Reads the members of a request.
//!
//! A member that is not known is refused, since to ignore it would be to answer another question than the one that was asked.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Parameters of before there were expressions.
const LEGACY: [&str; 7] = [
    "AttributeUpdates",
    "AttributesToGet",
    "ConditionalOperator",
    "Expected",
    "KeyConditions",
    "QueryFilter",
    "ScanFilter",
];

/// Whether a request has these members only.
///
/// # Errors
/// When it has others, or is no object.
pub fn known(input: &Value, members: &[&str]) -> Result<()> {
    let all = input.as_object().ok_or_else(|| wrong_type("a request", "an object", input))?;
    for (member, _) in all.iter().filter(|(_, value)| !value.is_null()) {
        if LEGACY.contains(&member.as_str()) {
            return Err(Error::unsupported(format!("the legacy parameter {member}")));
        }
        if !members.contains(&member.as_str()) {
            return Err(Error::unsupported(format!("the parameter {member}")));
        }
    }
    Ok(())
}

/// A member; `None` when it is not there, or null.
pub fn member<'a>(input: &'a Value, name: &str) -> Option<&'a Value> {
    input.get(name).filter(|value| !value.is_null())
}

/// A member that has to be there.
///
/// # Errors
/// When it is not.
pub fn required<'a>(input: &'a Value, name: &str) -> Result<&'a Value> {
    member(input, name).ok_or_else(|| constraint("null", name, "Member must not be null"))
}

/// A text.
///
/// # Errors
/// When it is no text.
pub fn text<'a>(input: &'a Value, name: &str) -> Result<Option<&'a str>> {
    member(input, name)
        .map(|value| value.as_str().ok_or_else(|| wrong_type(name, "a string", value)))
        .transpose()
}

/// A list.
///
/// # Errors
/// When it is no list.
pub fn list<'a>(input: &'a Value, name: &str) -> Result<Option<&'a Vec<Value>>> {
    member(input, name)
        .map(|value| value.as_array().ok_or_else(|| wrong_type(name, "a list", value)))
        .transpose()
}

/// An object.
///
/// # Errors
/// When it is none, or missing.
pub fn object<'a>(input: &'a Value, name: &str) -> Result<&'a Map<String, Value>> {
    let value = required(input, name)?;
    value.as_object().ok_or_else(|| wrong_type(name, "an object", value))
}

/// A boolean, false unless it is there.
///
/// # Errors
/// When it is no boolean.
pub fn boolean(input: &Value, name: &str) -> Result<bool> {
    let given = member(input, name);
    given.map_or(Ok(false), |value| value.as_bool().ok_or_else(|| wrong_type(name, "a boolean", value)))
}

/// A whole number from `least` to `most`.
///
/// # Errors
/// When it is none.
pub fn number(input: &Value, name: &str, least: u64, most: u64) -> Result<Option<u64>> {
    let Some(value) = member(input, name) else { return Ok(None) };
    let number = value.as_i64().ok_or_else(|| wrong_type(name, "a whole number", value))?;
    match u64::try_from(number).ok().filter(|number| *number >= least) {
        None => {
            let rule = format!("Member must have value greater than or equal to {least}");
            Err(constraint(&format!("'{number}'"), name, &rule))
        }
        Some(number) if number > most => {
            let rule = format!("Member must have value less than or equal to {most}");
            Err(constraint(&format!("'{number}'"), name, &rule))
        }
        Some(number) => Ok(Some(number)),
    }
}

/// One of some words.
///
/// # Errors
/// When it is another one.
pub fn choice<'a>(input: &'a Value, name: &str, choices: &[&str]) -> Result<Option<&'a str>> {
    let Some(word) = text(input, name)? else { return Ok(None) };
    if choices.contains(&word) {
        return Ok(Some(word));
    }
    let rule = format!("Member must satisfy enum value set: [{}]", choices.join(", "));
    Err(constraint(&format!("'{word}'"), name, &rule))
}

/// An error of a member that does not keep a rule of DynamoDB's model.
pub fn constraint(value: &str, member: &str, rule: &str) -> Error {
    let mut name = member.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Error::validation(format!(
        "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {rule}"
    ))
}

fn wrong_type(name: &str, wanted: &str, got: &Value) -> Error {
    Error::new("SerializationException", format!("{name} takes {wanted}, not {got}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(known(&json!({"A": 1, "B": null}), &["A"]), Ok(()));
        let message = |input: Value| known(&input, &["A"]).unwrap_err().message;
        assert!(message(json!({"Expected": {}})).contains("the legacy parameter Expected is not supported"));
        assert!(message(json!({"C": {}})).contains("the parameter C is not supported"));
        assert_eq!(known(&json!([]), &[]).unwrap_err().code, "SerializationException");
    }

    #[test]
    fn members_keep_the_rules_of_the_model() {
        let input = json!({"Limit": 0, "Many": 7, "Word": "x"});
        let told = number(&input, "Limit", 1, 5).unwrap_err().message;
        assert_eq!(
            told,
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
        );
        assert!(number(&input, "Many", 1, 5).unwrap_err().message.contains("less than or equal to 5"));
        assert!(choice(&input, "Word", &["y"]).unwrap_err().message.contains("enum value set: [y]"));
        assert!(required(&input, "TableName").unwrap_err().message.contains("Value null at 'tableName'"));
        assert_eq!(text(&input, "Many").unwrap_err().code, "SerializationException");
    }
}
