//! Keys: which attributes identify an item in a table or an index, and where the item stands by them.
//!
//! Items stand in the order of a hash of their partition key, so that nobody relies on an order that DynamoDB does not
//! promise, and within a partition in the order of their sort key.

use crate::attribute::{Attribute, Item};
use crate::error::{Error, Result};
use crate::number::Number;

/// The most bytes of a partition key and of a sort key.
const MAX_PARTITION: usize = 2048;
const MAX_SORT: usize = 1024;

/// The attributes of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Keys {
    pub partition: KeyAttribute,
    pub sort: Option<KeyAttribute>,
}

/// An attribute of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyAttribute {
    pub name: String,
    /// `S`, `N` or `B`.
    pub kind: String,
}

/// The value of a key attribute. Numbers are ordered by value, texts and bytes by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyValue {
    S(String),
    N(Number),
    B(Vec<u8>),
}

/// Where an item stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Of the partition key.
    pub hash: u64,
    pub partition: KeyValue,
    pub sort: Option<KeyValue>,
}

impl KeyValue {
    /// The value of a type that a key can have.
    pub fn of(value: &Attribute) -> Option<Self> {
        match value {
            Attribute::S(text) => Some(Self::S(text.clone())),
            Attribute::N(number) => Some(Self::N(*number)),
            Attribute::B(bytes) => Some(Self::B(bytes.clone())),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::S(text) => text.is_empty(),
            Self::B(bytes) => bytes.is_empty(),
            Self::N(_) => false,
        }
    }
}

impl KeyAttribute {
    /// The value of this attribute, which has to be one that a key can have.
    ///
    /// # Errors
    /// When it has another type, or is empty or too large.
    fn check(&self, value: &Attribute, limit: usize) -> Result<KeyValue> {
        let key = KeyValue::of(value).filter(|_| value.kind() == self.kind).ok_or_else(|| {
            Error::parameter(format!(
                "Type mismatch for key {} expected: {} actual: {}",
                self.name,
                self.kind,
                value.kind()
            ))
        })?;
        self.check_empty(value)?;
        self.check_size(value, limit)?;
        Ok(key)
    }

    /// Whether a value is not empty, whatever its type.
    fn check_empty(&self, value: &Attribute) -> Result<()> {
        if KeyValue::of(value).is_some_and(|key| key.is_empty()) {
            let kind = if self.kind == "B" { "binary" } else { "string" };
            return Err(Error::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {}",
                self.name
            )));
        }
        Ok(())
    }

    fn check_size(&self, value: &Attribute, limit: usize) -> Result<()> {
        if value.size() > limit {
            let message = if limit == MAX_PARTITION {
                "Size of hashkey has exceeded the maximum size limit of2048 bytes"
            } else {
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
            };
            return Err(Error::parameter(message));
        }
        Ok(())
    }
}

impl Keys {
    /// The attributes, the partition's first.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        [&self.partition].into_iter().chain(&self.sort)
    }

    /// Whether an attribute is one of the key.
    pub fn has(&self, name: &str) -> bool {
        self.attributes().any(|one| one.name == name)
    }

    /// The key of an item.
    pub fn pick(&self, item: &Item) -> Item {
        let of = |one: &KeyAttribute| item.get(&one.name).map(|value| (one.name.clone(), value.clone()));
        self.attributes().filter_map(of).collect()
    }

    /// Where an item stands that is to be put.
    ///
    /// # Errors
    /// When an attribute of the key is missing, or can't be one.
    pub fn place(&self, item: &Item) -> Result<Position> {
        let value = |one: &KeyAttribute, limit| {
            let value = item
                .get(&one.name)
                .ok_or_else(|| Error::parameter(format!("Missing the key {} in the item", one.name)))?;
            one.check(value, limit)
        };
        let partition = value(&self.partition, MAX_PARTITION)?;
        let sort = self.sort.as_ref().map(|sort| value(sort, MAX_SORT)).transpose()?;
        Ok(Position::new(partition, sort))
    }

    /// Whether no attribute of the key is empty. DynamoDB looks at this before anything else.
    ///
    /// # Errors
    /// When one is.
    pub fn check_empty(&self, item: &Item) -> Result<()> {
        let check = |one: &KeyAttribute| item.get(&one.name).map_or(Ok(()), |value| one.check_empty(value));
        self.attributes().try_for_each(check)
    }

    /// Where the item of a key stands: the key has these attributes and no others.
    ///
    /// # Errors
    /// When it does not.
    pub fn find(&self, key: &Item) -> Result<Position> {
        let fits = |one: &KeyAttribute| key.get(&one.name).is_some_and(|value| value.kind() == one.kind);
        if key.len() != self.attributes().count() || !self.attributes().all(fits) {
            return Err(Error::validation("The provided key element does not match the schema"));
        }
        self.place(key)
    }

    /// Where an item stands in an index; `None` when it is not in it, since it lacks an attribute of the key.
    pub fn indexed(&self, item: &Item) -> Option<Position> {
        let value = |one: &KeyAttribute| {
            item.get(&one.name).filter(|value| value.kind() == one.kind).and_then(KeyValue::of)
        };
        let sort = match &self.sort {
            Some(sort) => Some(value(sort)?),
            None => None,
        };
        Some(Position::new(value(&self.partition)?, sort))
    }

    /// Whether nothing that an item has of an index's key is empty.
    ///
    /// # Errors
    /// When it is.
    pub fn check_index_empty(&self, index: &str, item: &Item) -> Result<()> {
        for one in self.attributes() {
            let Some(value) = item.get(&one.name) else { continue };
            if KeyValue::of(value).is_some_and(|key| key.is_empty()) {
                let kind = if one.kind == "B" { "binary" } else { "string" };
                return Err(Error::validation(format!(
                    "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index}, IndexKey: {}",
                    one.name
                )));
            }
        }
        Ok(())
    }

    /// Whether what an item has of an index's key can be in it.
    ///
    /// # Errors
    /// When it can't.
    pub fn check_index(&self, index: &str, item: &Item) -> Result<()> {
        self.check_index_empty(index, item)?;
        for (one, limit) in self.attributes().zip([MAX_PARTITION, MAX_SORT]) {
            let Some(value) = item.get(&one.name) else { continue };
            if value.kind() != one.kind {
                return Err(Error::parameter(format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {index}",
                    one.name,
                    one.kind,
                    value.kind()
                )));
            }
            if value.size() > limit {
                return Err(Error::parameter(format!(
                    "Size of {} has exceeded the maximum size limit of {limit} bytes for an index key. IndexName: {index}",
                    one.name
                )));
            }
        }
        Ok(())
    }
}

impl Position {
    /// Where an item of this key stands.
    pub fn new(partition: KeyValue, sort: Option<KeyValue>) -> Self {
        Self { hash: hash(&partition), partition, sort }
    }

    /// Which of `total` segments of the table it is in.
    pub fn segment(&self, total: u64) -> u64 {
        u64::try_from((u128::from(self.hash) * u128::from(total)) >> 64).unwrap_or_default()
    }
}

/// A hash that is the same everywhere and always (FNV-1a, then mixed so that its first bits differ, too).
fn hash(key: &KeyValue) -> u64 {
    let number;
    let bytes = match key {
        KeyValue::S(text) => text.as_bytes(),
        KeyValue::B(bytes) => bytes,
        KeyValue::N(value) => {
            number = value.to_string();
            number.as_bytes()
        }
    };
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let mixed = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (mixed ^ (mixed >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::attribute::read_item;

    fn keys() -> Keys {
        let of = |name: &str, kind: &str| KeyAttribute { name: name.to_owned(), kind: kind.to_owned() };
        Keys { partition: of("p", "S"), sort: Some(of("s", "N")) }
    }

    fn item(value: &Value) -> Item {
        read_item(value).unwrap()
    }

    #[test]
    fn a_key_has_all_attributes_of_the_right_type_and_no_others() {
        let place = |value| keys().place(&item(&value)).map_err(|error| error.message);
        let find = |value| keys().find(&item(&value)).map_err(|error| error.message);
        assert_eq!(
            place(json!({"p": {"S": "a"}, "s": {"N": "1"}, "x": {"S": ""}})),
            find(json!({"p": {"S": "a"}, "s": {"N": "1.0"}}))
        );
        assert!(place(json!({"p": {"S": "a"}})).unwrap_err().contains("Missing the key s in the item"));
        assert!(
            place(json!({"p": {"S": "a"}, "s": {"S": "1"}}))
                .unwrap_err()
                .contains("key s expected: N actual: S")
        );
        assert!(
            place(json!({"p": {"S": ""}, "s": {"N": "1"}}))
                .unwrap_err()
                .contains("empty string value. Key: p")
        );
        let long = "x".repeat(2049);
        assert!(
            place(json!({"p": {"S": long}, "s": {"N": "1"}})).unwrap_err().contains("limit of2048 bytes")
        );
        for key in [
            json!({"p": {"S": "a"}}),
            json!({"p": {"S": "a"}, "s": {"S": "1"}}),
            json!({"p": {"S": "a"}, "s": {"N": "1"}, "x": {"N": "1"}}),
        ] {
            assert_eq!(find(key).unwrap_err(), "The provided key element does not match the schema");
        }
    }

    #[test]
    fn an_index_has_the_items_only_that_have_its_key() {
        let key = |value| keys().indexed(&item(&value));
        assert!(key(json!({"p": {"S": "a"}, "s": {"N": "1"}})).is_some());
        assert!(key(json!({"p": {"S": "a"}})).is_none());
        let check = |value| keys().check_index("i", &item(&value)).map_err(|error| error.message);
        assert_eq!(check(json!({"p": {"S": "a"}})), Ok(()));
        assert!(
            check(json!({"s": {"S": "a"}}))
                .unwrap_err()
                .contains("Index Key s Expected: N Actual: S IndexName: i")
        );
        assert!(check(json!({"p": {"S": ""}})).unwrap_err().contains("IndexName: i, IndexKey: p"));
    }

    #[test]
    fn segments_share_the_items() {
        let mut counts = [0; 4];
        for n in 0..400 {
            let position = Position::new(KeyValue::S(format!("key{n}")), None);
            counts[usize::try_from(position.segment(4)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }
}
