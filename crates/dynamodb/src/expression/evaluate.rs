//! Whether a condition is true of an item.
//!
//! What is not there makes a comparison false, but for `<>`, which is true then, as at DynamoDB.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::condition::{Comparator, Condition, Operand};
use crate::attribute::{Attribute, Item};
use crate::number::Number;

impl Condition {
    /// Whether it is true of an item; of an item that does not exist, when it is empty.
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(one, two) => one.holds(item) && two.holds(item),
            Self::Or(one, two) => one.holds(item) || two.holds(item),
            Self::Not(one) => !one.holds(item),
            Self::Compare(comparator, one, two) => compare(*comparator, one.of(item), two.of(item)),
            Self::Between(one, low, high) => {
                compare(Comparator::GreaterOrEqual, one.of(item), low.of(item))
                    && compare(Comparator::LessOrEqual, one.of(item), high.of(item))
            }
            Self::In(one, all) => {
                all.iter().any(|two| compare(Comparator::Equal, one.of(item), two.of(item)))
            }
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::HasType(path, kind) => path.find(item).is_some_and(|value| value.kind() == kind),
            Self::BeginsWith(one, two) => match (one.of(item).as_deref(), two.of(item).as_deref()) {
                (Some(Attribute::S(text)), Some(Attribute::S(start))) => text.starts_with(start),
                (Some(Attribute::B(bytes)), Some(Attribute::B(start))) => bytes.starts_with(start),
                _ => false,
            },
            Self::Contains(one, two) => match (one.of(item), two.of(item)) {
                (Some(whole), Some(part)) => contains(&whole, &part),
                _ => false,
            },
        }
    }
}

impl Operand {
    /// Its value for an item.
    fn of<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, Attribute>> {
        match self {
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(of) => {
                let length = of.of(item)?.length()?;
                Some(Cow::Owned(Attribute::N(Number::from(u32::try_from(length).unwrap_or(u32::MAX)))))
            }
        }
    }
}

fn compare(comparator: Comparator, one: Option<Cow<Attribute>>, two: Option<Cow<Attribute>>) -> bool {
    let (Some(one), Some(two)) = (one, two) else { return comparator == Comparator::NotEqual };
    match comparator {
        Comparator::Equal => one == two,
        Comparator::NotEqual => one != two,
        Comparator::Less => order(&one, &two).is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => order(&one, &two).is_some_and(Ordering::is_le),
        Comparator::Greater => order(&one, &two).is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => order(&one, &two).is_some_and(Ordering::is_ge),
    }
}

/// The order of two values of one type; `None` when they have none.
fn order(one: &Attribute, two: &Attribute) -> Option<Ordering> {
    match (one, two) {
        (Attribute::S(one), Attribute::S(two)) => Some(one.cmp(two)),
        (Attribute::N(one), Attribute::N(two)) => Some(one.cmp(two)),
        (Attribute::B(one), Attribute::B(two)) => Some(one.cmp(two)),
        _ => None,
    }
}

fn contains(whole: &Attribute, part: &Attribute) -> bool {
    match (whole, part) {
        (Attribute::S(whole), Attribute::S(part)) => whole.contains(part.as_str()),
        (Attribute::B(whole), Attribute::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (Attribute::Ss(all), Attribute::S(one)) => all.contains(one),
        (Attribute::Ns(all), Attribute::N(one)) => all.contains(one),
        (Attribute::Bs(all), Attribute::B(one)) => all.contains(one),
        (Attribute::L(all), one) => all.contains(one),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::scope::Scope;
    use super::*;
    use crate::attribute::read_item;
    use crate::error::Result;

    fn holds(source: &str) -> Result<bool> {
        let item = read_item(&json!({
            "id": {"S": "order#7"}, "n": {"N": "5"}, "flag": {"BOOL": true}, "nil": {"NULL": true},
            "tags": {"SS": ["x", "y"]}, "nums": {"NS": ["1", "2"]}, "bytes": {"B": "AAEC"},
            "parts": {"L": [{"S": "a"}, {"M": {"q": {"N": "2"}}}]}, "name": {"S": "Ann"}, "m": {"M": {"k": {"S": "v"}}},
        }));
        let input = json!({"ConditionExpression": source, "ExpressionAttributeNames": {"#name": "name"},
            "ExpressionAttributeValues": {":five": {"N": "5.0"}, ":two": {"N": "2"}, ":nine": {"N": "9"}, ":x": {"S": "x"},
                ":start": {"S": "order#"}, ":true": {"BOOL": true}, ":l": {"L": []}, ":type": {"S": "N"}, ":bad": {"S": "X"},
                ":ab": {"B": "AQI="}}});
        let scope = Scope::read(&input, &["ConditionExpression"])?;
        let source = input["ConditionExpression"].as_str().unwrap();
        Ok(Condition::read("ConditionExpression", source, &scope)?.holds(&item?))
    }

    #[test]
    fn conditions_are_true_or_false() {
        for (source, wanted) in [
            ("n = :five", true),
            ("n <> :five", false),
            ("n > :two and n < :nine", true),
            ("n >= :five AND NOT n > :five", true),
            ("n BETWEEN :two AND :nine", true),
            ("n between :two and :nine and flag = :true", true),
            ("n IN (:two, :five)", true),
            ("n IN (:two)", false),
            // AND before OR, NOT before AND.
            ("n = :five OR n = :two AND n = :nine", true),
            ("(n = :five OR n = :two) AND n = :nine", false),
            ("NOT n = :two AND n = :five", true),
            ("NOT (n = :two OR n = :five)", false),
            ("NOT NOT n = :five", true),
            ("attribute_exists(n)", true),
            ("attribute_exists(parts[1].q)", true),
            ("attribute_exists(parts[2])", false),
            ("attribute_not_exists(gone)", true),
            ("attribute_type(n, :type)", true),
            ("begins_with(id, :start)", true),
            ("begins_with(n, :start)", false),
            ("contains(tags, :x)", true),
            ("contains(nums, :two)", true),
            ("contains(bytes, :ab)", true),
            ("contains(id, :x)", false),
            ("size(tags) = :two", true),
            ("size(#name) < :five", true),
            (":nine > size(parts)", true),
            ("size(n) = :two", false),
            ("m.k = :x", false),
            ("parts[1].q = :two", true),
            ("gone = :x", false),
            ("gone <> :x", true),
            ("gone < :x", false),
            ("id < :five", false),
            ("nil = nil2", false),
        ] {
            assert_eq!(holds(source), Ok(wanted), "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_in_the_services_words() {
        for (source, message) in [
            ("", "The expression can not be empty;"),
            ("n = ", "Syntax error; token: \"<EOF>\", near: \"= \""),
            ("n == :two", "Syntax error; token: \"=\", near: \"== :two\""),
            ("n = :two n", "Syntax error; token: \"n\", near: \":two n\""),
            ("n = 5", "Syntax error; token: \"5\", near: \"= 5\""),
            ("n = :two AND", "Syntax error; token: \"<EOF>\", near: \"AND\""),
            ("(n = :two", "Syntax error; token: \"<EOF>\", near: \":two\""),
            ("n.[1] = :two", "Syntax error; token: \"[\", near: \".[1\""),
            ("name = :x", "Attribute name is a reserved keyword; reserved keyword: name"),
            ("m.Status = :x", "Attribute name is a reserved keyword; reserved keyword: Status"),
            ("#gone = :x", "attribute name: #gone"),
            ("n = :gone", "attribute value: :gone"),
            ("((n = :two))", "The expression has redundant parentheses;"),
            ("foo(n)", "Invalid function name; function: foo"),
            ("size(n)", "not allowed to be used this way in an expression; function: size"),
            (
                "n = attribute_exists(n)",
                "not allowed to be used this way in an expression; function: attribute_exists",
            ),
            ("begins_with(id)", "operator or function: begins_with, number of operands: 1"),
            ("attribute_exists(:x)", "requires a document path; operator or function: attribute_exists"),
            ("begins_with(id, :two)", "operator or function: begins_with, operand type: N"),
            ("n < :true", "operator or function: <, operand type: BOOL"),
            ("n BETWEEN :nine AND :two", "requires upper bound to be greater than or equal to lower bound"),
            ("n BETWEEN :two AND :x", "requires same data type"),
            ("attribute_type(n, :bad)", "Invalid attribute type name found; type: X"),
            ("n = n", "The first operand must be distinct"),
            ("contains(n, n)", "operator: contains, first operand: [n]"),
        ] {
            let told = holds(source).unwrap_err().message;
            assert!(
                told.starts_with("Invalid ConditionExpression: ") && told.contains(message),
                "{source}: {told}"
            );
        }
    }

    #[test]
    fn redundant_parentheses_are_two_pairs_around_one_thing() {
        assert_eq!(holds("(n = :five) AND (NOT (n = :two))"), Ok(true));
        assert_eq!(holds("((n = :five) OR n = :two)"), Ok(true));
        assert!(holds("n = :five AND ((n = :five))").is_err());
    }
}
