//! What the services say to one another and to their clients: the JSON of the public retail store sample (v1.6), with what ours
//! know besides. Members beyond the sample's are optional in what comes in.

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Price of one.
    pub price: Money,
    /// Its tags, each once.
    #[serde(default)]
    pub tags: Vec<Tag>,
}

/// A tag of products.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// Name, as in a query.
    pub name: String,
    /// Name for people.
    pub display_name: String,
}

/// How many products there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogSize {
    /// Products.
    pub size: i64,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cart {
    /// Whose it is.
    pub customer_id: String,
    /// What is in it.
    pub items: Vec<CartItem>,
}

/// So many of one product, in a cart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CartItem {
    /// Id of the product.
    pub item_id: String,
    /// How many.
    pub quantity: i64,
    /// Price of one when it was put in.
    #[serde(default)]
    pub unit_price: Money,
    /// Counts the changes of this item.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<u64>,
    /// When it was changed last, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub updated_at: Option<String>,
    /// The Region that changed it last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<String>,
}

/// Where a delivery goes, as `checkout` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutAddress {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Street and number.
    pub address1: String,
    /// More of it.
    #[serde(default)]
    pub address2: String,
    /// City.
    pub city: String,
    /// State.
    #[serde(default)]
    pub state: String,
    /// Postal code.
    pub zip: String,
    /// E-mail address.
    pub email: String,
}

/// The same as `orders` has it: the postal code has another name there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderAddress {
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// E-mail address.
    pub email: String,
    /// Street and number.
    pub address1: String,
    /// More of it.
    #[serde(default)]
    pub address2: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub zip_code: String,
    /// State.
    #[serde(default)]
    pub state: String,
}

impl From<CheckoutAddress> for OrderAddress {
    fn from(address: CheckoutAddress) -> Self {
        let CheckoutAddress { first_name, last_name, address1, address2, city, state, zip, email } = address;
        Self { first_name, last_name, email, address1, address2, city, zip_code: zip, state }
    }
}

/// What a checkout is asked to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutRequest {
    /// What is to be bought.
    pub items: Vec<CheckoutItem>,
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shipping_address: Option<CheckoutAddress>,
    /// How it goes: the token of a delivery option.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery_option_token: Option<String>,
}

/// So many of one product, in a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutItem {
    /// Id of the product.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: i64,
    /// Price of one.
    pub price: Money,
    /// Price of all; what comes in is computed anew.
    #[serde(default)]
    pub total_cost: Money,
}

/// A way of delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryOption {
    /// Name.
    pub name: String,
    /// Price.
    pub amount: Money,
    /// What it is chosen by.
    pub token: String,
    /// Days it takes.
    pub estimated_days: u16,
}

/// The ways of delivery for a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShippingRates {
    /// Id of the question.
    pub shipment_id: String,
    /// The ways.
    pub rates: Vec<DeliveryOption>,
}

/// A checkout: what a customer is about to order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkout {
    /// The idempotency key of the order that it becomes.
    pub id: String,
    /// What is to be bought.
    pub items: Vec<CheckoutItem>,
    /// Where it goes.
    pub shipping_address: Option<CheckoutAddress>,
    /// How it goes.
    pub delivery_option_token: Option<String>,
    /// The ways to choose from, once there is an address.
    pub shipping_rates: Option<ShippingRates>,
    /// Of the items.
    pub subtotal: Money,
    /// Of the delivery, once it is chosen.
    pub shipping: Money,
    /// Tax on the items.
    pub tax: Money,
    /// All together.
    pub total: Money,
    /// The order that it has become.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub order_id: Option<String>,
}

/// How a customer pays. Nothing of it is kept or logged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Name on the card.
    pub card_holder: String,
    /// Its number.
    pub card_number: String,
    /// Month and year, `01/35`.
    pub expiry_date: String,
    /// The digits on its back.
    pub cvc: String,
}

/// What came of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The order's id.
    pub order_id: String,
    /// Where the confirmation goes.
    pub email: String,
    /// What was bought.
    pub items: Vec<CheckoutItem>,
    /// Of the items.
    pub subtotal: Money,
    /// Of the delivery.
    pub shipping: Money,
    /// Tax.
    pub tax: Money,
    /// All together.
    pub total: Money,
}

/// An order that is to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewOrder {
    /// Whose it is; the sample's clients don't say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer_id: Option<String>,
    /// Where it goes.
    pub shipping_address: OrderAddress,
    /// What is bought.
    pub items: Vec<OrderItem>,
    /// Of the delivery.
    #[serde(default)]
    pub shipping: Money,
    /// Tax.
    #[serde(default)]
    pub tax: Money,
}

/// So many of one product, in an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderItem {
    /// Its line, counted from 1; what comes in is numbered anew.
    #[serde(default)]
    pub line: i64,
    /// Id of the product.
    pub product_id: String,
    /// Its name when it was ordered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Price of one.
    pub unit_cost: Money,
    /// Price of all; what comes in is computed anew.
    #[serde(default)]
    pub total_cost: Money,
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Id.
    pub id: String,
    /// Whose it is.
    pub customer_id: String,
    /// Where it stands.
    pub status: OrderStatus,
    /// When it was placed, RFC 3339.
    pub created_date: String,
    /// When it was changed last, RFC 3339.
    pub updated_date: String,
    /// The Region that took it.
    pub region: String,
    /// Where it goes.
    pub shipping_address: OrderAddress,
    /// What was bought.
    pub items: Vec<OrderItem>,
    /// Of the items.
    pub subtotal: Money,
    /// Of the delivery.
    pub shipping: Money,
    /// Tax.
    pub tax: Money,
    /// All together.
    pub total: Money,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum OrderStatus {
    /// Paid, and to be sent.
    Paid,
    /// Held back.
    Held,
    /// On its way.
    Sent,
    /// Cancelled by its customer.
    Cancelled,
}

impl OrderStatus {
    /// As the database has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paid => "PAID",
            Self::Held => "HELD",
            Self::Sent => "SENT",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Of its name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Paid, Self::Held, Self::Sent, Self::Cancelled].into_iter().find(|status| status.name() == name)
    }

    /// Whether it may become `next`.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Paid, Self::Sent | Self::Held | Self::Cancelled)
                | (Self::Held, Self::Paid | Self::Sent | Self::Cancelled)
        )
    }
}

/// A change of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    /// What it is to be.
    pub status: OrderStatus,
}
