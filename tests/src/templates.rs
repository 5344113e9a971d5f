//! CloudFormation's templates as JSON.

use serde_json::{Value, json};
use serde_norway::Value as Yaml;

/// The short forms of functions as the long ones, which JSON has.
#[must_use]
pub fn long(value: &Yaml) -> Value {
    match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => json!(truth),
        Yaml::Number(number) => json!(number),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.iter().map(long).collect(),
        Yaml::Mapping(members) => {
            let members = members.iter().map(|(name, value)| {
                (name.as_str().map_or_else(|| long(name).to_string(), str::to_owned), long(value))
            });
            Value::Object(members.collect())
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = match tag.trim_start_matches('!') {
                "Ref" => "Ref".to_owned(),
                "Condition" => "Condition".to_owned(),
                function => format!("Fn::{function}"),
            };
            let mut value = long(&tagged.value);
            if name == "Fn::GetAtt"
                && let Some((resource, attribute)) = value.as_str().and_then(|text| text.split_once('.'))
            {
                value = json!([resource, attribute]);
            }
            json!({name: value})
        }
    }
}
