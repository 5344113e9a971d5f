//! From the cart to the order, in three pages: address, delivery, payment. Each form, once it is right, leads to the next page, so
//! that reloading one sends nothing twice; and the payment, sent twice all the same, is one order.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::pages::{AddressFields, AddressPage, DeliveryPage, Field, PaymentFields, PaymentPage};
use super::session::Session;
use super::shop::{Shop, go_to, notice, page_of, page_with, part, soon};
use crate::api::{Checkout, CheckoutAddress, CheckoutItem, CheckoutRequest, Payment, Submitted};
use crate::calls::segment;
use crate::input::{Fields, optional_text, text};
use crate::problem::Problem;

fn path(session: &Session) -> String {
    format!("/checkout/{}", segment(&session.owner()))
}

async fn current(shop: &Shop, session: &Session) -> Result<Checkout, Problem> {
    soon(shop.checkout.get(&path(session))).await
}

/// `GET /checkout`: the address, as far as it is known.
pub async fn address(State(shop): State<Shop>, session: Session) -> Response {
    let cart = match shop.cart(&session).await {
        Ok(cart) => cart,
        Err(problem) => return shop.trouble(&session, &problem, "/checkout").await,
    };
    if cart.items.is_empty() {
        return go_to("/cart");
    }
    let known = current(&shop, &session).await.ok().and_then(|checkout| checkout.shipping_address);
    let fields = known.map_or_else(AddressFields::default, |known| typed(known.into()).0);
    let things = cart.items.iter().map(|item| item.quantity).sum();
    page_with(StatusCode::OK, &AddressPage { frame: shop.frame_with(&session, Some(things)), fields })
}

/// An address, as it was typed. What is not there is empty, and told beside its field.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub struct TypedAddress {
    first_name: String,
    last_name: String,
    email: String,
    /// The retail store sample's load generator calls it so.
    #[serde(alias = "streetAddress")]
    address1: String,
    address2: String,
    city: String,
    state: String,
    zip_code: String,
}

impl From<CheckoutAddress> for TypedAddress {
    fn from(address: CheckoutAddress) -> Self {
        let CheckoutAddress { first_name, last_name, address1, address2, city, state, zip, email } = address;
        Self { first_name, last_name, email, address1, address2, city, state, zip_code: zip }
    }
}

/// The fields with what is wrong in each, and the address when nothing is.
fn typed(typed: TypedAddress) -> (AddressFields, Option<CheckoutAddress>) {
    let required = |value: &str, most: usize| match text("it", value, most) {
        Ok(_) => Field::of(value),
        Err(_) if value.trim().is_empty() => {
            Field { value: value.to_owned(), error: Some("Please fill this in.".into()) }
        }
        Err(_) => Field { value: value.to_owned(), error: Some(format!("At most {most} letters, please.")) },
    };
    let optional = |value: &str, most: usize| match optional_text("it", value, most) {
        Ok(_) => Field::of(value),
        Err(_) => Field { value: value.to_owned(), error: Some(format!("At most {most} letters, please.")) },
    };
    let mut email = required(&typed.email, 120);
    if email.error.is_none() && !typed.email.contains('@') {
        email.error = Some("Please give an e-mail address, such as ada@example.com.".into());
    }
    let fields = AddressFields {
        first_name: required(&typed.first_name, 60),
        last_name: required(&typed.last_name, 60),
        email,
        address1: required(&typed.address1, 120),
        address2: optional(&typed.address2, 120),
        city: required(&typed.city, 80),
        state: optional(&typed.state, 40),
        zip_code: required(&typed.zip_code, 20),
    };
    let all = [
        &fields.first_name,
        &fields.last_name,
        &fields.email,
        &fields.address1,
        &fields.address2,
        &fields.city,
        &fields.state,
        &fields.zip_code,
    ];
    let right = all.iter().all(|field| field.error.is_none());
    let TypedAddress { first_name, last_name, email, address1, address2, city, state, zip_code } = typed;
    let address =
        CheckoutAddress { first_name, last_name, address1, address2, city, state, zip: zip_code, email };
    (fields, right.then_some(address))
}

/// `POST /checkout`
pub async fn set_address(
    State(shop): State<Shop>,
    session: Session,
    Fields(form): Fields<TypedAddress>,
) -> Response {
    let (fields, address) = typed(form);
    let Some(address) = address else {
        let frame = shop.frame(&session).await;
        return page_with(StatusCode::BAD_REQUEST, &AddressPage { frame, fields });
    };
    let held = async {
        let items = items(&shop, &session).await?;
        let request = CheckoutRequest { items, shipping_address: Some(address), delivery_option_token: None };
        shop.checkout.post::<_, Checkout>(&format!("{}/update", path(&session)), &request).await
    };
    match held.await {
        Ok(_) => go_to("/checkout/delivery"),
        Err(problem) => shop.trouble(&session, &problem, "/checkout").await,
    }
}

/// What is in the cart, with the catalogue's names and prices; with the cart's where it does not answer.
async fn items(shop: &Shop, session: &Session) -> Result<Vec<CheckoutItem>, Problem> {
    let cart = shop.cart(session).await?;
    if cart.items.is_empty() {
        return Err(Problem::bad("items", "Your cart is empty."));
    }
    let items = cart.items.into_iter().map(async |item| {
        let known = shop.product(&item.item_id).await.ok();
        let (name, price) = known
            .map_or_else(|| (item.item_id.clone(), item.unit_price), |product| (product.name, product.price));
        CheckoutItem {
            id: item.item_id,
            name,
            quantity: item.quantity,
            price,
            total_cost: Default::default(),
        }
    });
    Ok(futures::future::join_all(items).await)
}

/// `GET /checkout/delivery`
pub async fn delivery(State(shop): State<Shop>, session: Session) -> Response {
    let (frame, checkout) = tokio::join!(shop.frame(&session), current(&shop, &session));
    // None was begun, or it has expired.
    let Some(checkout) = part(checkout) else { return go_to("/checkout") };
    let page = DeliveryPage { frame, checkout, error: None };
    page_with(page_of(&page.checkout), &page)
}

/// How it is to go.
#[derive(Deserialize, Default)]
pub struct Delivery {
    #[serde(default)]
    token: String,
}

/// `POST /checkout/delivery`
pub async fn set_delivery(
    State(shop): State<Shop>,
    session: Session,
    Fields(form): Fields<Delivery>,
) -> Response {
    let checkout = match current(&shop, &session).await {
        Ok(checkout) => checkout,
        Err(problem) if problem.status == 404 => return go_to("/checkout"),
        Err(problem) => return shop.trouble(&session, &problem, "/checkout/delivery").await,
    };
    let request = CheckoutRequest {
        items: checkout.items.clone(),
        shipping_address: checkout.shipping_address.clone(),
        delivery_option_token: Some(form.token),
    };
    let update = format!("{}/update", path(&session));
    match shop.checkout.post::<_, Checkout>(&update, &request).await {
        Ok(_) => go_to("/checkout/payment"),
        Err(problem) if problem.field.as_deref() == Some("deliveryOptionToken") => {
            let (frame, error) = (shop.frame(&session).await, Some("Please choose one of these.".into()));
            let page = DeliveryPage { frame, checkout: Some(checkout).into(), error };
            page_with(StatusCode::BAD_REQUEST, &page)
        }
        Err(problem) => shop.trouble(&session, &problem, "/checkout/delivery").await,
    }
}

/// `GET /checkout/payment`
pub async fn payment(State(shop): State<Shop>, session: Session) -> Response {
    let (frame, checkout) = tokio::join!(shop.frame(&session), current(&shop, &session));
    let holder = checkout.as_ref().ok().and_then(|checkout| checkout.shipping_address.as_ref());
    let holder = holder.map(|address| format!("{} {}", address.first_name, address.last_name));
    let Some(checkout) = part(checkout) else { return go_to("/checkout") };
    let fields = PaymentFields::test_card(&holder.unwrap_or_default());
    let page = PaymentPage { frame, checkout, fields };
    page_with(page_of(&page.checkout), &page)
}

/// `POST /checkout/payment`: pays and orders.
pub async fn pay(State(shop): State<Shop>, session: Session, Fields(form): Fields<Payment>) -> Response {
    let submit = format!("{}/submit", path(&session));
    let submitted = shop.checkout.post::<_, Submitted>(&submit, &json!({"payment": form})).await;
    let problem = match submitted {
        Ok(submitted) => {
            // The order stands. A cart that can't be emptied now is still full, and no more than that.
            let _ = soon(shop.carts.delete(&format!("/carts/{}", segment(&session.owner())))).await;
            return go_to(&format!("/orders/{}?placed=1", segment(&submitted.order_id)));
        }
        Err(problem) => problem,
    };
    let (frame, checkout) = tokio::join!(shop.frame(&session), current(&shop, &session));
    let Some(checkout) = part(checkout) else { return go_to("/checkout") };
    let said = match problem.status {
        400 => "Something about the card is not right.",
        402 => "The card was declined. Nothing was ordered.",
        409 => "The checkout was changed meanwhile: please look at it again.",
        _ => {
            "We could not take your order just now. Please press again in a moment: pressed twice, it is still one order."
        }
    };
    let fields = PaymentFields {
        card_holder: field("cardHolder", form.card_holder, &problem),
        card_number: field("cardNumber", form.card_number, &problem),
        expiry_date: field("expiryDate", form.expiry_date, &problem),
        cvc: field("cvc", form.cvc, &problem),
    };
    let mut page = PaymentPage { frame, checkout, fields };
    page.frame.notice = notice(said);
    page_with(StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE), &page)
}

fn field(name: &str, value: String, problem: &Problem) -> Field {
    let wrong = problem.field.as_deref() == Some(name);
    Field { value, error: wrong.then(|| "Please look at this once more.".to_owned()) }
}
