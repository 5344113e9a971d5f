//! A payload template: JSON whose keys that end in `.$` are filled from paths.

use serde_json::{Map, Value};

use crate::members::Place;
use crate::path::Path;

/// A payload template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// A value as it is.
    Literal(Value),
    /// What a path names.
    Path(Path),
    /// An object of templates.
    Object(Vec<(String, Template)>),
    /// A list of templates.
    List(Vec<Template>),
}

impl Template {
    /// Reads a template. `in_map` says whether its paths may name the item of a map.
    pub fn read(value: Value, in_map: bool, place: &mut Place<'_>) -> Self {
        match value {
            Value::Object(map) => {
                let mut members: Vec<(String, Self)> = Vec::new();
                for (key, value) in map {
                    let mut inner = place.inside(&key);
                    let (name, template) = match key.strip_suffix(".$") {
                        None => (key, Self::read(value, in_map, &mut inner)),
                        Some(name) => {
                            let text = value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
                            match Path::read(&text, in_map) {
                                Ok(path) => (name.to_owned(), Self::Path(path)),
                                Err(problem) => {
                                    inner.problem(problem);
                                    continue;
                                }
                            }
                        }
                    };
                    if members.iter().any(|(other, _)| *other == name) {
                        place.problem(format!("has both `{name}` and `{name}.$`"));
                    }
                    members.push((name, template));
                }
                Self::Object(members)
            }
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                Self::List(
                    items.map(|(index, item)| Self::read(item, in_map, &mut place.item(index))).collect(),
                )
            }
            literal => Self::Literal(literal),
        }
    }

    /// The template with its paths filled.
    ///
    /// # Errors
    /// The path that names nothing.
    pub fn fill(&self, input: &Value, context: &Value) -> Result<Value, String> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Path(path) => path
                .find(input, context)
                .cloned()
                .ok_or_else(|| format!("The JSONPath '{}' could not be found in the input", path.text())),
            Self::Object(members) => {
                let filled = members.iter().map(|(name, one)| Ok((name.clone(), one.fill(input, context)?)));
                Ok(Value::Object(filled.collect::<Result<Map<_, _>, String>>()?))
            }
            Self::List(items) => items.iter().map(|item| item.fill(input, context)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> (Template, Vec<String>) {
        let mut problems = Vec::new();
        let template = Template::read(value, true, &mut Place::new("Payload", &mut problems));
        (template, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn keys_with_a_dollar_are_filled_and_all_else_stays() {
        let (template, problems) = read(json!({
            "plan.$": "$.plan", "fixed": {"at.$": "$$.Map.Item.Index", "of": ["$.plan", {"x.$": "$"}]},
        }));
        assert_eq!(problems, [""; 0]);
        let context = json!({"Map": {"Item": {"Index": 7}}});
        let input = json!({"plan": "shop"});
        let expected = json!({"plan": "shop", "fixed": {"at": 7, "of": ["$.plan", {"x": {"plan": "shop"}}]}});
        assert_eq!(template.fill(&input, &context), Ok(expected));
        let missing = template.fill(&json!({}), &context).unwrap_err();
        assert!(missing.contains("$.plan"), "{missing}");
    }

    #[test]
    fn a_problem_has_its_place() {
        let (_, problems) = read(json!({"a": [{"b.$": 5}], "c": 1, "c.$": "$.c"}));
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("Payload.a[0].b.$: "), "{problems:?}");
        assert!(problems[1].starts_with("Payload: has both `c`"), "{problems:?}");
    }
}
