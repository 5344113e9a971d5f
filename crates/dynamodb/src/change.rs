//! One change of one item: put, update, delete, or only a condition. Shared by single writes, batches and transactions.
//!
//! It is read from a request without the table, then placed by the table's keys, then made of the item as it is. Making it
//! answers what the item becomes, and changes nothing.

use serde_json::Value;

use crate::attribute::{Item, item_json, read_item};
use crate::error::{Error, Result};
use crate::expression::condition::Condition;
use crate::expression::path::Path;
use crate::expression::scope::Scope;
use crate::expression::update::Update;
use crate::input::{choice, required, text};
use crate::keys::Position;
use crate::schema::Schema;

/// A change as it was asked for.
#[derive(Debug)]
pub struct Change {
    kind: Kind,
    /// The item of a put, the key of the others.
    item: Item,
    condition: Option<Condition>,
    /// Whether a condition that fails answers the item.
    show_failed: bool,
}

/// What kind of change it is.
#[derive(Debug)]
enum Kind {
    Put,
    Update(Update),
    Delete,
    Check,
}

/// What an item becomes.
#[derive(Debug, PartialEq)]
pub enum After {
    /// Nothing changes.
    Same,
    /// This item.
    Item(Item),
    /// None.
    Gone,
}

impl Change {
    /// Reads a put: the member `Item` and a condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn put(input: &Value) -> Result<Self> {
        let item = read_item(required(input, "Item")?)?;
        Self::conditional(Kind::Put, item, input, &Scope::read(input, &["ConditionExpression"])?)
    }

    /// Reads an update: the members `Key` and `UpdateExpression`, and a condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn update(input: &Value) -> Result<Self> {
        let scope = Scope::read(input, &["UpdateExpression", "ConditionExpression"])?;
        let source = text(input, "UpdateExpression")?;
        let update = source.map(|source| Update::read(source, &scope)).transpose()?.unwrap_or_default();
        Self::conditional(Kind::Update(update), key(input)?, input, &scope)
    }

    /// Reads a deletion: the member `Key` and a condition.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn delete(input: &Value) -> Result<Self> {
        Self::conditional(Kind::Delete, key(input)?, input, &Scope::read(input, &["ConditionExpression"])?)
    }

    /// Reads a condition alone.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(input: &Value) -> Result<Self> {
        required(input, "ConditionExpression")?;
        Self::conditional(Kind::Check, key(input)?, input, &Scope::read(input, &["ConditionExpression"])?)
    }

    /// A put of a batch.
    pub fn put_item(item: Item) -> Self {
        Self { kind: Kind::Put, item, condition: None, show_failed: false }
    }

    /// A deletion of a batch.
    pub fn delete_key(key: Item) -> Self {
        Self { kind: Kind::Delete, item: key, condition: None, show_failed: false }
    }

    fn conditional(kind: Kind, item: Item, input: &Value, scope: &Scope) -> Result<Self> {
        let label = "ConditionExpression";
        let condition =
            text(input, label)?.map(|source| Condition::read(label, source, scope)).transpose()?;
        scope.all_used()?;
        let show = choice(input, "ReturnValuesOnConditionCheckFailure", &["ALL_OLD", "NONE"])?;
        Ok(Self { kind, item, condition, show_failed: show == Some("ALL_OLD") })
    }

    /// Whether no attribute of a key is empty, of an index's neither: of a transaction this is told before it is tried, as at DynamoDB.
    ///
    /// # Errors
    /// When one is.
    pub fn check_empty(&self, schema: &Schema) -> Result<()> {
        schema.keys.check_empty(&self.item)?;
        schema.indexes.iter().try_for_each(|index| index.keys.check_index_empty(&index.name, &self.item))
    }

    /// Whether the key is one of the table: a batch says so of a put, too, and no more.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_key(&self, schema: &Schema) -> Result<()> {
        let key =
            if matches!(self.kind, Kind::Put) { schema.keys.pick(&self.item) } else { self.item.clone() };
        schema.keys.find(&key).map(drop)
    }

    /// Where the item stands.
    ///
    /// # Errors
    /// When its key is none of the table's, or it changes its own key.
    pub fn place(&self, schema: &Schema) -> Result<Position> {
        match &self.kind {
            Kind::Put => {
                let position = schema.keys.place(&self.item)?;
                schema.check(&self.item, false)?;
                Ok(position)
            }
            Kind::Update(update) => {
                if let Some(path) = update.paths().into_iter().find(|path| schema.keys.has(&path.name)) {
                    return Err(Error::parameter(format!(
                        "Cannot update attribute {}. This attribute is part of the key",
                        path.name
                    )));
                }
                schema.keys.find(&self.item)
            }
            Kind::Delete | Kind::Check => schema.keys.find(&self.item),
        }
    }

    /// What the item becomes.
    ///
    /// # Errors
    /// When the condition is not true, or the update does not fit the item.
    pub fn make(&self, schema: &Schema, before: Option<&Item>) -> Result<After> {
        let none = Item::new();
        if self.condition.as_ref().is_some_and(|condition| !condition.holds(before.unwrap_or(&none))) {
            let failed = Error::new("ConditionalCheckFailedException", "The conditional request failed");
            return Err(match before {
                Some(item) if self.show_failed => failed.with("Item", item_json(item)),
                _ => failed,
            });
        }
        Ok(match &self.kind {
            Kind::Put => After::Item(self.item.clone()),
            Kind::Update(update) => {
                let after = update.apply(before.unwrap_or(&self.item))?;
                schema.check(&after, true)?;
                After::Item(after)
            }
            Kind::Delete => After::Gone,
            Kind::Check => After::Same,
        })
    }

    /// The places that an update changes.
    pub fn paths(&self) -> Vec<Path> {
        match &self.kind {
            Kind::Update(update) => update.paths().into_iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

fn key(input: &Value) -> Result<Item> {
    read_item(required(input, "Key")?)
}
