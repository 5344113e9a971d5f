//! Data types of parameters, variables and outputs, and the conversions between them that AWS documents
//! ("Using action outputs as inputs").

use serde_json::Value;

/// A data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text.
    String,
    /// List of texts.
    StringList,
    /// Whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Map.
    StringMap,
    /// List of maps.
    MapList,
}

impl Type {
    /// Reads a type's name as a parameter may have it: also the AWS-specific ones, for which the console has pickers.
    pub fn of_parameter(name: &str) -> Option<Self> {
        const PICKERS: [&str; 3] = ["AWS::EC2::Instance::Id", "AWS::S3::Bucket::Name", "AWS::IAM::Role::Arn"];
        if PICKERS.contains(&name) {
            return Some(Self::String);
        }
        if name
            .strip_prefix("List<")
            .and_then(|rest| rest.strip_suffix('>'))
            .is_some_and(|of| PICKERS.contains(&of))
        {
            return Some(Self::StringList);
        }
        Self::of_output(name)
    }

    /// Reads a type's name as an output may have it.
    pub fn of_output(name: &str) -> Option<Self> {
        Some(match name {
            "String" => Self::String,
            "StringList" => Self::StringList,
            "Integer" => Self::Integer,
            "Boolean" => Self::Boolean,
            "StringMap" => Self::StringMap,
            "MapList" => Self::MapList,
            _ => return None,
        })
    }

    /// Whether a value is of this type.
    pub fn holds(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::StringList => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::StringMap => value.is_object(),
            Self::MapList => value.as_array().is_some_and(|items| items.iter().all(Value::is_object)),
        }
    }

    /// Converts a value as Automation does for an output's `Type`; `None` where AWS documents no such conversion.
    pub fn convert(self, value: &Value) -> Option<Value> {
        if self.holds(value) {
            return Some(value.clone());
        }
        match (self, value) {
            (Self::String, Value::Bool(_) | Value::Number(_)) => Some(Value::String(text(value))),
            (Self::StringList, Value::String(_) | Value::Bool(_) | Value::Number(_)) => {
                Some(Value::Array(vec![Value::String(text(value))]))
            }
            (Self::StringList, Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(Value::String(text(item))),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .map(Value::Array),
            (Self::Integer, Value::String(word)) => word.trim().parse::<i64>().ok().map(Value::from),
            (Self::Boolean, Value::String(word)) => boolean(word).map(Value::Bool),
            (Self::String | Self::Integer | Self::Boolean, Value::Array(items)) => match items.as_slice() {
                [only @ (Value::String(_) | Value::Bool(_) | Value::Number(_))] => self.convert(only),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads the texts that `StartAutomationExecution` takes for a parameter.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of_texts(self, texts: &[String]) -> Result<Value, String> {
        let parsed = |text: &String| serde_json::from_str::<Value>(text).ok();
        match (self, texts) {
            (Self::StringList, texts) => Ok(texts.iter().map(|text| Value::String(text.clone())).collect()),
            (Self::MapList, texts) => {
                let maps: Option<Value> = match texts {
                    [one] if one.trim_start().starts_with('[') => parsed(one),
                    _ => texts.iter().map(parsed).collect(),
                };
                maps.filter(|maps| self.holds(maps)).ok_or_else(|| "takes JSON objects".to_owned())
            }
            (Self::String, [one]) => Ok(Value::String(one.clone())),
            (Self::Integer, [one]) => {
                one.parse::<i64>().map(Value::from).map_err(|_| format!("takes a whole number, not `{one}`"))
            }
            (Self::Boolean, [one]) => {
                boolean(one).map(Value::Bool).ok_or_else(|| format!("takes true or false, not `{one}`"))
            }
            (Self::StringMap, [one]) => {
                parsed(one).filter(Value::is_object).ok_or_else(|| "takes a JSON object".to_owned())
            }
            (_, texts) => Err(format!("takes one value, not {}", texts.len())),
        }
    }

    /// The type's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::Integer => "Integer",
            Self::Boolean => "Boolean",
            Self::StringMap => "StringMap",
            Self::MapList => "MapList",
        }
    }
}

/// `true` or `false`, in any case.
pub fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A value as text: texts as they are, everything else as JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value as the list of texts in which SSM's API shows parameters and outputs.
pub fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(text).collect(),
        other => vec![text(other)],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn converts_what_aws_documents_and_nothing_else() {
        let cases = [
            (Type::String, json!(5), Some(json!("5"))),
            (Type::String, json!(true), Some(json!("true"))),
            (Type::String, json!(["a"]), Some(json!("a"))),
            (Type::String, json!(["a", "b"]), None),
            (Type::String, json!({"a": 1}), None),
            (Type::StringList, json!("a"), Some(json!(["a"]))),
            (Type::StringList, json!([1, true]), Some(json!(["1", "true"]))),
            (Type::StringList, json!([{"a": 1}]), None),
            (Type::Integer, json!("7"), Some(json!(7))),
            (Type::Integer, json!(["7"]), Some(json!(7))),
            (Type::Integer, json!(1.5), None),
            (Type::Boolean, json!("TRUE"), Some(json!(true))),
            (Type::Boolean, json!("yes"), None),
            (Type::StringMap, json!({"a": 1}), Some(json!({"a": 1}))),
            (Type::StringMap, json!("{}"), None),
            (Type::MapList, json!([{"a": 1}]), Some(json!([{"a": 1}]))),
        ];
        for (to, from, expected) in cases {
            assert_eq!(to.convert(&from), expected, "{from} to {}", to.name());
        }
    }

    #[test]
    fn reads_parameters_from_texts() {
        let read = |of: Type, texts: &[&str]| {
            of.of_texts(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(read(Type::String, &["a"]), Ok(json!("a")));
        assert_eq!(read(Type::String, &["a", "b"]), Err("takes one value, not 2".to_owned()));
        assert_eq!(read(Type::StringList, &["a", "b"]), Ok(json!(["a", "b"])));
        assert_eq!(read(Type::StringList, &[]), Ok(json!([])));
        assert_eq!(read(Type::Integer, &["12"]), Ok(json!(12)));
        assert!(read(Type::Integer, &["12.5"]).is_err());
        assert_eq!(read(Type::Boolean, &["False"]), Ok(json!(false)));
        assert_eq!(read(Type::StringMap, &["{\"a\":1}"]), Ok(json!({"a": 1})));
        assert!(read(Type::StringMap, &["[]"]).is_err());
        assert_eq!(read(Type::MapList, &["[{\"a\":1}]"]), Ok(json!([{"a": 1}])));
        assert_eq!(read(Type::MapList, &["{}", "{}"]), Ok(json!([{}, {}])));
    }
}
