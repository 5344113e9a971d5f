//! The rules of a Choice: tests of one place each, joined by And, Or and Not.

use serde_json::Value;

use crate::members::{Members, Place};
use crate::path::Path;

/// A rule of a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// All hold.
    And(Vec<Rule>),
    /// One holds.
    Or(Vec<Rule>),
    /// It does not hold.
    Not(Box<Rule>),
    /// A test of a place.
    Test(Path, Test),
}

/// A test.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Something is there, or nothing is.
    IsPresent(bool),
    /// It is this text.
    StringEquals(String),
    /// It is this.
    BooleanEquals(bool),
    /// It is this number.
    NumericEquals(f64),
    /// It is a greater number.
    NumericGreaterThan(f64),
    /// It is a smaller number.
    NumericLessThan(f64),
}

impl Rule {
    /// Reads a rule out of its members, and leaves those that are not a rule's. `None`: a problem is noted.
    pub fn read(members: &mut Members<'_>) -> Option<Self> {
        for (name, joined) in [("And", Self::And as fn(Vec<Self>) -> Self), ("Or", Self::Or)] {
            if members.has(name) {
                let items = members.items(name);
                let mut place = members.place.inside(name);
                let rules =
                    items.into_iter().enumerate().map(|(index, item)| inner(item, &mut place.item(index)));
                return rules.collect::<Option<Vec<_>>>().map(joined);
            }
        }
        if members.has("Not") {
            let item = members.require("Not")?;
            return Some(Self::Not(Box::new(inner(item, &mut members.place.inside("Not"))?)));
        }
        let text = members.require_text("Variable")?;
        let path = Path::read(&text, false).map_err(|problem| members.problem("Variable", problem)).ok();
        let test = Self::test(members);
        Some(Self::Test(path?, test?))
    }

    fn test(members: &mut Members<'_>) -> Option<Test> {
        let number = |members: &mut Members<'_>, name| {
            let value = members.take(name)?;
            let number = value.as_f64();
            if number.is_none() {
                members.problem(name, format!("takes a number, not {value}"));
            }
            number
        };
        let found = [
            members.flag("IsPresent").map(Test::IsPresent),
            members.text("StringEquals").map(Test::StringEquals),
            members.flag("BooleanEquals").map(Test::BooleanEquals),
            number(members, "NumericEquals").map(Test::NumericEquals),
            number(members, "NumericGreaterThan").map(Test::NumericGreaterThan),
            number(members, "NumericLessThan").map(Test::NumericLessThan),
        ];
        let mut found: Vec<Test> = found.into_iter().flatten().collect();
        if found.len() != 1 {
            members.place.problem(
                "takes one of IsPresent, StringEquals, BooleanEquals, NumericEquals, NumericGreaterThan and NumericLessThan",
            );
            return None;
        }
        found.pop()
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// The path that names nothing, where something is compared.
    pub fn holds(&self, input: &Value, context: &Value) -> Result<bool, String> {
        match self {
            Self::And(rules) => {
                rules.iter().try_fold(true, |all, rule| Ok(all && rule.holds(input, context)?))
            }
            Self::Or(rules) => {
                rules.iter().try_fold(false, |any, rule| Ok(any || rule.holds(input, context)?))
            }
            Self::Not(rule) => Ok(!rule.holds(input, context)?),
            Self::Test(path, test) => {
                let found = path.find(input, context);
                if let Test::IsPresent(present) = test {
                    return Ok(found.is_some() == *present);
                }
                let found = found.ok_or_else(|| {
                    format!(
                        "Invalid path '{}': The choice state's condition path references an invalid value.",
                        path.text()
                    )
                })?;
                Ok(test.fits(found))
            }
        }
    }
}

impl Test {
    /// Whether a value fits; one of another type does not.
    fn fits(&self, value: &Value) -> bool {
        let number = value.as_f64();
        match self {
            Self::IsPresent(present) => *present,
            Self::StringEquals(text) => value.as_str() == Some(text),
            Self::BooleanEquals(flag) => value.as_bool() == Some(*flag),
            Self::NumericEquals(other) => number.is_some_and(|number| number == *other),
            Self::NumericGreaterThan(other) => number.is_some_and(|number| number > *other),
            Self::NumericLessThan(other) => number.is_some_and(|number| number < *other),
        }
    }
}

/// A rule inside another one.
fn inner(value: Value, place: &mut Place<'_>) -> Option<Rule> {
    let mut members = place.members(value)?;
    let rule = Rule::read(&mut members);
    members.finish("a rule");
    rule
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(rule: Value) -> Result<Rule, Vec<String>> {
        let mut problems = Vec::new();
        let rule = inner(rule, &mut Place::new("r", &mut problems));
        match rule {
            Some(rule) if problems.is_empty() => Ok(rule),
            _ => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn rules_test_places_and_are_joined() {
        let input = json!({"s": "a", "n": 3, "b": true, "null": null});
        let n = |test: &str, value: Value| json!({"Variable": "$.n", test: value});
        let s = |text: &str| json!({"Variable": "$.s", "StringEquals": text});
        let present = |path: &str, is: bool| json!({"Variable": path, "IsPresent": is});
        for (rule, holds) in [
            (s("a"), true),
            (s("b"), false),
            (json!({"Variable": "$.n", "StringEquals": "3"}), false),
            (n("NumericEquals", json!(3.0)), true),
            (n("NumericGreaterThan", json!(3)), false),
            (n("NumericLessThan", json!(4)), true),
            (json!({"Variable": "$.b", "BooleanEquals": true}), true),
            (present("$.null", true), true),
            (present("$.no", false), true),
            (json!({"And": [s("a"), n("NumericGreaterThan", json!(5))]}), false),
            (json!({"Or": [s("b"), n("NumericGreaterThan", json!(2))]}), true),
            (json!({"Not": s("b")}), true),
            // What is not there is not looked at once the rest decides.
            (json!({"And": [present("$.no", true), {"Variable": "$.no", "StringEquals": "x"}]}), false),
        ] {
            assert_eq!(read(rule.clone()).unwrap().holds(&input, &json!({})), Ok(holds), "{rule}");
        }
        assert!(
            read(json!({"Variable": "$.no", "StringEquals": "x"}))
                .unwrap()
                .holds(&input, &json!({}))
                .is_err()
        );
    }

    #[test]
    fn what_is_no_rule_here_is_refused_with_what_is() {
        let problems = read(json!({"Variable": "$.s", "StringMatches": "a*"})).unwrap_err();
        assert!(problems[0].contains("takes one of IsPresent, StringEquals"), "{problems:?}");
        assert!(problems[1].starts_with("r.StringMatches: is not supported"), "{problems:?}");
        let problems = read(json!({"And": [{"Variable": "$.s"}]})).unwrap_err();
        assert!(problems[0].starts_with("r.And[0]: "), "{problems:?}");
    }
}
