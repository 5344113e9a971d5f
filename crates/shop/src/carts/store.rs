//! Carts in their DynamoDB table: an item for each product of each customer.
//!
//! # The table
//! Key `customerId` and `itemId` (both S); `quantity`, `unitPrice`, `version` (N), `updatedAt`, `region`, `request` (S). A global
//! table settles what two Regions wrote to one item by the last writer, and does not tell: the version, time and Region that stand
//! in an item say who that was.
//!
//! # What it promises
//! Each change is one conditional write, so that none is lost within a Region. An addition that the SDK repeats, since no answer
//! came, counts once: an item knows the request that changed it last.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use crate::api::CartItem;
use crate::input::MOST_OF_ONE;
use crate::problem::Problem;

type Item = HashMap<String, AttributeValue>;

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: String,
    region: String,
}

/// Different products in a cart, at most: two writes for each fit one transaction.
pub const MOST_PRODUCTS: usize = 50;
/// What is done to an item and to its version, in every change.
const CHANGED: &str = "version = if_not_exists(version, :none) + :one, updatedAt = :now, #region = :region, #request = :request";

impl Store {
    /// The table called `table`, for a service in `region`.
    pub fn new(config: &SdkConfig, table: &str, region: &str) -> Self {
        Self { client: Client::new(config), table: table.to_owned(), region: region.to_owned() }
    }

    /// Whether the table is there.
    ///
    /// # Errors
    /// In a few words, when it is not.
    pub async fn look(&self) -> Result<(), String> {
        match self.client.describe_table().table_name(&self.table).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(short(&error)),
        }
    }

    /// What is in a customer's cart, by product.
    ///
    /// # Errors
    /// A 503 when DynamoDB does not answer.
    pub async fn items(&self, customer: &str) -> Result<Vec<CartItem>, Problem> {
        let asked = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("customerId = :customer")
            .expression_attribute_values(":customer", text(customer))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await;
        let items = asked.map_err(|error| unavailable(&error))?;
        Ok(items.iter().filter_map(read).collect())
    }

    /// So many of one product in it.
    ///
    /// # Errors
    /// As [`Self::items`].
    pub async fn item(&self, customer: &str, product: &str) -> Result<Option<CartItem>, Problem> {
        let asked = self.client.get_item().table_name(&self.table).set_key(Some(key(customer, product)));
        let answer = asked.consistent_read(true).send().await.map_err(|error| unavailable(&error))?;
        Ok(answer.item().and_then(read))
    }

    /// Puts so many more into it, at once. `request` names what is asked: asked twice, it is done once.
    ///
    /// # Errors
    /// A 409 when there would be too many; a 503 when DynamoDB does not answer.
    pub async fn add(&self, customer: &str, item: &CartItem, request: &str) -> Result<CartItem, Problem> {
        let update = self
            .update(customer, &item.item_id, request)
            .update_expression(format!(
                "SET quantity = if_not_exists(quantity, :none) + :more, unitPrice = :price, {CHANGED}"
            ))
            .condition_expression(
                "attribute_not_exists(itemId) OR (#request <> :request AND quantity <= :room)",
            )
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":more", number(item.quantity))
            .expression_attribute_values(":room", number(i64::from(MOST_OF_ONE) - item.quantity))
            .expression_attribute_values(":price", AttributeValue::N(item.unit_price.to_string()));
        match self.changed(update, request).await? {
            Ok(item) => Ok(item),
            Err(_) => Err(Problem::conflict(format!("A cart takes {MOST_OF_ONE} of one product at most."))),
        }
    }

    /// Makes it so many of a product that is in it. With a version, only where the item still has that.
    ///
    /// # Errors
    /// A 404 when the product is not in it, a 409 when somebody else has changed it, a 503 when DynamoDB does not answer.
    pub async fn set(&self, customer: &str, item: &CartItem, request: &str) -> Result<CartItem, Problem> {
        let mut condition = "attribute_exists(itemId)".to_owned();
        let mut update = self.update(customer, &item.item_id, request);
        if let Some(version) = item.version {
            condition += " AND (version = :version OR #request = :request)";
            update = update.expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        }
        let update = update
            .update_expression(format!("SET quantity = :quantity, {CHANGED}"))
            .condition_expression(condition)
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":quantity", number(item.quantity));
        match self.changed(update, request).await? {
            Ok(item) => Ok(item),
            Err(true) => Err(Problem::conflict("The cart was changed by somebody else.")),
            Err(false) => Err(Problem::not_found("product in the cart")),
        }
    }

    /// Takes a product out of it. Harmless when it is not in it.
    ///
    /// # Errors
    /// As [`Self::items`].
    pub async fn remove(&self, customer: &str, product: &str) -> Result<(), Problem> {
        let removal = self.client.delete_item().table_name(&self.table).set_key(Some(key(customer, product)));
        removal.send().await.map(drop).map_err(|error| unavailable(&error))
    }

    /// Empties it.
    ///
    /// # Errors
    /// As [`Self::items`]; some items may be gone then.
    pub async fn clear(&self, customer: &str) -> Result<(), Problem> {
        let items = self.items(customer).await?;
        futures::future::try_join_all(items.iter().map(|item| self.remove(customer, &item.item_id))).await?;
        Ok(())
    }

    /// Puts what is in a visitor's cart into a customer's, and empties the visitor's: all of it or nothing.
    ///
    /// # Errors
    /// A 409 when either was changed meanwhile, or would have too many; a 503 when DynamoDB does not answer.
    pub async fn merge(&self, visitor: &str, customer: &str, request: &str) -> Result<(), Problem> {
        let (from, into) = (self.items(visitor).await?, self.items(customer).await?);
        if visitor == customer || from.is_empty() {
            return Ok(());
        }
        let new = from.iter().filter(|item| into.iter().all(|known| known.item_id != item.item_id));
        if into.len() + new.count() > MOST_PRODUCTS {
            return Err(Problem::conflict(format!(
                "A cart takes {MOST_PRODUCTS} different products at most."
            )));
        }
        let mut writes = Vec::new();
        for item in &from {
            let known = into.iter().find(|known| known.item_id == item.item_id);
            writes.extend(self.moved(visitor, customer, item, known, request)?);
        }
        let moved = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        moved.map(drop).map_err(|error| match &error {
            SdkError::ServiceError(answer) if answer.err().is_transaction_canceled_exception() => {
                Problem::conflict("A cart was changed meanwhile.")
            }
            _ => unavailable(&error),
        })
    }

    /// The two writes that move one product.
    fn moved(
        &self,
        visitor: &str,
        customer: &str,
        item: &CartItem,
        known: Option<&CartItem>,
        request: &str,
    ) -> Result<[TransactWriteItem; 2], Problem> {
        let version = |item: &CartItem| AttributeValue::N(item.version.unwrap_or_default().to_string());
        let removal = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key(visitor, &item.item_id)))
            .condition_expression("version = :version")
            .expression_attribute_values(":version", version(item))
            .build();
        let quantity = (item.quantity + known.map_or(0, |known| known.quantity)).min(MOST_OF_ONE.into());
        let mut update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key(customer, &item.item_id)))
            .update_expression(format!("SET quantity = :quantity, unitPrice = :price, {CHANGED}"))
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(self.values(request)))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":quantity", number(quantity))
            .expression_attribute_values(":price", AttributeValue::N(item.unit_price.to_string()));
        update = match known {
            None => update.condition_expression("attribute_not_exists(itemId)"),
            Some(known) => update
                .condition_expression("version = :version")
                .expression_attribute_values(":version", version(known)),
        };
        // Both have all that the builders ask for.
        let fault = |error: aws_sdk_dynamodb::error::BuildError| Problem::fault(&error);
        Ok([
            TransactWriteItem::builder().delete(removal.map_err(fault)?).build(),
            TransactWriteItem::builder().update(update.build().map_err(fault)?).build(),
        ])
    }

    fn update(&self, customer: &str, product: &str, request: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(customer, product)))
            .set_expression_attribute_names(Some(names()))
            .set_expression_attribute_values(Some(self.values(request)))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// The values of [`CHANGED`] that every change has.
    fn values(&self, request: &str) -> Item {
        let now = jiff::Timestamp::now().to_string();
        HashMap::from([
            (":one".to_owned(), number(1)),
            (":now".to_owned(), text(&now)),
            (":region".to_owned(), text(&self.region)),
            (":request".to_owned(), text(request)),
        ])
    }

    /// Makes a change. The inner `Err` is a condition that did not hold, and whether there is such an item.
    async fn changed(
        &self,
        update: UpdateItemFluentBuilder,
        request: &str,
    ) -> Result<Result<CartItem, bool>, Problem> {
        let error = match update.send().await {
            Ok(answer) => return Ok(Ok(answer.attributes().and_then(read).ok_or_else(unreadable)?)),
            Err(error) => error,
        };
        let SdkError::ServiceError(answer) = &error else { return Err(unavailable(&error)) };
        let UpdateItemError::ConditionalCheckFailedException(failed) = answer.err() else {
            return Err(unavailable(&error));
        };
        let Some(there) = failed.item() else { return Ok(Err(false)) };
        // An earlier try of this very request has done it.
        let done = there.get("request").and_then(|value| value.as_s().ok()).is_some_and(|by| by == request);
        match read(there) {
            Some(item) if done => Ok(Ok(item)),
            _ => Ok(Err(true)),
        }
    }
}

/// Names that DynamoDB reserves.
fn names() -> HashMap<String, String> {
    ["region", "request"].map(|name| (format!("#{name}"), name.to_owned())).into()
}

fn key(customer: &str, product: &str) -> Item {
    HashMap::from([("customerId".to_owned(), text(customer)), ("itemId".to_owned(), text(product))])
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An item, unless somebody else has written it in another form.
fn read(item: &Item) -> Option<CartItem> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let number = |name: &str| item.get(name).and_then(|value| value.as_n().ok());
    Some(CartItem {
        item_id: text("itemId")?,
        quantity: number("quantity")?.parse().ok()?,
        unit_price: number("unitPrice")?.parse().ok()?,
        version: number("version").and_then(|version| version.parse().ok()),
        updated_at: text("updatedAt"),
        region: text("region"),
    })
}

fn unreadable() -> Problem {
    Problem::fault(&"DynamoDB answered an item in another form")
}

fn unavailable<E: std::error::Error + 'static, R: std::fmt::Debug + 'static>(
    error: &SdkError<E, R>,
) -> Problem {
    Problem::unavailable("cart", &DisplayErrorContext(error))
}

/// A few words for the health check.
fn short<E, R>(error: &SdkError<E, R>) -> String {
    match error {
        SdkError::ServiceError(_) => "refuses".to_owned(),
        _ => "does not answer".to_owned(),
    }
}
