//! The cart: looking at it, putting in, changing, taking out. Each change ends at the cart's page.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use super::pages::{CartLine, CartPage, Part};
use super::session::Session;
use super::shop::{Shop, go_to, page_of, page_with};
use crate::api::{Cart, CartItem};
use crate::calls::segment;
use crate::input::{Fields, identifier, quantity};
use crate::problem::Problem;

/// `GET /cart`
pub async fn look(State(shop): State<Shop>, session: Session) -> Response {
    let cart = shop.cart(&session).await.ok();
    let things = cart.as_ref().map(|cart| cart.items.iter().map(|item| item.quantity).sum());
    let lines = match cart {
        Some(cart) => Part::Here(lines(&shop, cart).await),
        None => Part::Unavailable,
    };
    let page = CartPage { frame: shop.frame_with(&session, things), lines };
    page_with(page_of(&page.lines), &page)
}

/// What is in a cart, with the names that the catalogue has.
async fn lines(shop: &Shop, cart: Cart) -> Vec<CartLine> {
    let named = cart.items.into_iter().map(async |item| {
        let name = shop.product(&item.item_id).await.ok().map(|product| product.name);
        let count = u32::try_from(item.quantity).unwrap_or_default();
        CartLine {
            name,
            product_id: item.item_id,
            quantity: item.quantity,
            unit_price: item.unit_price,
            total: item.unit_price.times(count).unwrap_or_default(),
        }
    });
    futures::future::join_all(named).await
}

/// What is put in, changed or taken out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    product_id: String,
    #[serde(default = "one")]
    quantity: i64,
}

const fn one() -> i64 {
    1
}

/// `POST /cart`: so many more of a product.
pub async fn add(State(shop): State<Shop>, session: Session, Fields(change): Fields<Change>) -> Response {
    let added = async {
        let id = identifier("productId", &change.product_id)?;
        quantity("quantity", change.quantity)?;
        let product = shop.product(id).await?;
        let item = item(&change, product.price);
        let path = format!("/carts/{}/items", segment(&session.owner()));
        shop.carts.post::<_, CartItem>(&path, &item).await.map(drop)
    };
    done(&shop, &session, added.await).await
}

/// `POST /cart/change`: so many of it, and no more.
pub async fn set(State(shop): State<Shop>, session: Session, Fields(change): Fields<Change>) -> Response {
    let changed = async {
        identifier("productId", &change.product_id)?;
        quantity("quantity", change.quantity)?;
        let path = format!("/carts/{}/items", segment(&session.owner()));
        shop.carts.patch::<_, Value>(&path, &item(&change, Default::default())).await.map(drop)
    };
    done(&shop, &session, changed.await).await
}

/// `POST /cart/remove`
pub async fn remove(State(shop): State<Shop>, session: Session, Fields(change): Fields<Change>) -> Response {
    let removed = async {
        let id = identifier("productId", &change.product_id)?;
        shop.carts.delete(&format!("/carts/{}/items/{}", segment(&session.owner()), segment(id))).await
    };
    done(&shop, &session, removed.await).await
}

fn item(change: &Change, unit_price: crate::money::Money) -> CartItem {
    CartItem {
        item_id: change.product_id.clone(),
        quantity: change.quantity,
        unit_price,
        version: None,
        updated_at: None,
        region: None,
    }
}

async fn done(shop: &Shop, session: &Session, changed: Result<(), Problem>) -> Response {
    match changed {
        Ok(()) => go_to("/cart"),
        Err(problem) => shop.trouble(session, &problem, "/cart").await,
    }
}
