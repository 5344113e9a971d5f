//! What a Region's databases have of the shop, read past its services.

use super::verdict::NewPrimary;
use super::world::World;
use crate::Error;
use crate::login::Login;

/// Reads it.
///
/// # Errors
/// When a database does not answer.
pub async fn read(world: &impl World, region: &str) -> Result<NewPrimary, Error> {
    let connect = async |database: &str| -> Result<_, Error> {
        let target = world.database(region, database).await?;
        Login::connect(&target)
            .await
            .map_err(|error| format!("the database {database} in {region} can't be read: {error}").into())
    };
    let mut read = NewPrimary::default();
    let mut orders = connect("orders").await?;
    // Both engines make text of what is added to a text.
    let all = "SELECT CONCAT(ORDER_ID, ''), STATUS, CUSTOMER_ID FROM CUSTOMER_ORDER";
    for [id, status, customer] in orders.texts(all).await? {
        read.orders.insert(id, (status, customer));
    }
    let all = "SELECT CONCAT(ORDER_ID, ''), CONCAT(LINE, '') FROM CUSTOMER_ORDER_ITEM";
    for [id, line] in orders.texts(all).await? {
        read.lines.entry(id).or_default().insert(line.parse()?);
    }
    for [id] in orders.texts("SELECT CONCAT(ORDER_ID, '') FROM CUSTOMER_ORDER_ADDRESS").await? {
        read.addresses.insert(id);
    }
    for [id, kind] in orders.texts("SELECT CONCAT(ORDER_ID, ''), KIND FROM ORDER_EVENT").await? {
        *read.events.entry((id, kind)).or_default() += 1;
    }
    let mut catalog = connect("catalog").await?;
    let all = "SELECT pt.product_id, t.name FROM product_tag pt JOIN tag t ON t.tag_id = pt.tag_id";
    for [product, tag] in catalog.texts(all).await? {
        *read.tags.entry((product, tag)).or_default() += 1;
    }
    for [number, name] in catalog.texts("SELECT CONCAT(tag_id, ''), name FROM tag").await? {
        read.tag_names.insert(number.parse()?, name);
    }
    Ok(read)
}
