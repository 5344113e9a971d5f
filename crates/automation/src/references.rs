//! References in a document: `{{ Parameter }}`, `{{ step.Output }}`, `{{ variable:x }}`, `{{ global:REGION }}`,
//! `{{ automation:EXECUTION_ID }}`.
//!
//! Assumptions, where AWS documents nothing:
//! - A value that is exactly one reference takes the referenced value with its type; inside a longer text, texts stand
//!   as they are and everything else as JSON.
//! - A list's element that is exactly one reference to a list is replaced by that list's elements.
//! - A reference to a step output that isn't there (the step did not run, failed, or its selector matched nothing)
//!   stays as its own literal text, as executions in accounts are seen to do; of a branch, [`Reading`](crate::Reading) has
//!   the other way too.

use serde_json::Value;

use crate::types::text;

/// The system variables. `{{ssm:…}}` can't stand in a step's input, so it isn't one.
pub const SYSTEM: [&str; 6] = [
    "global:ACCOUNT_ID",
    "global:DATE",
    "global:DATE_TIME",
    "global:AWS_PARTITION",
    "global:REGION",
    "automation:EXECUTION_ID",
];

/// One piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    /// The whole text of the reference with its braces, and the name inside.
    Reference(&'a str, &'a str),
}

/// Cuts a text at its references. Braces that hold no name are text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut rest, mut searched) = (text, 0);
    while let Some(open) = rest[searched..].find("{{").map(|found| found + searched) {
        let inside = &rest[open + 2..];
        let Some(close) = inside.find("}}") else { break };
        let name = inside[..close].trim();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:-".contains(c)) {
            searched = open + 2;
            continue;
        }
        let end = open + 2 + close + 2;
        if open > 0 {
            pieces.push(Piece::Text(&rest[..open]));
        }
        pieces.push(Piece::Reference(&rest[open..end], name));
        (rest, searched) = (&rest[end..], 0);
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The names a value refers to, in order, at any depth; also in a map's keys.
pub fn names(value: &Value) -> Vec<String> {
    fn in_text(text: &str, found: &mut Vec<String>) {
        found.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Reference(_, name) => Some(name.to_owned()),
            Piece::Text(_) => None,
        }));
    }
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => in_text(text, found),
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                in_text(key, found);
                walk(value, found);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, &mut found);
    found
}

/// A value with its references replaced by what `lookup` knows.
pub fn resolve(value: &Value, lookup: &dyn Fn(&str) -> Option<Value>) -> Value {
    match value {
        Value::String(written) => resolve_text(written, lookup),
        Value::Array(items) => items
            .iter()
            .flat_map(|item| {
                let resolved = resolve(item, lookup);
                match (item, resolved) {
                    (Value::String(_), Value::Array(spliced)) => spliced,
                    (_, resolved) => vec![resolved],
                }
            })
            .collect(),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| (text(&resolve_text(key, lookup)), resolve(value, lookup)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn resolve_text(written: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Value {
    match pieces(written).as_slice() {
        [Piece::Reference(whole, name)] => lookup(name).unwrap_or_else(|| Value::from(*whole)),
        pieces => pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => (*text).to_owned(),
                Piece::Reference(whole, name) => {
                    lookup(name).map_or_else(|| (*whole).to_owned(), |found| text(&found))
                }
            })
            .collect::<String>()
            .into(),
    }
}

/// A value in which every text that is a JSON object or list has become it.
pub fn parsed(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), parsed(value))).collect(),
        Value::Array(items) => items.iter().map(parsed).collect(),
        Value::String(text) => serde_json::from_str(text)
            .ok()
            .filter(|found: &Value| found.is_object() || found.is_array())
            .unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lookup(name: &str) -> Option<Value> {
        Some(match name {
            "Text" => json!("t"),
            "List" => json!(["a", "b"]),
            "Map" => json!({"k": 1}),
            "Flag" => json!(true),
            "step.Count" => json!(3),
            _ => return None,
        })
    }

    #[test]
    fn a_single_reference_keeps_its_type_and_text_is_interpolated() {
        let cases = [
            (json!("{{ List }}"), json!(["a", "b"])),
            (json!("{{Flag}}"), json!(true)),
            (json!("{{ step.Count }}"), json!(3)),
            (json!("n={{ step.Count }}, {{Text}}, {{ Map }}"), json!("n=3, t, {\"k\":1}")),
            (json!(["{{ List }}", "c", "{{ Text }}"]), json!(["a", "b", "c", "t"])),
            (json!([["{{ List }}"]]), json!([["a", "b"]])),
            (json!({"a": {"b": "{{ Map }}"}, "{{ Text }}": 1}), json!({"a": {"b": {"k": 1}}, "t": 1})),
            (json!("{{ step.Missing }} and {{ Text }}"), json!("{{ step.Missing }} and t")),
            (json!("{{step.Missing}}"), json!("{{step.Missing}}")),
            (json!("{\"a\":{\"b\":{}}}"), json!("{\"a\":{\"b\":{}}}")),
            (json!("{{ not a name }} {{ Text }} {{"), json!("{{ not a name }} t {{")),
            (json!(5), json!(5)),
            (json!(""), json!("")),
        ];
        for (from, expected) in cases {
            assert_eq!(resolve(&from, &lookup), expected, "{from}");
        }
    }

    #[test]
    fn a_text_that_is_an_object_or_a_list_is_parsed_and_no_other() {
        let given = json!({"a": "{\"x\": 1.5}", "b": ["[1]", "1", "true", "{{ no.reference }}", ""], "c": 2});
        let expected = json!({"a": {"x": 1.5}, "b": [[1], "1", "true", "{{ no.reference }}", ""], "c": 2});
        assert_eq!(parsed(&given), expected);
    }

    #[test]
    fn finds_names_at_any_depth() {
        let value = json!({"a": ["{{ X }} {{ s.Y }}", {"b": "{{global:REGION}}"}], "{{ Key }}": 1});
        assert_eq!(names(&value), ["X", "s.Y", "global:REGION", "Key"]);
    }
}
