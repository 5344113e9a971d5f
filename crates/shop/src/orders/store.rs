//! Orders in their database: each change is one transaction, with its event in the outbox.
//!
//! # What a failure leaves
//! All of a change, or nothing of it. Where the commit was not answered it is not known which, and the caller is told 503: placed
//! again with the same key, the order is found.

use std::collections::BTreeMap;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use uuid::Uuid;

use super::event::{Event, EventKind};
use crate::api::{NewOrder, Order, OrderAddress, OrderItem, OrderStatus};
use crate::database::{Database, StoreError};
use crate::money::Money;

/// The orders' database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// Its database.
    pub database: Database,
    /// The Region that takes orders here.
    pub region: String,
}

/// What came of a wish to place an order.
pub enum Placed {
    /// It is placed.
    New(Order),
    /// It was placed before, with the same key.
    Before(Order),
    /// Somebody else has used the key.
    KeyIsUsed,
}

/// What came of a wish to change an order.
pub enum Changed {
    /// It is changed, and is this now.
    Done(Box<Order>),
    /// There is no such order, or no such item in it.
    NotFound,
    /// As it stands, it can't be changed so.
    Refused(OrderStatus),
    /// It has no other item.
    LastItem,
}

/// Newest orders of a list.
const MOST: i64 = 20;

const ORDER: &str = "SELECT o.ORDER_ID, o.CUSTOMER_ID, o.STATUS, CONCAT(o.CREATED_AT, ''), CONCAT(o.UPDATED_AT, ''), \
    o.REGION, CONCAT(o.SUBTOTAL, ''), CONCAT(o.SHIPPING, ''), CONCAT(o.TAX, ''), CONCAT(o.TOTAL, ''), \
    a.FIRST_NAME, a.LAST_NAME, a.EMAIL, a.ADDRESS1, a.ADDRESS2, a.CITY, a.ZIP_CODE, a.STATE \
    FROM CUSTOMER_ORDER o JOIN CUSTOMER_ORDER_ADDRESS a ON a.ORDER_ID = o.ORDER_ID";

impl Store {
    /// Places an order, once for each key. Its items have to be checked.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn place(&self, new: &NewOrder, customer: &str, key: &str) -> Result<Placed, StoreError> {
        let try_to = || self.database.work(self.insert(new, customer, key));
        match try_to.retry(pauses()).when(StoreError::is_passing).await {
            Ok(order) => Ok(Placed::New(order)),
            Err(StoreError::Duplicate) => {
                let there = self.of_key(key).await?;
                // Gone within a moment, it would be another's fault.
                let order = there.ok_or(StoreError::Passing)?;
                Ok(if order.customer_id == customer { Placed::Before(order) } else { Placed::KeyIsUsed })
            }
            Err(error) => Err(error),
        }
    }

    /// One order, if there is one of this id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn order(&self, id: &str) -> Result<Option<Order>, StoreError> {
        Ok(self.orders(&format!("{ORDER} WHERE o.ORDER_ID = ?"), Some(id)).await?.pop())
    }

    /// The newest orders: a customer's, or of all.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn newest(&self, customer: Option<&str>) -> Result<Vec<Order>, StoreError> {
        let which = if customer.is_some() { "WHERE o.CUSTOMER_ID = ?" } else { "" };
        self.orders(&format!("{ORDER} {which} ORDER BY o.CREATED_AT DESC, o.ORDER_ID LIMIT {MOST}"), customer)
            .await
    }

    /// Changes where an order stands. One that stands there already is not changed.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn set_status(&self, id: &str, status: OrderStatus) -> Result<Changed, StoreError> {
        let try_to = || self.database.work(self.try_set_status(id, status));
        self.as_it_is(try_to.retry(pauses()).when(StoreError::is_passing).await?).await
    }

    async fn try_set_status(&self, id: &str, status: OrderStatus) -> Result<Changed, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        let Some(mut order) = self.locked(&mut transaction, id).await? else { return Ok(Changed::NotFound) };
        if order.status == status {
            return Ok(Changed::Done(Box::new(order)));
        }
        if !order.status.may_become(status) {
            return Ok(Changed::Refused(order.status));
        }
        order.status = status;
        let kind = if status == OrderStatus::Cancelled { EventKind::Cancelled } else { EventKind::Changed };
        self.update(transaction, kind, &order).await?;
        Ok(Changed::Done(Box::new(order)))
    }

    /// Takes an item out of an order that is not on its way yet. What it costs is computed anew.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn remove_item(&self, id: &str, line: i64) -> Result<Changed, StoreError> {
        let try_to = || self.database.work(self.try_remove_item(id, line));
        self.as_it_is(try_to.retry(pauses()).when(StoreError::is_passing).await?).await
    }

    async fn try_remove_item(&self, id: &str, line: i64) -> Result<Changed, sqlx::Error> {
        let mut transaction = self.database.begin().await?;
        let Some(mut order) = self.locked(&mut transaction, id).await? else { return Ok(Changed::NotFound) };
        let Some(place) = order.items.iter().position(|item| item.line == line) else {
            return Ok(Changed::NotFound);
        };
        if order.status != OrderStatus::Paid {
            return Ok(Changed::Refused(order.status));
        }
        if order.items.len() == 1 {
            return Ok(Changed::LastItem);
        }
        order.items.remove(place);
        // Less than what was paid is no more than an order can be.
        let Some(totals) = Totals::of(&order.items, order.shipping, None) else {
            return Ok(Changed::Refused(order.status));
        };
        (order.subtotal, order.tax, order.total) = (totals.subtotal, totals.tax, totals.total);
        let sql = self.database.sql("DELETE FROM CUSTOMER_ORDER_ITEM WHERE ORDER_ID = ? AND LINE = ?");
        sqlx::query(sql).bind(id.to_owned()).bind(line).execute(&mut *transaction).await?;
        self.update(transaction, EventKind::Changed, &order).await?;
        Ok(Changed::Done(Box::new(order)))
    }

    /// A change that was made, with the times that the database gave it.
    async fn as_it_is(&self, changed: Changed) -> Result<Changed, StoreError> {
        let Changed::Done(order) = changed else { return Ok(changed) };
        Ok(self.order(&order.id).await?.map_or(Changed::NotFound, |order| Changed::Done(Box::new(order))))
    }

    async fn insert(&self, new: &NewOrder, customer: &str, key: &str) -> Result<Order, sqlx::Error> {
        let totals = Totals::of(&new.items, new.shipping, Some(new.tax));
        let totals = totals.ok_or_else(|| sqlx::Error::Decode("an order that costs too much".into()))?;
        let id = Uuid::new_v4().to_string();
        let mut order = Order {
            id,
            customer_id: customer.to_owned(),
            status: OrderStatus::Paid,
            // Both are the database's, below.
            created_date: String::new(),
            updated_date: String::new(),
            region: self.region.clone(),
            shipping_address: new.shipping_address.clone(),
            items: new.items.clone(),
            subtotal: totals.subtotal,
            shipping: new.shipping,
            tax: totals.tax,
            total: totals.total,
        };
        let mut transaction = self.database.begin().await?;
        self.insert_order(&mut transaction, &order, key).await?;
        order.created_date = self.time_of(&mut transaction, &order.id).await?;
        order.updated_date = order.created_date.clone();
        self.insert_items(&mut transaction, &order).await?;
        self.insert_address(&mut transaction, &order).await?;
        self.insert_event(&mut transaction, &Event::new(EventKind::Created, &order)).await?;
        transaction.commit().await?;
        Ok(order)
    }

    async fn insert_order(
        &self,
        transaction: &mut Transaction<'static, Any>,
        order: &Order,
        key: &str,
    ) -> Result<(), sqlx::Error> {
        let sql = self.database.sql(
            "INSERT INTO CUSTOMER_ORDER (ORDER_ID, IDEMPOTENCY_KEY, CUSTOMER_ID, STATUS, REGION, SUBTOTAL, SHIPPING, \
             TAX, TOTAL, CREATED_AT, UPDATED_AT) VALUES (?, ?, ?, ?, ?, CAST(? AS DECIMAL(10,2)), \
             CAST(? AS DECIMAL(10,2)), CAST(? AS DECIMAL(10,2)), CAST(? AS DECIMAL(10,2)), CURRENT_TIMESTAMP(6), \
             CURRENT_TIMESTAMP(6))",
        );
        let mut query = sqlx::query(sql).bind(order.id.clone()).bind(key.to_owned());
        query = query.bind(order.customer_id.clone()).bind(order.status.name()).bind(order.region.clone());
        for amount in [order.subtotal, order.shipping, order.tax, order.total] {
            query = query.bind(amount.to_string());
        }
        query.execute(&mut **transaction).await.map(drop)
    }

    /// When an order was made, by the database's clock, which all instances have in common.
    async fn time_of(
        &self,
        transaction: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<String, sqlx::Error> {
        let sql = self.database.sql("SELECT CONCAT(CREATED_AT, '') FROM CUSTOMER_ORDER WHERE ORDER_ID = ?");
        time(&sqlx::query(sql).bind(id.to_owned()).fetch_one(&mut **transaction).await?, 0)
    }

    async fn insert_items(
        &self,
        transaction: &mut Transaction<'static, Any>,
        order: &Order,
    ) -> Result<(), sqlx::Error> {
        let row = "(?, ?, ?, ?, ?, CAST(? AS DECIMAL(10,2)), CAST(? AS DECIMAL(10,2)))";
        let sql = self.database.sql(&format!(
            "INSERT INTO CUSTOMER_ORDER_ITEM (ORDER_ID, LINE, PRODUCT_ID, NAME, QUANTITY, PRICE, TOTAL) VALUES {}",
            vec![row; order.items.len()].join(", ")
        ));
        let mut query = sqlx::query(sql);
        for item in &order.items {
            query = query.bind(order.id.clone()).bind(item.line).bind(item.product_id.clone());
            query = query.bind(item.name.clone().unwrap_or_default()).bind(item.quantity);
            query = query.bind(item.unit_cost.to_string()).bind(item.total_cost.to_string());
        }
        query.execute(&mut **transaction).await.map(drop)
    }

    async fn insert_address(
        &self,
        transaction: &mut Transaction<'static, Any>,
        order: &Order,
    ) -> Result<(), sqlx::Error> {
        let address = &order.shipping_address;
        let sql = self.database.sql(
            "INSERT INTO CUSTOMER_ORDER_ADDRESS (ORDER_ID, FIRST_NAME, LAST_NAME, EMAIL, ADDRESS1, ADDRESS2, CITY, \
             STATE, ZIP_CODE) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let mut query = sqlx::query(sql).bind(order.id.clone());
        for part in [
            &address.first_name,
            &address.last_name,
            &address.email,
            &address.address1,
            &address.address2,
            &address.city,
            &address.state,
            &address.zip_code,
        ] {
            query = query.bind(part.clone());
        }
        query.execute(&mut **transaction).await.map(drop)
    }

    async fn insert_event(
        &self,
        transaction: &mut Transaction<'static, Any>,
        event: &Event,
    ) -> Result<(), sqlx::Error> {
        let sql = self.database.sql(
            "INSERT INTO ORDER_EVENT (EVENT_ID, ORDER_ID, KIND, BODY, CREATED_AT) VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP(6))",
        );
        let mut query = sqlx::query(sql);
        for part in [&event.id, &event.order, &event.kind, &event.body] {
            query = query.bind(part.clone());
        }
        query.execute(&mut **transaction).await.map(drop)
    }

    /// Writes what an order has become, with its event, and commits.
    async fn update(
        &self,
        mut transaction: Transaction<'static, Any>,
        kind: EventKind,
        order: &Order,
    ) -> Result<(), sqlx::Error> {
        let sql = self.database.sql(
            "UPDATE CUSTOMER_ORDER SET STATUS = ?, SUBTOTAL = CAST(? AS DECIMAL(10,2)), TAX = CAST(? AS DECIMAL(10,2)), \
             TOTAL = CAST(? AS DECIMAL(10,2)), UPDATED_AT = CURRENT_TIMESTAMP(6) WHERE ORDER_ID = ?",
        );
        let mut query = sqlx::query(sql).bind(order.status.name());
        for amount in [order.subtotal, order.tax, order.total] {
            query = query.bind(amount.to_string());
        }
        query.bind(order.id.clone()).execute(&mut *transaction).await?;
        self.insert_event(&mut transaction, &Event::new(kind, order)).await?;
        transaction.commit().await
    }

    /// The order as it is, which nobody else changes until the transaction ends.
    async fn locked(
        &self,
        transaction: &mut Transaction<'static, Any>,
        id: &str,
    ) -> Result<Option<Order>, sqlx::Error> {
        let sql = self.database.sql("SELECT 1 FROM CUSTOMER_ORDER WHERE ORDER_ID = ? FOR UPDATE");
        if sqlx::query(sql).bind(id.to_owned()).fetch_optional(&mut **transaction).await?.is_none() {
            return Ok(None);
        }
        let sql = self.database.sql(&format!("{ORDER} WHERE o.ORDER_ID = ?"));
        let row = sqlx::query(sql).bind(id.to_owned()).fetch_optional(&mut **transaction).await?;
        let Some(mut order) = row.as_ref().map(order).transpose()? else { return Ok(None) };
        let sql = self.database.sql(&items_of(1));
        let rows = sqlx::query(sql).bind(id.to_owned()).fetch_all(&mut **transaction).await?;
        order.items = rows.iter().map(|row| Ok(item(row)?.1)).collect::<Result<_, sqlx::Error>>()?;
        Ok(Some(order))
    }

    async fn of_key(&self, key: &str) -> Result<Option<Order>, StoreError> {
        Ok(self.orders(&format!("{ORDER} WHERE o.IDEMPOTENCY_KEY = ?"), Some(key)).await?.pop())
    }

    async fn orders(&self, text: &str, value: Option<&str>) -> Result<Vec<Order>, StoreError> {
        let sql = self.database.sql(text);
        self.database
            .work(async {
                let mut query = sqlx::query(sql);
                if let Some(value) = value {
                    query = query.bind(value.to_owned());
                }
                let rows = query.fetch_all(self.database.pool()).await?;
                let mut orders = rows.iter().map(order).collect::<Result<Vec<_>, _>>()?;
                if orders.is_empty() {
                    return Ok(orders);
                }
                let mut query = sqlx::query(self.database.sql(&items_of(orders.len())));
                for order in &orders {
                    query = query.bind(order.id.clone());
                }
                let mut items: BTreeMap<String, Vec<OrderItem>> = BTreeMap::new();
                for row in query.fetch_all(self.database.pool()).await? {
                    let (id, item) = item(&row)?;
                    items.entry(id).or_default().push(item);
                }
                for order in &mut orders {
                    order.items = items.remove(&order.id).unwrap_or_default();
                }
                Ok(orders)
            })
            .await
    }
}

/// What an order costs.
struct Totals {
    subtotal: Money,
    tax: Money,
    total: Money,
}

impl Totals {
    /// Of these items, with the tax that was agreed on or a new one; `None` when it is more than an amount can be.
    fn of(items: &[OrderItem], shipping: Money, tax: Option<Money>) -> Option<Self> {
        let mut subtotal = Money::default();
        for item in items {
            subtotal = subtotal.plus(item.total_cost)?;
        }
        let tax = tax.unwrap_or_else(|| subtotal.tax());
        Some(Self { subtotal, tax, total: subtotal.plus(shipping)?.plus(tax)? })
    }
}

/// A wish that another transaction was in the way of is tried twice more.
fn pauses() -> ConstantBuilder {
    ConstantBuilder::default().with_delay(Duration::from_millis(20)).with_max_times(2)
}

fn items_of(orders: usize) -> String {
    format!(
        "SELECT ORDER_ID, LINE, PRODUCT_ID, NAME, QUANTITY, CONCAT(PRICE, ''), CONCAT(TOTAL, '') \
         FROM CUSTOMER_ORDER_ITEM WHERE ORDER_ID IN ({}) ORDER BY ORDER_ID, LINE",
        vec!["?"; orders].join(", ")
    )
}

fn amount(row: &AnyRow, column: usize) -> Result<Money, sqlx::Error> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// A time of the database, which is in UTC: connections are.
fn time(row: &AnyRow, column: usize) -> Result<String, sqlx::Error> {
    let text: String = row.try_get(column)?;
    let at: DateTime = text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let at = TimeZone::UTC.to_timestamp(at).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(at.to_string())
}

fn order(row: &AnyRow) -> Result<Order, sqlx::Error> {
    let status: String = row.try_get(2)?;
    let status = OrderStatus::named(&status)
        .ok_or_else(|| sqlx::Error::Decode(format!("there is no status {status}").into()))?;
    Ok(Order {
        id: row.try_get(0)?,
        customer_id: row.try_get(1)?,
        status,
        created_date: time(row, 3)?,
        updated_date: time(row, 4)?,
        region: row.try_get(5)?,
        subtotal: amount(row, 6)?,
        shipping: amount(row, 7)?,
        tax: amount(row, 8)?,
        total: amount(row, 9)?,
        shipping_address: OrderAddress {
            first_name: row.try_get(10)?,
            last_name: row.try_get(11)?,
            email: row.try_get(12)?,
            address1: row.try_get(13)?,
            address2: row.try_get(14)?,
            city: row.try_get(15)?,
            zip_code: row.try_get(16)?,
            state: row.try_get(17)?,
        },
        items: Vec::new(),
    })
}

fn item(row: &AnyRow) -> Result<(String, OrderItem), sqlx::Error> {
    let item = OrderItem {
        line: row.try_get(1)?,
        product_id: row.try_get(2)?,
        name: Some(row.try_get(3)?),
        quantity: row.try_get(4)?,
        unit_cost: amount(row, 5)?,
        total_cost: amount(row, 6)?,
    };
    Ok((row.try_get(0)?, item))
}
