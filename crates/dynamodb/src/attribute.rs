//! Values of attributes: read from the wire, written to it, measured.
//!
//! A value is checked when it is read: its type, duplicates in sets, how deep it is. Numbers are kept by value
//! ([`crate::number`]), sets in order, so that two values are equal when DynamoDB says so.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::number::Number;

/// The most levels of lists and maps.
const DEPTH: usize = 32;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    S(String),
    N(Number),
    B(Vec<u8>),
    Bool(bool),
    Null,
    Ss(BTreeSet<String>),
    Ns(BTreeSet<Number>),
    Bs(BTreeSet<Vec<u8>>),
    L(Vec<Attribute>),
    M(Item),
}

/// An item, or the value of a map: attributes by name.
pub type Item = BTreeMap<String, Attribute>;

impl Attribute {
    /// Reads a value.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(value: &Value) -> Result<Self> {
        Self::read_at(value, 0)
    }

    fn read_at(value: &Value, depth: usize) -> Result<Self> {
        if depth > DEPTH {
            return Err(Error::validation(
                "Nesting Levels have exceeded supported limits: Attributes and values exceeded depth limit",
            ));
        }
        let members = value.as_object().ok_or_else(|| malformed("an attribute value", "an object", value))?;
        let mut given = members.iter().filter(|(_, value)| !value.is_null());
        let Some((kind, value)) = given.next() else {
            return Err(Error::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            ));
        };
        if given.next().is_some() {
            return Err(Error::validation(
                "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
            ));
        }
        match kind.as_str() {
            "S" => Ok(Self::S(text(value)?.to_owned())),
            "N" => Ok(Self::N(Number::read(text(value)?)?)),
            "B" => Ok(Self::B(bytes(value)?)),
            "BOOL" => value.as_bool().map(Self::Bool).ok_or_else(|| malformed("BOOL", "a boolean", value)),
            "NULL" => match value.as_bool() {
                Some(true) => Ok(Self::Null),
                Some(false) => {
                    Err(Error::parameter("Null attribute value types must have the value of true"))
                }
                None => Err(malformed("NULL", "a boolean", value)),
            },
            "SS" => {
                Ok(Self::Ss(set(value, "An string set  may not be empty", |one| Ok(text(one)?.to_owned()))?))
            }
            "NS" => {
                Ok(Self::Ns(set(value, "An number set  may not be empty", |one| Number::read(text(one)?))?))
            }
            "BS" => Ok(Self::Bs(set(value, "Binary sets should not be empty", bytes)?)),
            "L" => {
                let all = value.as_array().ok_or_else(|| malformed("L", "a list", value))?;
                Ok(Self::L(all.iter().map(|one| Self::read_at(one, depth + 1)).collect::<Result<_>>()?))
            }
            "M" => {
                let all = value.as_object().ok_or_else(|| malformed("M", "an object", value))?;
                let read = |(name, one): (&String, _)| Ok((name.clone(), Self::read_at(one, depth + 1)?));
                Ok(Self::M(all.iter().map(read).collect::<Result<_>>()?))
            }
            _ => Err(Error::validation(
                "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
            )),
        }
    }

    /// As it is on the wire.
    pub fn json(&self) -> Value {
        match self {
            Self::S(text) => json!({"S": text}),
            Self::N(number) => json!({"N": number.to_string()}),
            Self::B(bytes) => json!({"B": BASE64.encode(bytes)}),
            Self::Bool(value) => json!({"BOOL": value}),
            Self::Null => json!({"NULL": true}),
            Self::Ss(all) => json!({"SS": all}),
            Self::Ns(all) => json!({"NS": all.iter().map(Number::to_string).collect::<Vec<_>>()}),
            Self::Bs(all) => json!({"BS": all.iter().map(|one| BASE64.encode(one)).collect::<Vec<_>>()}),
            Self::L(all) => json!({"L": all.iter().map(Self::json).collect::<Vec<_>>()}),
            Self::M(all) => json!({"M": item_json(all)}),
        }
    }

    /// The type, as DynamoDB writes it in values.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::L(_) => "L",
            Self::M(_) => "M",
        }
    }

    /// How many bytes it counts, by the rules of the developer guide ("DynamoDB item sizes and formats").
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(all) => all.iter().map(String::len).sum(),
            Self::Ns(all) => all.iter().map(|one| one.size()).sum(),
            Self::Bs(all) => all.iter().map(Vec::len).sum(),
            Self::L(all) => 3 + all.iter().map(|one| 1 + one.size()).sum::<usize>(),
            Self::M(all) => 3 + all.len() + item_size(all),
        }
    }

    /// What the function `size` says of it; `None` of a type that has no size.
    pub fn length(&self) -> Option<usize> {
        match self {
            // In units of UTF-16, as AWS counts.
            Self::S(text) => Some(text.encode_utf16().count()),
            Self::B(bytes) => Some(bytes.len()),
            Self::Ss(all) => Some(all.len()),
            Self::Ns(all) => Some(all.len()),
            Self::Bs(all) => Some(all.len()),
            Self::L(all) => Some(all.len()),
            Self::M(all) => Some(all.len()),
            Self::N(_) | Self::Bool(_) | Self::Null => None,
        }
    }
}

/// Reads an item, or a key.
///
/// # Errors
/// When a value is none.
pub fn read_item(value: &Value) -> Result<Item> {
    let all = value.as_object().ok_or_else(|| malformed("an item", "an object", value))?;
    all.iter().map(|(name, one)| Ok((name.clone(), Attribute::read(one)?))).collect()
}

/// An item as it is on the wire.
pub fn item_json(item: &Item) -> Value {
    Value::Object(item.iter().map(|(name, one)| (name.clone(), one.json())).collect::<Map<_, _>>())
}

/// How many bytes an item counts: its names and values.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, one)| name.len() + one.size()).sum()
}

/// What can't even be read as a request of DynamoDB.
fn malformed(what: &str, wanted: &str, got: &Value) -> Error {
    Error::new("SerializationException", format!("{what} takes {wanted}, not {got}"))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| malformed("a value", "a string", value))
}

fn bytes(value: &Value) -> Result<Vec<u8>> {
    BASE64.decode(text(value)?).map_err(|error| {
        Error::new("SerializationException", format!("a binary value takes base64: {error}"))
    })
}

fn set<T: Ord>(value: &Value, empty: &str, read: impl Fn(&Value) -> Result<T>) -> Result<BTreeSet<T>> {
    let all = value.as_array().ok_or_else(|| malformed("a set", "a list", value))?;
    if all.is_empty() {
        return Err(Error::parameter(empty));
    }
    let mut set = BTreeSet::new();
    for one in all {
        if !set.insert(read(one)?) {
            let shown = all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
            return Err(Error::parameter(format!("Input collection [{shown}] contains duplicates.")));
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(value: &Value) -> String {
        Attribute::read(value).unwrap_err().message
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        for value in [
            json!({"S": ""}),
            json!({"N": "12.5"}),
            json!({"B": "AAH/"}),
            json!({"BOOL": false}),
            json!({"NULL": true}),
            json!({"SS": ["a", "b"]}),
            json!({"NS": ["-1", "2"]}),
            json!({"BS": ["AA==", "AQ=="]}),
            json!({"L": [{"S": "a"}, {"L": []}]}),
            json!({"M": {"a": {"M": {}}}}),
        ] {
            assert_eq!(Attribute::read(&value).unwrap().json(), value);
        }
        let equal = |one, two| assert_eq!(Attribute::read(&one).unwrap(), Attribute::read(&two).unwrap());
        equal(json!({"N": "1.0"}), json!({"N": "1"}));
        equal(json!({"NS": ["2", "1"]}), json!({"NS": ["1.0", "2"]}));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert!(message(&json!({})).contains("is empty"));
        assert!(message(&json!({"X": "a"})).contains("is empty"));
        assert!(message(&json!({"S": "a", "N": "1"})).contains("more than one datatypes"));
        assert!(message(&json!({"NULL": false})).contains("must have the value of true"));
        assert!(message(&json!({"SS": []})).contains("An string set  may not be empty"));
        assert!(message(&json!({"SS": ["a", "a"]})).contains("[a, a] contains duplicates"));
        assert!(message(&json!({"NS": ["1", "1.0"]})).contains("contains duplicates"));
        assert!(message(&json!({"N": "x"})).contains("numeric value: x"));
        for value in [json!("a"), json!({"S": 1}), json!({"B": "%"}), json!({"L": {}}), json!({"M": []})] {
            assert_eq!(Attribute::read(&value).unwrap_err().code, "SerializationException", "{value}");
        }
        let mut deep = json!({"S": "a"});
        for _ in 0..32 {
            deep = json!({"L": [deep]});
        }
        assert!(Attribute::read(&deep).is_ok());
        assert!(message(&json!({"M": {"a": deep}})).contains("Nesting Levels"));
    }

    #[test]
    fn a_size_counts_names_values_and_an_overhead_of_documents() {
        let item = read_item(&json!({"id": {"S": "abc"}, "é": {"N": "12345"}})).unwrap();
        assert_eq!(item_size(&item), 2 + 3 + 2 + 4);
        assert_eq!(Attribute::read(&json!({"L": [{"S": "ab"}]})).unwrap().size(), 6);
        assert_eq!(Attribute::read(&json!({"M": {"a": {"BOOL": true}}})).unwrap().size(), 6);
    }
}
