//! What a checkout costs: exact, and checked.

use crate::api::{CheckoutItem, DeliveryOption};
use crate::input::{self, identifier};
use crate::money::Money;
use crate::problem::Problem;

/// Different products of one checkout, at most.
const MOST: usize = 50;

/// The ways of delivery.
pub fn deliveries() -> Vec<DeliveryOption> {
    let way = |name: &str, amount, token: &str, estimated_days| DeliveryOption {
        name: name.into(),
        amount: Money::whole(amount),
        token: token.into(),
        estimated_days,
    };
    vec![way("Priority Mail", 5, "priority-mail", 10), way("Express", 15, "express", 2)]
}

/// What something costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Of the items.
    pub subtotal: Money,
    /// Of the delivery.
    pub shipping: Money,
    /// Tax on the items.
    pub tax: Money,
    /// All together.
    pub total: Money,
}

/// The items with what each costs.
///
/// # Errors
/// A 400 that names the item's field that is wrong.
pub fn priced(items: Vec<CheckoutItem>) -> Result<Vec<CheckoutItem>, Problem> {
    if items.is_empty() || items.len() > MOST {
        return Err(Problem::bad("items", format!("There have to be 1 to {MOST} items.")));
    }
    let priced = items.into_iter().enumerate().map(|(place, item)| {
        let field = |name: &str| format!("items[{place}].{name}");
        identifier(&field("id"), &item.id)?;
        let name = input::text(&field("name"), &item.name, 80)?.to_owned();
        let quantity = input::quantity(&field("quantity"), item.quantity)?;
        if item.price.is_negative() {
            return Err(Problem::bad(&field("price"), "The price is less than nothing."));
        }
        let total_cost = item.price.times(quantity);
        let total_cost = total_cost.ok_or_else(|| Problem::bad(&field("price"), "The price is too high."))?;
        Ok(CheckoutItem { name, total_cost, ..item })
    });
    priced.collect()
}

/// What priced items cost, with the delivery that was chosen.
///
/// # Errors
/// A 400 when it is more than anybody can pay.
pub fn totals(items: &[CheckoutItem], delivery: Option<&DeliveryOption>) -> Result<Totals, Problem> {
    let subtotal: Money = items.iter().map(|item| item.total_cost).sum();
    let shipping = delivery.map(|way| way.amount).unwrap_or_default();
    let tax = subtotal.tax();
    let total = subtotal.plus(shipping).and_then(|sum| sum.plus(tax));
    let total = total.ok_or_else(|| Problem::bad("items", "The items cost more than anybody can pay."))?;
    Ok(Totals { subtotal, shipping, tax, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(quantity: i64, price: &str) -> CheckoutItem {
        CheckoutItem {
            id: "tin-mug".into(),
            name: "Tin mug".into(),
            quantity,
            price: price.parse().unwrap(),
            total_cost: Money::whole(1),
        }
    }

    #[test]
    fn totals_are_exact_and_what_came_in_as_a_total_does_not_count() {
        let items = priced(vec![item(3, "0.10"), item(1, "19.99")]).unwrap();
        let express = &deliveries()[1];
        let totals = totals(&items, Some(express)).unwrap();
        let [subtotal, shipping, tax, total] =
            [totals.subtotal, totals.shipping, totals.tax, totals.total].map(|amount| amount.to_string());
        assert_eq!([subtotal, shipping, tax, total], ["20.29", "15.00", "1.01", "36.30"]);
    }

    #[test]
    fn a_wrong_item_is_named() {
        let field = |items| priced(items).unwrap_err().field.unwrap();
        assert_eq!(field(vec![]), "items");
        assert_eq!(field(vec![item(1, "1"), item(0, "1")]), "items[1].quantity");
        assert_eq!(field(vec![item(1, "-1")]), "items[0].price");
        assert_eq!(field(vec![item(99, "99999999")]), "items[0].price");
        let dear: Vec<_> = (0..50).map(|_| item(1, "99999999")).collect();
        assert_eq!(totals(&priced(dear).unwrap(), None).unwrap_err().field.as_deref(), Some("items"));
    }
}
