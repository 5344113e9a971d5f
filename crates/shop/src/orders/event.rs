//! What happened to an order, for others: the rows of the outbox, and the messages that they become.

use serde_json::json;
use uuid::Uuid;

use crate::api::Order;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// It was placed.
    Created,
    /// An item was taken out, or its status has changed.
    Changed,
    /// It was cancelled.
    Cancelled,
}

impl EventKind {
    /// As the outbox and the message have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "OrderCreated",
            Self::Changed => "OrderChanged",
            Self::Cancelled => "OrderCancelled",
        }
    }
}

/// An event, as the outbox has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Id, in the order of time. A message that is sent twice has the same.
    pub id: String,
    /// The order's id.
    pub order: String,
    /// What happened.
    pub kind: String,
    /// JSON: the sample's `order`, and its status.
    pub body: String,
}

impl Event {
    /// Of what has become of an order.
    pub fn new(kind: EventKind, order: &Order) -> Self {
        let address = &order.shipping_address;
        let items = order.items.iter().map(|item| {
            json!({
                "productId": item.product_id, "quantity": item.quantity,
                "unitCost": item.unit_cost, "totalCost": item.total_cost,
            })
        });
        let body = json!({
            "order": {
                "id": order.id, "firstName": address.first_name, "lastName": address.last_name,
                "email": address.email, "status": order.status, "total": order.total,
                "orderItems": items.collect::<Vec<_>>(),
            },
        });
        Self {
            id: Uuid::now_v7().to_string(),
            order: order.id.clone(),
            kind: kind.name().into(),
            body: body.to_string(),
        }
    }
}
