//! What a Region's databases have of the shop, read past its services.

use sqlx::{AnyConnection, AssertSqlSafe, Row};

use super::verdict::NewPrimary;
use crate::Error;
use crate::rig::Rig;

/// Reads it.
///
/// # Errors
/// When a database does not answer.
pub async fn read(rig: &Rig, region: &str) -> Result<NewPrimary, Error> {
    let connect = async |database: &str| -> Result<_, Error> {
        let login =
            rig.database(region, database).ok_or_else(|| format!("no {database} database in {region}"))?;
        Ok(login.connect(database).await?)
    };
    let mut read = NewPrimary::default();
    let mut orders = connect("orders").await?;
    // Both engines make text of what is added to a text.
    let all = "SELECT CONCAT(ORDER_ID, ''), STATUS, CUSTOMER_ID FROM CUSTOMER_ORDER";
    for [id, status, customer] in texts(&mut orders, all).await? {
        read.orders.insert(id, (status, customer));
    }
    let all = "SELECT CONCAT(ORDER_ID, ''), CONCAT(LINE, '') FROM CUSTOMER_ORDER_ITEM";
    for [id, line] in texts(&mut orders, all).await? {
        read.lines.entry(id).or_default().insert(line.parse()?);
    }
    for [id] in texts(&mut orders, "SELECT CONCAT(ORDER_ID, '') FROM CUSTOMER_ORDER_ADDRESS").await? {
        read.addresses.insert(id);
    }
    for [id, kind] in texts(&mut orders, "SELECT CONCAT(ORDER_ID, ''), KIND FROM ORDER_EVENT").await? {
        *read.events.entry((id, kind)).or_default() += 1;
    }
    let mut catalog = connect("catalog").await?;
    let all = "SELECT pt.product_id, t.name FROM product_tag pt JOIN tag t ON t.tag_id = pt.tag_id";
    for [product, tag] in texts(&mut catalog, all).await? {
        *read.tags.entry((product, tag)).or_default() += 1;
    }
    for [number, name] in texts(&mut catalog, "SELECT CONCAT(tag_id, ''), name FROM tag").await? {
        read.tag_names.insert(number.parse()?, name);
    }
    Ok(read)
}

async fn texts<const N: usize>(
    connection: &mut AnyConnection,
    sql: &'static str,
) -> Result<Vec<[String; N]>, Error> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
    let row = |row: &sqlx::any::AnyRow| {
        let mut texts = [const { String::new() }; N];
        for (column, text) in texts.iter_mut().enumerate() {
            *text = row.try_get(column)?;
        }
        Ok::<_, sqlx::Error>(texts)
    };
    Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
}
