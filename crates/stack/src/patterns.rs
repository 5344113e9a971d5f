//! EventBridge: which events a rule's pattern fits, and what its input transformer makes of one.
//!
//! A field that the pattern names has to be in the event with one of the values, each a value or `{"prefix": …}`. Other operators
//! are refused by [`known`].

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

/// Makes a text of an event: `<name>` in the template is what is at that name's path.
#[derive(Debug, Clone)]
pub struct Transformer {
    paths: BTreeMap<String, JsonPath>,
    template: String,
}

/// A transformer as a template writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Written {
    input_paths_map: BTreeMap<String, String>,
    input_template: String,
}

impl Transformer {
    /// Reads the `InputTransformer` of a target.
    ///
    /// # Errors
    /// Where it has another form, or a path is none.
    pub fn read(written: Value) -> Result<Self, String> {
        let Written { input_paths_map, input_template } =
            serde_json::from_value(written).map_err(|error| error.to_string())?;
        // EventBridge takes a hyphen after a dot, as in `$.detail-type`; JSONPath has it in brackets only.
        let hyphen = Regex::new(r"\.([A-Za-z_]\w*-[\w-]*)").map_err(|error| error.to_string())?;
        let path =
            |(name, path): (String, String)| match JsonPath::parse(&hyphen.replace_all(&path, "['$1']")) {
                Ok(parsed) => Ok((name, parsed)),
                Err(error) => Err(format!("{path} is not a JSONPath: {error}")),
            };
        let paths = input_paths_map.into_iter().map(path).collect::<Result<_, _>>()?;
        Ok(Self { paths, template: input_template })
    }

    /// The text for an event. What is not in the event, or is no text, leaves nothing in its place.
    pub fn text(&self, event: &Value) -> String {
        self.paths.iter().fold(self.template.clone(), |text, (name, path)| {
            let value = path.query(event).first().and_then(Value::as_str);
            text.replace(&format!("<{name}>"), value.unwrap_or_default())
        })
    }
}

/// Whether everything in a pattern is known here.
///
/// # Errors
/// What is not.
pub fn known(pattern: &Value) -> Result<(), String> {
    match pattern {
        Value::Object(fields) => fields.values().try_for_each(known),
        Value::Array(values) => values.iter().try_for_each(|value| match value {
            Value::Object(operator)
                if operator.len() == 1 && operator.get("prefix").is_some_and(Value::is_string) =>
            {
                Ok(())
            }
            Value::Object(_) | Value::Array(_) => Err(format!("{value} is not known")),
            _ => Ok(()),
        }),
        other => Err(format!("{other} has to be a list")),
    }
}

/// Whether an event fits a pattern.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(fields), event) => {
            fields.iter().all(|(name, pattern)| event.get(name).is_some_and(|event| matches(pattern, event)))
        }
        // One of the event's values is enough.
        (pattern, Value::Array(values)) => values.iter().any(|value| matches(pattern, value)),
        (Value::Array(patterns), value) => patterns.iter().any(|pattern| match &pattern["prefix"] {
            Value::String(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            _ => pattern == value,
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_fits_what_eventbridge_says_it_fits() {
        let event = json!({"source": "aws.rds", "resources": ["a", "b"], "detail": {"id": "rds:unplanned-x", "n": 1}});
        for (pattern, fits) in [
            (json!({"source": ["aws.rds"]}), true),
            (json!({"source": ["aws.ec2", "aws.rds"]}), true),
            (json!({"source": ["aws.ec2"]}), false),
            (json!({"resources": ["b"]}), true),
            (json!({"detail": {"id": [{"prefix": "rds:unplanned-"}], "n": [1]}}), true),
            (json!({"detail": {"id": [{"prefix": "unplanned-"}]}}), false),
            (json!({"detail": {"missing": ["x"]}}), false),
            (json!({"source": {"deeper": ["x"]}}), false),
        ] {
            assert_eq!(matches(&pattern, &event), fits, "{pattern}");
        }
        assert!(known(&json!({"a": [{"prefix": "x"}]})).is_ok());
        assert!(known(&json!({"a": [{"anything-but": "x"}]})).unwrap_err().contains("not known"));
        assert!(known(&json!({"a": "x"})).is_err());
    }

    #[test]
    fn a_transformer_puts_what_is_at_a_path_into_its_text() {
        let transformer = |path: &str| {
            Transformer::read(json!({"InputPathsMap": {"id": path}, "InputTemplate": "it is <id>, <id>"}))
        };
        let event = json!({"detail": {"id": "x-1", "status-code": "y", "list": ["a", "b"], "n": 1}});
        for (path, text) in [
            ("$.detail.id", "it is x-1, x-1"),
            ("$.detail.status-code", "it is y, y"),
            ("$.detail['status-code']", "it is y, y"),
            ("$.detail.list[1]", "it is b, b"),
            ("$.detail.missing", "it is , "),
            ("$.detail.n", "it is , "),
        ] {
            assert_eq!(
                transformer(path).map(|transformer| transformer.text(&event)).as_deref(),
                Ok(text),
                "{path}"
            );
        }
        assert!(transformer("detail.id").unwrap_err().contains("is not a JSONPath"));
        assert!(Transformer::read(json!({"InputTemplate": "x"})).is_err());
    }
}
