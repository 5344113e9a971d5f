//! JSON by value: what two texts say, whatever the order of members, the blanks and the way a number is written.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// How deep values may be nested: MySQL itself goes to 100.
const DEPTH: u32 = 128;

/// A JSON value with its numbers exact: a float would make one of two that differ in the last of many digits.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Object(BTreeMap<String, Value>),
    Array(Vec<Value>),
    Text(String),
    Number(Number),
    /// `true`, `false`, `null`.
    Word(String),
}

/// `±0.digits × 10^exponent`, without zeros at either end; zero has no digits.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Whether two texts are the same JSON value. Of members with the same name the last counts, as for the servers. A text
/// that is no JSON, or nested deeper than [`DEPTH`], is the same as itself only.
pub(crate) fn is_same(left: &[u8], right: &[u8]) -> bool {
    left == right || parsed(left).is_some_and(|value| parsed(right) == Some(value))
}

fn parsed(text: &[u8]) -> Option<Value> {
    value(serde_json::from_slice::<&RawValue>(text).ok()?.get(), 0)
}

fn value(text: &str, depth: u32) -> Option<Value> {
    let inner = |raw: &RawValue| value(raw.get(), depth + 1);
    if depth > DEPTH {
        return None;
    }
    Some(match text.as_bytes().first()? {
        b'{' => {
            let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok()?;
            let members = members.into_iter().map(|(name, member)| Some((name, inner(member)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
        b'[' => {
            let elements = serde_json::from_str::<Vec<&RawValue>>(text).ok()?;
            Value::Array(elements.into_iter().map(inner).collect::<Option<_>>()?)
        }
        b'"' => Value::Text(serde_json::from_str(text).ok()?),
        b'-' | b'0'..=b'9' => Value::Number(number(text)?),
        _ => Value::Word(text.to_owned()),
    })
}

fn number(text: &str) -> Option<Number> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let leading = i64::try_from(all.len() - digits.len()).ok()?;
    let exponent = exponent.checked_add(i64::try_from(whole.len()).ok()?)?.checked_sub(leading)?;
    let digits = digits.trim_end_matches('0').to_owned();
    // MySQL keeps −0 as a number of its own; its value is 0 all the same.
    Some(if digits.is_empty() {
        Number { negative: false, digits, exponent: 0 }
    } else {
        Number { negative, digits, exponent }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_otherwise_is_the_same() {
        for (left, right) in [
            (r#"{"a":1,"b":[true,null]}"#, r#" { "b" : [ true , null ] , "a" : 1.0 } "#),
            ("100", "1e2"),
            ("0.00120", "1.2E-3"),
            ("-0.0", "0"),
            (r#""\u00e9\n""#, "\"é\\n\""),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("no json", "no json"),
            ("", ""),
        ] {
            assert!(is_same(left.as_bytes(), right.as_bytes()), "{left} {right}");
            assert!(is_same(right.as_bytes(), left.as_bytes()), "{left} {right}");
        }
    }

    #[test]
    fn what_says_something_else_is_not() {
        for (left, right) in [
            ("9007199254740993", "9007199254740992"),
            ("0.1", "0.1000000000000000055511151231257827"),
            ("1", "-1"),
            ("1", "\"1\""),
            ("10", "1"),
            ("0.1", "0.01"),
            ("[1,2]", "[2,1]"),
            ("{}", "[]"),
            ("null", "false"),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            ("no json", "no  json"),
            ("1", "1 2"),
            ("1e99999999999999999999", "1"),
        ] {
            assert!(!is_same(left.as_bytes(), right.as_bytes()), "{left} {right}");
        }
        let deep = |blank: &str| format!("{}{blank}{}", "[".repeat(1000), "]".repeat(1000));
        assert!(!is_same(deep("").as_bytes(), deep(" ").as_bytes()));
    }
}
