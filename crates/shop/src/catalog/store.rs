//! The catalogue in its database: products, tags, and which product has which.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Executor, Row};

use crate::api::{Product, Tag};
use crate::database::{Database, StoreError};
use crate::money::Money;

/// The catalogue's database. Cheap to clone.
#[derive(Clone)]
pub struct Store(pub Database);

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By name.
    #[default]
    Name,
    /// The cheapest first.
    PriceUp,
    /// The dearest first.
    PriceDown,
}

/// Which products are asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// With at least one of these tags; none: all.
    pub tags: Vec<String>,
    /// With this in their name or description.
    pub keyword: Option<String>,
    /// How they are sorted.
    pub order: Order,
    /// So many are left out.
    pub skip: i64,
    /// So many at most.
    pub most: i64,
}

const COLUMNS: &str = "p.product_id, p.name, p.description, CONCAT(p.price, '')";

impl Store {
    /// A page of products.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn products(&self, wanted: &Wanted) -> Result<Vec<Product>, StoreError> {
        let order = match wanted.order {
            Order::Name => "p.name",
            Order::PriceUp => "p.price, p.name",
            Order::PriceDown => "p.price DESC, p.name",
        };
        let filter = filter(wanted);
        let text = format!(
            "SELECT {COLUMNS} FROM product p WHERE {filter} ORDER BY {order}, p.product_id LIMIT ? OFFSET ?"
        );
        let sql = self.0.sql(&text);
        self.0
            .work(async {
                let mut query = sqlx::query(sql);
                for value in values(wanted) {
                    query = query.bind(value);
                }
                let rows = query.bind(wanted.most).bind(wanted.skip).fetch_all(self.0.pool()).await?;
                let products = rows.iter().map(product).collect::<Result<_, _>>()?;
                self.with_tags(products).await
            })
            .await
    }

    /// One product, if there is one of this id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn product(&self, id: &str) -> Result<Option<Product>, StoreError> {
        let sql = self.0.sql(&format!("SELECT {COLUMNS} FROM product p WHERE p.product_id = ?"));
        self.0
            .work(async {
                let row = sqlx::query(sql).bind(id).fetch_optional(self.0.pool()).await?;
                let products = row.iter().map(product).collect::<Result<_, _>>()?;
                Ok(self.with_tags(products).await?.pop())
            })
            .await
    }

    /// How many products there are.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn size(&self, wanted: &Wanted) -> Result<i64, StoreError> {
        let sql = self.0.sql(&format!("SELECT COUNT(*) FROM product p WHERE {}", filter(wanted)));
        self.0
            .work(async {
                let mut query = sqlx::query(sql);
                for value in values(wanted) {
                    query = query.bind(value);
                }
                query.fetch_one(self.0.pool()).await?.try_get(0)
            })
            .await
    }

    /// Every tag.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        self.0
            .work(async {
                let sql = "SELECT name, display_name FROM tag ORDER BY display_name";
                let rows = self.0.pool().fetch_all(sql).await?;
                rows.iter()
                    .map(|row| Ok(Tag { name: row.try_get(0)?, display_name: row.try_get(1)? }))
                    .collect()
            })
            .await
    }

    /// Gives a product a tag; false when there is no such product or no such tag. A product can be given one twice: the table has
    /// no key.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn give_tag(&self, product: &str, tag: &str) -> Result<bool, StoreError> {
        let sql = self.0.sql(
            "INSERT INTO product_tag (product_id, tag_id) \
             SELECT p.product_id, t.tag_id FROM product p, tag t WHERE p.product_id = ? AND t.name = ?",
        );
        let given = self.0.work(sqlx::query(sql).bind(product).bind(tag).execute(self.0.pool())).await?;
        Ok(given.rows_affected() > 0)
    }

    /// Puts the tags to the products.
    async fn with_tags(&self, mut products: Vec<Product>) -> Result<Vec<Product>, sqlx::Error> {
        if products.is_empty() {
            return Ok(products);
        }
        let sql = self.0.sql(&format!(
            "SELECT DISTINCT pt.product_id, t.name, t.display_name FROM product_tag pt \
             JOIN tag t ON t.tag_id = pt.tag_id WHERE pt.product_id IN ({}) ORDER BY t.display_name",
            places(products.len())
        ));
        let mut query = sqlx::query(sql);
        for product in &products {
            query = query.bind(product.id.clone());
        }
        let mut tags: BTreeMap<String, Vec<Tag>> = BTreeMap::new();
        for row in query.fetch_all(self.0.pool()).await? {
            let tag = Tag { name: row.try_get(1)?, display_name: row.try_get(2)? };
            tags.entry(row.try_get(0)?).or_default().push(tag);
        }
        for product in &mut products {
            product.tags = tags.remove(&product.id).unwrap_or_default();
        }
        Ok(products)
    }
}

fn product(row: &AnyRow) -> Result<Product, sqlx::Error> {
    let price: String = row.try_get(3)?;
    let price: Money = price.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let (id, name, description) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(Product { id, name, description, price, tags: Vec::new() })
}

/// The condition of what is wanted. Its values are [`values`], in that order.
fn filter(wanted: &Wanted) -> String {
    let mut conditions = vec!["1 = 1".to_owned()];
    if !wanted.tags.is_empty() {
        conditions.push(format!(
            "p.product_id IN (SELECT pt.product_id FROM product_tag pt JOIN tag t ON t.tag_id = pt.tag_id WHERE t.name IN ({}))",
            places(wanted.tags.len())
        ));
    }
    if wanted.keyword.is_some() {
        conditions
            .push("(LOWER(p.name) LIKE ? ESCAPE '!' OR LOWER(p.description) LIKE ? ESCAPE '!')".to_owned());
    }
    conditions.join(" AND ")
}

fn values(wanted: &Wanted) -> Vec<String> {
    let mut values = wanted.tags.clone();
    if let Some(keyword) = &wanted.keyword {
        let plain = keyword.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
        values.extend([format!("%{plain}%"), format!("%{plain}%")]);
    }
    values
}

/// So many values of a list.
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}
