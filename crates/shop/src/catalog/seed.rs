//! The products that the shop begins with, of our own making.

use serde::Deserialize;

use crate::api::Tag;
use crate::money::Money;

#[derive(Deserialize)]
struct Seed {
    id: String,
    name: String,
    description: String,
    price: Money,
    tags: Vec<String>,
}

/// The statements that put them into empty tables.
pub(super) fn statements() -> Vec<String> {
    // Both files are part of the program: a test reads them.
    let products: Vec<Seed> = serde_json::from_str(include_str!("products.json")).unwrap_or_default();
    let tags: Vec<Tag> = serde_json::from_str(include_str!("tags.json")).unwrap_or_default();
    let number = |name: &str| tags.iter().position(|tag| tag.name == name).map(|place| place + 1);
    let of_tags = tags.iter().enumerate().map(|(place, tag)| {
        format!("({}, {}, {})", place + 1, literal(&tag.name), literal(&tag.display_name))
    });
    let of_products = products.iter().map(|product| {
        let [id, name, description] =
            [&product.id, &product.name, &product.description].map(|text| literal(text));
        format!("({id}, {name}, {description}, {}, CURRENT_TIMESTAMP(6))", product.price)
    });
    let of_both = products.iter().flat_map(|product| {
        let tags = product.tags.iter().filter_map(|name| number(name));
        tags.map(|tag| format!("({}, {tag})", literal(&product.id)))
    });
    let into = |table: &str, rows: Vec<String>| format!("INSERT INTO {table} VALUES {}", rows.join(", "));
    vec![
        into("tag (tag_id, name, display_name)", of_tags.collect()),
        into("product (product_id, name, description, price, updated_at)", of_products.collect()),
        into("product_tag (product_id, tag_id)", of_both.collect()),
    ]
}

/// A text of the program as SQL has it. It has no backslash, which MySQL would read as more than itself.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_fits_its_columns_and_has_tags_that_are_there() {
        let products: Vec<Seed> = serde_json::from_str(include_str!("products.json")).unwrap();
        let tags: Vec<Tag> = serde_json::from_str(include_str!("tags.json")).unwrap();
        assert!(products.len() >= 12 && tags.len() >= 4);
        for product in &products {
            assert!(product.id.len() <= 40 && product.name.len() <= 80 && product.description.len() <= 400);
            assert!(!format!("{}{}{}", product.id, product.name, product.description).contains('\\'));
            assert!(!product.tags.is_empty(), "{}", product.id);
            for tag in &product.tags {
                assert!(tags.iter().any(|known| known.name == *tag), "{tag}");
            }
        }
        assert_eq!(literal("it's"), "'it''s'");
    }
}
