//! Applies an update to an item.
//!
//! All actions see the item as it was before the first of them. What fails leaves no half of an update: a new item is made,
//! or none.

use super::path::{Path, Step};
use super::update::{Term, Update};
use crate::attribute::{Attribute, Item};
use crate::error::{Error, Result};
use crate::number::Number;

impl Update {
    /// The item after the update.
    ///
    /// # Errors
    /// When what is in the item does not fit: a type, or a place that is not there.
    pub fn apply(&self, before: &Item) -> Result<Item> {
        let mut after = before.clone();
        // In the order of their places, so that what is set behind a list's end is appended in the order of the indexes.
        let mut sets: Vec<&(Path, Term)> = self.sets.iter().collect();
        sets.sort_by(|one, two| one.0.cmp(&two.0));
        for (path, value) in sets {
            put(&mut after, path, value.of(before)?)?;
        }
        for (path, value) in &self.adds {
            let sum = match (path.find(before), value) {
                (None, value) => value.clone(),
                (Some(Attribute::N(one)), Attribute::N(two)) => Attribute::N(one.plus(*two)?),
                (Some(Attribute::Ss(one)), Attribute::Ss(two)) => {
                    Attribute::Ss(one.union(two).cloned().collect())
                }
                (Some(Attribute::Ns(one)), Attribute::Ns(two)) => {
                    Attribute::Ns(one.union(two).copied().collect())
                }
                (Some(Attribute::Bs(one)), Attribute::Bs(two)) => {
                    Attribute::Bs(one.union(two).cloned().collect())
                }
                _ => return Err(wrong_type()),
            };
            put(&mut after, path, sum)?;
        }
        for (path, value) in &self.deletes {
            let rest = match (path.find(before), value) {
                (None, _) => {
                    parent(&mut after, path)?;
                    continue;
                }
                (Some(Attribute::Ss(one)), Attribute::Ss(two)) => {
                    Attribute::Ss(one.difference(two).cloned().collect())
                }
                (Some(Attribute::Ns(one)), Attribute::Ns(two)) => {
                    Attribute::Ns(one.difference(two).copied().collect())
                }
                (Some(Attribute::Bs(one)), Attribute::Bs(two)) => {
                    Attribute::Bs(one.difference(two).cloned().collect())
                }
                _ => return Err(wrong_type()),
            };
            // There is no empty set.
            if rest.length() == Some(0) { remove(&mut after, path)? } else { put(&mut after, path, rest)? }
        }
        // From behind, so that an index means what it meant before. What was not there before is not removed.
        let mut removes: Vec<&Path> = self.removes.iter().collect();
        removes.sort_by(|one, two| two.cmp(one));
        for path in removes {
            if path.find(before).is_some() {
                remove(&mut after, path)?;
            } else {
                parent(&mut after, path)?;
            }
        }
        Ok(after)
    }
}

impl Term {
    fn of(&self, item: &Item) -> Result<Attribute> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Plus(one, two) => Ok(Attribute::N(one.number(item)?.plus(two.number(item)?)?)),
            Self::Minus(one, two) => Ok(Attribute::N(one.number(item)?.minus(two.number(item)?)?)),
            Self::Path(path) => path.find(item).cloned().ok_or_else(|| {
                Error::validation(
                    "The provided expression refers to an attribute that does not exist in the item",
                )
            }),
            Self::IfNotExists(path, otherwise) => match path.find(item) {
                Some(value) => Ok(value.clone()),
                None => otherwise.of(item),
            },
            Self::ListAppend(one, two) => match (one.of(item)?, two.of(item)?) {
                (Attribute::L(one), Attribute::L(two)) => Ok(Attribute::L([one, two].concat())),
                _ => Err(wrong_type()),
            },
        }
    }

    fn number(&self, item: &Item) -> Result<Number> {
        match self.of(item)? {
            Attribute::N(number) => Ok(number),
            _ => Err(wrong_type()),
        }
    }
}

fn wrong_type() -> Error {
    Error::validation("An operand in the update expression has an incorrect data type")
}

fn no_place() -> Error {
    Error::validation("The document path provided in the update expression is invalid for update")
}

/// What a path's last step is a step of; `None` for an attribute of the item itself.
fn parent<'a>(item: &'a mut Item, path: &'a Path) -> Result<Option<(&'a mut Attribute, &'a Step)>> {
    let Some((last, way)) = path.steps.split_last() else { return Ok(None) };
    let mut at = item.get_mut(&path.name).ok_or_else(no_place)?;
    for step in way {
        at = match (step, at) {
            (Step::Member(name), Attribute::M(map)) => map.get_mut(name),
            (Step::Index(index), Attribute::L(list)) => list.get_mut(*index),
            _ => None,
        }
        .ok_or_else(no_place)?;
    }
    match (last, &*at) {
        (Step::Member(_), Attribute::M(_)) | (Step::Index(_), Attribute::L(_)) => Ok(Some((at, last))),
        _ => Err(no_place()),
    }
}

fn put(item: &mut Item, path: &Path, value: Attribute) -> Result<()> {
    match parent(item, path)? {
        None => drop(item.insert(path.name.clone(), value)),
        Some((Attribute::M(map), Step::Member(name))) => drop(map.insert(name.clone(), value)),
        Some((Attribute::L(list), Step::Index(index))) => match list.get_mut(*index) {
            Some(place) => *place = value,
            None => list.push(value),
        },
        Some(_) => return Err(no_place()),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) -> Result<()> {
    match parent(item, path)? {
        None => drop(item.remove(&path.name)),
        Some((Attribute::M(map), Step::Member(name))) => drop(map.remove(name)),
        Some((Attribute::L(list), Step::Index(index))) if *index < list.len() => drop(list.remove(*index)),
        Some(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::scope::Scope;
    use super::*;
    use crate::attribute::{item_json, read_item};

    fn update(source: &str) -> std::result::Result<Value, String> {
        let item = read_item(&json!({
            "id": {"S": "a"}, "n": {"N": "5"}, "s": {"S": "x"}, "tags": {"SS": ["x", "y"]},
            "l": {"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}]}, "m": {"M": {"k": {"N": "1"}, "l": {"L": []}}},
        }));
        let input = json!({"ExpressionAttributeNames": {"#n": "name"}, "ExpressionAttributeValues": {
            ":one": {"N": "1"}, ":s": {"S": "new"}, ":l": {"L": [{"S": "3"}]}, ":x": {"SS": ["x"]}, ":z": {"SS": ["z"]},
            ":xy": {"SS": ["x", "y"]}, ":ns": {"NS": ["1"]}}, "UpdateExpression": source});
        let scope = Scope::read(&input, &["UpdateExpression"]).unwrap();
        let read = Update::read(source, &scope).and_then(|update| update.apply(&item.unwrap()));
        read.map(|item| item_json(&item)).map_err(|error| error.message)
    }

    #[test]
    fn actions_change_what_they_name() {
        for (source, attribute, wanted) in [
            ("SET n = n + :one", "n", json!({"N": "6"})),
            ("SET n = :one - n", "n", json!({"N": "-4"})),
            ("SET n = (n + :one)", "n", json!({"N": "6"})),
            ("SET n = (n + :one) - (:one + :one)", "n", json!({"N": "4"})),
            ("set #n = :s", "name", json!({"S": "new"})),
            ("SET n = s, s = n", "s", json!({"N": "5"})),
            ("SET a = if_not_exists(gone, :one) + :one", "a", json!({"N": "2"})),
            ("SET a = if_not_exists(n, :one)", "a", json!({"N": "5"})),
            (
                "SET l = list_append(:l, l) REMOVE s",
                "l",
                json!({"L": [{"S": "3"}, {"S": "0"}, {"S": "1"}, {"S": "2"}]}),
            ),
            ("SET a = list_append(if_not_exists(a, :l), :l)", "a", json!({"L": [{"S": "3"}, {"S": "3"}]})),
            (
                "SET l[9] = :one, l[7] = :s",
                "l",
                json!({"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}, {"S": "new"}, {"N": "1"}]}),
            ),
            ("SET l[1] = :s REMOVE l[0]", "l", json!({"L": [{"S": "new"}, {"S": "2"}]})),
            ("REMOVE l[0], l[2]", "l", json!({"L": [{"S": "1"}]})),
            (
                "SET l[4] = :s REMOVE l[3]",
                "l",
                json!({"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}, {"S": "new"}]}),
            ),
            (
                "SET m.k = m.k + :one, m.z = :s",
                "m",
                json!({"M": {"k": {"N": "2"}, "l": {"L": []}, "z": {"S": "new"}}}),
            ),
            ("REMOVE m.k, m.gone", "m", json!({"M": {"l": {"L": []}}})),
            ("ADD n :one", "n", json!({"N": "6"})),
            ("ADD a :one", "a", json!({"N": "1"})),
            ("ADD tags :z DELETE gone :x", "tags", json!({"SS": ["x", "y", "z"]})),
            ("DELETE tags :x", "tags", json!({"SS": ["y"]})),
            ("DELETE tags :xy", "tags", Value::Null),
            ("REMOVE s, gone", "s", Value::Null),
        ] {
            let item = update(source).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(item[attribute], wanted, "{source}");
        }
    }

    #[test]
    fn mistakes_are_told_in_the_services_words() {
        for (source, message) in [
            ("", "Invalid UpdateExpression: The expression can not be empty;"),
            ("SET", "Invalid UpdateExpression: Syntax error; token: \"<EOF>\", near: \"SET\""),
            ("n = :one", "Invalid UpdateExpression: Syntax error; token: \"n\", near: \"n =\""),
            ("SET n = :one + :one + :one", "Syntax error; token: \"+\", near: \":one + :one\""),
            ("SET n = :one, SET s = :s", "Syntax error; token: \"SET\", near: \", SET s\""),
            ("SET n = :one SET s = :s", "The \"SET\" section can only be used once in an update expression;"),
            (
                "SET n = :one REMOVE n",
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [n], path two: [n]",
            ),
            (
                "SET m = :s, m.k = :one",
                "overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]",
            ),
            (
                "SET m.k = :s, m[1] = :one",
                "conflict with each other; must remove or rewrite one of these paths; path one: [m, k], path two: [m, [1]]",
            ),
            ("SET name = :s", "Attribute name is a reserved keyword; reserved keyword: name"),
            ("ADD n :s", "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
            ("DELETE n :one", "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
            ("ADD s :one", "An operand in the update expression has an incorrect data type"),
            ("ADD tags :ns", "An operand in the update expression has an incorrect data type"),
            ("SET n = s + :one", "An operand in the update expression has an incorrect data type"),
            ("SET n = n + :s", "operator or function: +, operand type: S"),
            ("SET n = list_append(l, :s)", "operator or function: list_append, operand type: S"),
            ("SET n = list_append(s, :l)", "An operand in the update expression has an incorrect data type"),
            ("SET n = gone", "refers to an attribute that does not exist in the item"),
            ("SET gone.k = :s", "The document path provided in the update expression is invalid for update"),
            ("SET s.k = :s", "The document path provided in the update expression is invalid for update"),
            ("SET m[0] = :s", "The document path provided in the update expression is invalid for update"),
            ("REMOVE gone.k", "The document path provided in the update expression is invalid for update"),
            ("SET n = size(l)", "The function is not allowed in an update expression; function: size"),
            ("SET n = foo(l)", "Invalid function name; function: foo"),
        ] {
            let told = update(source).unwrap_err();
            assert!(told.contains(message), "{source}: {told}");
        }
    }
}
