//! Key conditions: which partition a query reads, and which part of it.

use crate::attribute::Attribute;
use crate::error::{Error, Result};
use crate::expression::condition::{Comparator, Condition, Operand};
use crate::expression::scope::Scope;
use crate::keys::{KeyAttribute, KeyValue, Keys};

/// What it is in a request.
const LABEL: &str = "KeyConditionExpression";

/// What a query reads.
#[derive(Debug)]
pub struct Range {
    /// The partition.
    pub partition: KeyValue,
    /// What is asked of the sort key, as a condition of an item.
    pub sort: Option<Condition>,
}

impl Range {
    /// Reads a key condition for the keys of a table or an index.
    ///
    /// # Errors
    /// When it asks for something else than one partition and one part of it.
    pub fn read(source: &str, scope: &Scope, keys: &Keys) -> Result<Self> {
        let condition = Condition::read(LABEL, source, scope)?;
        let mut parts = Vec::new();
        split(condition, &mut parts)?;
        let mut named = Vec::new();
        for part in parts {
            let name = name(&part)?;
            if named.iter().any(|(one, _)| *one == name) {
                return Err(invalid("KeyConditionExpressions must only contain one condition per key"));
            }
            named.push((name, part));
        }
        let missed = |key: &KeyAttribute| {
            Error::validation(format!("Query condition missed key schema element: {}", key.name))
        };
        if named.len() > 2 {
            return Err(Error::validation("Conditions can be of length 1 or 2 only"));
        }
        let mut take = |key: &KeyAttribute| {
            let at = named.iter().position(|(name, _)| *name == key.name)?;
            Some(named.remove(at).1)
        };
        let partition = take(&keys.partition).ok_or_else(|| missed(&keys.partition))?;
        let sort = keys.sort.as_ref().and_then(&mut take);
        if let Some((name, _)) = named.first() {
            return Err(keys.sort.as_ref().filter(|_| sort.is_none()).map_or_else(
                || {
                    Error::validation(format!(
                        "Query condition has an attribute that is none of the key: {name}"
                    ))
                },
                missed,
            ));
        }
        let Condition::Compare(Comparator::Equal, _, Operand::Value(value)) = &partition else {
            return Err(Error::validation("Query key condition not supported"));
        };
        let partition = value_of(&keys.partition, value)?;
        if let (Some(key), Some(condition)) = (&keys.sort, &sort) {
            for value in values(condition) {
                value_of(key, value)?;
            }
        }
        Ok(Self { partition, sort })
    }
}

fn invalid(message: &str) -> Error {
    Error::validation(format!("Invalid {LABEL}: {message}"))
}

/// The conditions that `AND` connects, each with the key's attribute on the left.
fn split(condition: Condition, parts: &mut Vec<Condition>) -> Result<()> {
    let operator = match condition {
        Condition::And(one, two) => {
            split(*one, parts)?;
            return split(*two, parts);
        }
        Condition::Compare(Comparator::NotEqual, ..) => "<>",
        Condition::Or(..) => "OR",
        Condition::Not(_) => "NOT",
        Condition::In(..) => "IN",
        Condition::Exists(_) => "attribute_exists",
        Condition::NotExists(_) => "attribute_not_exists",
        Condition::HasType(..) => "attribute_type",
        Condition::Contains(..) => "contains",
        Condition::Compare(comparator, value @ Operand::Value(_), path @ Operand::Path(_)) => {
            let turned = match comparator {
                Comparator::Less => Comparator::Greater,
                Comparator::LessOrEqual => Comparator::GreaterOrEqual,
                Comparator::Greater => Comparator::Less,
                Comparator::GreaterOrEqual => Comparator::LessOrEqual,
                same => same,
            };
            parts.push(Condition::Compare(turned, path, value));
            return Ok(());
        }
        other => {
            parts.push(other);
            return Ok(());
        }
    };
    Err(invalid(&format!("Invalid operator used in {LABEL}: {operator}")))
}

/// The attribute that a condition is about, compared with values.
fn name(condition: &Condition) -> Result<String> {
    let (first, others) = match condition {
        Condition::Compare(_, first, second) | Condition::BeginsWith(first, second) => (first, vec![second]),
        Condition::Between(first, low, high) => (first, vec![low, high]),
        _ => return Err(Error::validation("Query key condition not supported")),
    };
    let condition = |message: &str| Error::validation(format!("Invalid condition in {LABEL}: {message}"));
    let Operand::Path(path) = first else {
        let value = matches!(first, Operand::Value(_));
        return Err(if value && others.iter().any(|other| matches!(other, Operand::Path(_))) {
            condition("an operator must have the key attribute as its first operand")
        } else if value {
            condition("No key attribute specified")
        } else {
            invalid(&format!("Invalid operator used in {LABEL}: size"))
        });
    };
    if !path.steps.is_empty() {
        return Err(invalid(&format!("{LABEL}s cannot have conditions on nested attributes")));
    }
    if !others.iter().all(|other| matches!(other, Operand::Value(_))) {
        return Err(condition("Multiple attribute names used in one condition"));
    }
    Ok(path.name.clone())
}

fn values(condition: &Condition) -> impl Iterator<Item = &Attribute> {
    let (one, two) = match condition {
        Condition::Compare(_, _, one) | Condition::BeginsWith(_, one) => (Some(one), None),
        Condition::Between(_, low, high) => (Some(low), Some(high)),
        _ => (None, None),
    };
    one.into_iter().chain(two).filter_map(|operand| match operand {
        Operand::Value(value) => Some(value),
        _ => None,
    })
}

fn value_of(key: &KeyAttribute, value: &Attribute) -> Result<KeyValue> {
    if value.length() == Some(0) {
        let kind = if key.kind == "B" { "binary" } else { "string" };
        return Err(Error::validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {}",
            key.name
        )));
    }
    KeyValue::of(value)
        .filter(|_| value.kind() == key.kind)
        .ok_or_else(|| Error::parameter("Condition parameter type does not match schema type"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn range(source: &str) -> Result<Range> {
        let input = json!({"KeyConditionExpression": source, "ExpressionAttributeValues": {
            ":s": {"S": "a"}, ":n": {"N": "1"}, ":m": {"N": "2"}, ":e": {"S": ""}}});
        let of = |name: &str, kind: &str| KeyAttribute { name: name.to_owned(), kind: kind.to_owned() };
        let keys = Keys { partition: of("p", "S"), sort: Some(of("s", "N")) };
        Range::read(source, &Scope::read(&input, &["KeyConditionExpression"])?, &keys)
    }

    #[test]
    fn one_partition_and_a_part_of_it() {
        for source in [
            "p = :s",
            ":s = p",
            "p = :s AND s = :n",
            "s > :n AND p = :s",
            "p = :s AND :n < s",
            "(p = :s) AND (s BETWEEN :n AND :m)",
        ] {
            let range = range(source).unwrap();
            assert_eq!(range.partition, KeyValue::S("a".to_owned()), "{source}");
            assert_eq!(range.sort.is_some(), source.contains("AND"), "{source}");
        }
        let turned = range("p = :s AND :n < s").unwrap().sort;
        assert!(matches!(turned, Some(Condition::Compare(Comparator::Greater, Operand::Path(_), _))));
    }

    #[test]
    fn anything_else_is_refused() {
        for (source, message) in [
            ("s = :n", "Query condition missed key schema element: p"),
            ("p > :s", "Query key condition not supported"),
            ("p = :s AND third = :n", "Query condition missed key schema element: s"),
            ("p = :s OR s = :n", "Invalid operator used in KeyConditionExpression: OR"),
            ("p = :s AND NOT s = :n", "Invalid operator used in KeyConditionExpression: NOT"),
            ("p = :s AND s <> :n", "Invalid operator used in KeyConditionExpression: <>"),
            ("p = :s AND s IN (:n)", "Invalid operator used in KeyConditionExpression: IN"),
            (
                "p = :s AND attribute_exists(s)",
                "Invalid operator used in KeyConditionExpression: attribute_exists",
            ),
            ("p = :s AND s > :n AND s < :m", "must only contain one condition per key"),
            ("p = :n", "Condition parameter type does not match schema type"),
            ("p = :s AND s = :s", "Condition parameter type does not match schema type"),
            ("p = :e", "empty string value. Key: p"),
            ("p = s", "Multiple attribute names used in one condition"),
            (":s = :e", "No key attribute specified"),
            ("p = :s AND begins_with(:s, s)", "must have the key attribute as its first operand"),
            ("p.a = :s", "cannot have conditions on nested attributes"),
        ] {
            let told = range(source).unwrap_err().message;
            assert!(told.contains(message), "{source}: {told}");
        }
    }
}
