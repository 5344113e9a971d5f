//! Holds what was derived against a file that is there: what has changed in the account since, and what a person has
//! written, which stays. Pure.
//!
//! Three states are compared: the file, what was derived when it was written (`before`), and what is derived now. Where the
//! account has not changed, the file is right whatever it says. Where it has, the file follows, unless a person has written
//! something else there: that stays, and is told. Without a `before`, the file was written by hand: whatever differs is a
//! change. What `init` does not derive (limits, `reconcile`, `report`, …) is never looked at.

use serde_json::{Map, Value};

/// A change that the file would get.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where: the members' names.
    pub path: Vec<String>,
    /// What the file says; none when it is absent.
    pub was: Option<Value>,
    /// What it would say; none when it would be taken out.
    pub is: Option<Value>,
}

/// What came of a comparison.
#[derive(Debug, PartialEq)]
pub struct Compared {
    /// The file with the changes.
    pub result: Value,
    /// The changes.
    pub changes: Vec<Change>,
    /// What a person has written and the account says otherwise, a line each.
    pub kept: Vec<String>,
}

/// Compares. The members of the member called `whole` come and go as one each.
pub fn compare(there: &Value, before: Option<&Value>, now: &Value, whole: &str) -> Compared {
    let mut paths: Vec<Vec<String>> = Vec::new();
    for side in before.into_iter().chain([now]) {
        let mut leaves = Vec::new();
        leaf_paths(side, &mut Vec::new(), &mut leaves);
        for mut path in leaves {
            let member = path.get(..2).filter(|start| start[0] == whole).map(<[String]>::to_vec);
            if let Some(member) = member
                && (at(there, &member).is_none() || at(now, &member).is_none())
            {
                path = member;
            }
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    // What was written by hand and is not found at all.
    if let (None, Some(members)) = (before, there.get(whole).and_then(Value::as_object)) {
        let strangers = members.keys().map(|name| vec![whole.to_owned(), name.clone()]);
        paths.extend(strangers.filter(|path| at(now, path).is_none()));
    }
    let mut compared = Compared { result: there.clone(), changes: Vec::new(), kept: Vec::new() };
    for path in paths {
        let [was, then, is] =
            [Some(there), before, Some(now)].map(|side| side.and_then(|side| at(side, &path)));
        if was == is {
            continue;
        }
        // A thing that is gone takes along what a person has written into it.
        let gone = path.len() == 2 && path[0] == whole && then.is_some() && is.is_none() && was.is_some();
        if before.is_some() && !gone && then != was {
            compared.kept.push(format!("{}: {}, found: {}", path.join("."), short(was), short(is)));
            continue;
        }
        set(&mut compared.result, &path, is.cloned());
        compared.changes.push(Change { path, was: was.cloned(), is: is.cloned() });
    }
    compared
}

impl Change {
    /// The change, in a line.
    pub fn line(&self) -> String {
        format!("{}: {} -> {}", self.path.join("."), short(self.was.as_ref()), short(self.is.as_ref()))
    }
}

/// A value in a line; a long list or object by its size.
fn short(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Array(items)) if value.is_some_and(|value| value.to_string().len() > 200) => {
            format!("a list of {}", items.len())
        }
        Some(Value::Object(_)) => "as found".to_owned(),
        Some(value) => value.to_string(),
    }
}

/// The paths of everything that is no object. A list is one thing.
fn leaf_paths(value: &Value, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
    let Value::Object(members) = value else {
        all.push(path.clone());
        return;
    };
    for (name, member) in members {
        path.push(name.clone());
        leaf_paths(member, path, all);
        path.pop();
    }
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// Puts a value at a path, or takes out what is there.
fn set(value: &mut Value, path: &[String], new: Option<Value>) {
    let Some((last, way)) = path.split_last() else { return };
    let mut place = value;
    for name in way {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[name.as_str()];
    }
    match new {
        Some(new) => place[last.as_str()] = new,
        None => {
            // `shift_remove`: the others keep their order.
            place.as_object_mut().map(|members| members.shift_remove(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(compared: &Compared) -> Vec<String> {
        compared.changes.iter().map(Change::line).collect()
    }

    #[test]
    fn what_changed_in_the_account_changes_in_the_file_and_the_rest_of_the_file_stays() {
        let there = json!({"name": "shop", "limits": {"rpoSeconds": 5}, "databases": {
            "orders": {"key": "old", "report": {"T": {"label": "t"}}}}});
        let before = json!({"name": "shop", "databases": {"orders": {"key": "old"}}});
        let now = json!({"name": "shop", "databases": {"orders": {"key": "new", "group": "g"}}});
        let compared = compare(&there, Some(&before), &now, "databases");
        assert_eq!(
            lines(&compared),
            ["databases.orders.key: \"old\" -> \"new\"", "databases.orders.group: absent -> \"g\""]
        );
        let mut expected = there.clone();
        expected["databases"]["orders"]["key"] = json!("new");
        expected["databases"]["orders"]["group"] = json!("g");
        assert_eq!((compared.result, compared.kept.len()), (expected, 0));
    }

    #[test]
    fn what_a_person_has_written_stays_whether_the_account_has_changed_or_not() {
        let (before, there) = (json!({"a": 1, "b": 1, "c": 1}), json!({"a": 5, "b": 5}));
        let compared = compare(&there, Some(&before), &json!({"a": 1, "b": 2, "c": 1}), "databases");
        assert_eq!(compared.changes, []);
        assert_eq!(compared.result, there);
        assert_eq!(compared.kept, ["a: 5, found: 1", "b: 5, found: 2", "c: absent, found: 1"]);
    }

    #[test]
    fn a_database_comes_and_goes_whole() {
        let there = json!({"databases": {"orders": {"key": "k", "report": {}}, "own": {"key": "x"}}});
        let before = json!({"databases": {"orders": {"key": "k"}}});
        let now = json!({"databases": {"stock": {"key": "s", "more": {"a": 1}}}});
        let compared = compare(&there, Some(&before), &now, "databases");
        assert_eq!(
            lines(&compared),
            [
                "databases.orders: as found -> absent".to_owned(),
                "databases.stock: absent -> as found".to_owned(),
            ]
        );
        assert_eq!(
            compared.result,
            json!({"databases": {"own": {"key": "x"}, "stock": {"key": "s", "more": {"a": 1}}}})
        );
    }

    #[test]
    fn a_file_that_was_written_by_hand_is_held_against_the_account() {
        let there =
            json!({"a": 1, "limits": {}, "databases": {"gone": {"key": "k"}, "orders": {"key": "k"}}});
        let now = json!({"a": 2, "databases": {"orders": {"key": "k"}}});
        let compared = compare(&there, None, &now, "databases");
        assert_eq!(lines(&compared), ["a: 1 -> 2", "databases.gone: as found -> absent"]);
        assert_eq!(compared.result, json!({"a": 2, "limits": {}, "databases": {"orders": {"key": "k"}}}));
    }
}
