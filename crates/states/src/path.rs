//! The part of JSONPath that names one place: `$.a.b[0]`, `$['a b']`, and the same in the context object, from `$$` on.

use serde_json::{Map, Value};

/// Names one place in a state's input, or in the context object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    /// Whether it is one in the context object.
    context: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// The places of the context object that can be named.
const CONTEXT: [(&str, &[&str]); 4] = [
    ("Execution", &["Id", "Input", "Name", "RedriveCount", "RoleArn", "StartTime"]),
    ("State", &["EnteredTime", "Name", "RetryCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("Map", &["Item"]),
];

impl Path {
    /// Reads a path. `in_map` says whether it may name the item of a map.
    ///
    /// # Errors
    /// What is wrong with it, and what is supported.
    pub fn read(text: &str, in_map: bool) -> Result<Self, String> {
        if text.starts_with("States.") {
            return Err(format!(
                "takes a path such as $.a.b[0]; intrinsic functions (`{text}`) are not supported"
            ));
        }
        let (context, rest) = match text.strip_prefix("$$") {
            Some(rest) => (true, rest),
            None => (
                false,
                text.strip_prefix('$').ok_or_else(|| format!("takes a path from $ on, not `{text}`"))?,
            ),
        };
        let steps = steps(rest).ok_or_else(|| {
            format!("takes a path to one place, such as $.a.b[0] or $['a b'], not `{text}`: filters, wildcards and slices are not supported")
        })?;
        let path = Self { text: text.to_owned(), context, steps };
        if context {
            path.in_context(in_map)?;
        }
        Ok(path)
    }

    /// The whole input, `$`.
    pub fn root() -> Self {
        Self { text: "$".to_owned(), context: false, steps: Vec::new() }
    }

    /// Reads a path to a place that a result can be put to: members of the input only.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read_target(text: &str) -> Result<Self, String> {
        let path = Self::read(text, false)?;
        if path.context || path.steps.iter().any(|step| matches!(step, Step::Item(_))) {
            return Err(format!("takes members of the input, such as $.a.b, not `{text}`"));
        }
        Ok(path)
    }

    fn in_context(&self, in_map: bool) -> Result<(), String> {
        let named = |index: usize| match self.steps.get(index) {
            Some(Step::Member(name)) => name.as_str(),
            _ => "",
        };
        let of = CONTEXT.iter().find(|(name, members)| *name == named(0) && members.contains(&named(1)));
        if of.is_none() {
            let known: Vec<String> = CONTEXT
                .iter()
                .flat_map(|(name, all)| all.iter().map(move |one| format!("$$.{name}.{one}")))
                .collect();
            return Err(format!(
                "takes a place of the context object, one of {}, not `{}`",
                known.join(", "),
                self.text
            ));
        }
        let item = ["Index", "Value"].contains(&named(2));
        if named(0) == "Map" && !(in_map && item) {
            return Err(format!(
                "`{}` is not there: $$.Map.Item.Index and $$.Map.Item.Value are, in an ItemSelector only",
                self.text
            ));
        }
        Ok(())
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is there; `None` when nothing is.
    pub fn find<'a>(&self, input: &'a Value, context: &'a Value) -> Option<&'a Value> {
        let mut at = if self.context { context } else { input };
        for step in &self.steps {
            at = match step {
                Step::Member(name) => at.as_object()?.get(name)?,
                Step::Item(index) => at.as_array()?.get(*index)?,
            };
        }
        Some(at)
    }

    /// Puts a value into `into`, and makes the objects on the way that are not there.
    ///
    /// # Errors
    /// When something on the way is no object.
    pub fn put(&self, into: &mut Value, value: Value) -> Result<(), String> {
        let mut at = into;
        for step in &self.steps {
            let Step::Member(name) = step else {
                return Err(format!("{} is no place for a result", self.text));
            };
            if !at.is_object() {
                return Err(format!("{} can't be set: what is above `{name}` is no object", self.text));
            }
            at = at
                .as_object_mut()
                .ok_or_else(|| format!("{} can't be set", self.text))?
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
        }
        *at = value;
        Ok(())
    }
}

/// The steps of what follows `$`; `None` when it is nothing of this.
fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at(end);
            let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
            if name.is_empty() || !name.chars().all(plain) {
                return None;
            }
            steps.push(Step::Member(name.to_owned()));
            rest = left;
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let (name, left) = quoted.split_once("']")?;
            if name.is_empty() || name.contains(['\'', '\\']) {
                return None;
            }
            steps.push(Step::Member(name.to_owned()));
            rest = left;
        } else {
            let (index, left) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(Step::Item(index.parse().ok()?));
            rest = left;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(path: &str) -> Option<Value> {
        let input = json!({"a": {"b": [1, {"c d": 2}]}, "x-y": null});
        let context = json!({"Execution": {"Id": "e"}, "Map": {"Item": {"Index": 3, "Value": {"k": 4}}}});
        Path::read(path, true).unwrap().find(&input, &context).cloned()
    }

    #[test]
    fn a_path_names_one_place_of_the_input_or_the_context() {
        assert_eq!(find("$.a.b[0]"), Some(json!(1)));
        assert_eq!(find("$['a'].b[1]['c d']"), Some(json!(2)));
        assert_eq!(find("$.x-y"), Some(Value::Null));
        assert_eq!(find("$.a.c"), None);
        assert_eq!(find("$.a[0]"), None);
        assert_eq!(find("$$.Execution.Id"), Some(json!("e")));
        assert_eq!(find("$$.Map.Item.Value.k"), Some(json!(4)));
        assert!(find("$").unwrap().is_object());
    }

    #[test]
    fn what_is_more_than_one_place_is_refused() {
        for text in ["a", "$.a[*]", "$..a", "$.a[?(@.b)]", "$.a[0:2]", "$.", "$.a.", "$[a]", "$['a", "$.a b"]
        {
            assert!(Path::read(text, false).is_err(), "{text}");
        }
        let error = Path::read("States.Format('{}', $.a)", false).unwrap_err();
        assert!(error.contains("intrinsic functions"), "{error}");
        for text in ["$$", "$$.Task.Token", "$$.Execution", "$$.Map.Item.Value"] {
            assert!(Path::read(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_result_is_put_where_objects_are() {
        let mut input = json!({"a": 1});
        Path::read_target("$.b.c").unwrap().put(&mut input, json!([2])).unwrap();
        assert_eq!(input, json!({"a": 1, "b": {"c": [2]}}));
        assert!(Path::read_target("$.a.c").unwrap().put(&mut input, json!(3)).is_err());
        assert!(Path::read_target("$.a[0]").is_err());
        assert!(Path::read_target("$$.Execution.Id").is_err());
    }
}
