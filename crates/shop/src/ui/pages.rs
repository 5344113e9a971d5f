//! The pages that a customer sees: one struct each, made HTML by its template in `templates/`.
//!
//! A page is whole when it is rendered: it needs no script, nothing from elsewhere, and no more than the style sheet and the
//! pictures under `/assets`. `Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'`
//! is enough for all of them.
//!
//! Promises: whatever a customer or the database says is escaped by askama, which escapes every expression of a file that ends
//! with `.html`; addresses made of such text are percent-encoded besides. A part that can't be had, [`Part::Unavailable`], is
//! said where it would stand, in a customer's words and with a way to try again; the rest of the page is there.

use askama::Template;
use jiff::Timestamp;

use crate::api::{Checkout, DeliveryOption, Order, OrderItem, OrderStatus, Product, Tag};
use crate::money::Money;

/// What every page has around its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The Region that served the page, said in the footer.
    pub region: String,
    /// The name of who is signed in.
    pub customer: Option<String>,
    /// How many things are in the cart; `None` while the carts are unavailable.
    pub cart_count: Option<u32>,
    /// One line on top of the content.
    pub notice: Option<Notice>,
}

/// What became of what the customer did last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it went.
    pub kind: NoticeKind,
    /// In words.
    pub text: String,
}

/// How something went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// As it was meant.
    Good,
    /// Not so.
    Trouble,
}

/// A part of a page that depends on another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<T> {
    /// It answered.
    Here(T),
    /// It didn't.
    Unavailable,
}

impl<T> From<Option<T>> for Part<T> {
    fn from(part: Option<T>) -> Self {
        part.map_or(Self::Unavailable, Self::Here)
    }
}

/// One field of a form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    /// What stands in it.
    pub value: String,
    /// What is wrong with that, as a sentence.
    pub error: Option<String>,
}

impl Field {
    /// A field with nothing wrong in it.
    pub fn of(value: impl Into<String>) -> Self {
        Self { value: value.into(), error: None }
    }
}

/// `GET /`
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// Around it.
    pub frame: Frame,
    /// Every tag; none while the catalogue is unavailable.
    pub tags: Vec<Tag>,
    /// Some products, six or so.
    pub products: Part<Vec<Product>>,
}

/// `GET /catalog?tag&page` and `GET /catalog/search?keyword&page`
#[derive(Debug, Template)]
#[template(path = "catalogue.html")]
pub struct CataloguePage {
    /// Around it.
    pub frame: Frame,
    /// Every tag; none while the catalogue is unavailable.
    pub tags: Vec<Tag>,
    /// The name of the tag whose products are shown.
    pub selected: Option<String>,
    /// What was searched for, on a page of what was found.
    pub keyword: Option<String>,
    /// The products of this page.
    pub products: Part<Vec<Product>>,
    /// Which page this is, counted from 1.
    pub page: u32,
    /// How many there are.
    pub pages: u32,
}

impl CataloguePage {
    fn is_selected(&self, tag: &Tag) -> bool {
        self.selected.as_deref() == Some(tag.name.as_str())
    }

    fn heading(&self) -> &str {
        self.tags.iter().find(|tag| self.is_selected(tag)).map_or("The catalogue", |tag| &tag.display_name)
    }

    /// Where another page of the same list is.
    fn address(&self, page: u32) -> String {
        match (&self.keyword, &self.selected) {
            (Some(keyword), _) => format!("/catalog/search?keyword={}&page={page}", encoded(keyword)),
            (None, Some(tag)) => format!("/catalog?tag={}&page={page}", encoded(tag)),
            (None, None) => format!("/catalog?page={page}"),
        }
    }
}

/// `GET /catalog/{id}`
#[derive(Debug, Template)]
#[template(path = "product.html")]
pub struct ProductPage {
    /// Around it.
    pub frame: Frame,
    /// The id that was asked for.
    pub product_id: String,
    /// What it is the id of.
    pub product: Part<Product>,
}

impl ProductPage {
    fn address(&self) -> String {
        format!("/catalog/{}", encoded(&self.product_id))
    }
}

/// `GET /cart`
#[derive(Debug, Template)]
#[template(path = "cart.html")]
pub struct CartPage {
    /// Around it.
    pub frame: Frame,
    /// What is in the cart.
    pub lines: Part<Vec<CartLine>>,
}

impl CartPage {
    /// Whether the catalogue didn't say what something is called.
    fn lacks_names(&self) -> bool {
        matches!(&self.lines, Part::Here(lines) if lines.iter().any(|line| line.name.is_none()))
    }

    fn subtotal(&self) -> Money {
        match &self.lines {
            Part::Here(lines) => lines.iter().map(|line| line.total).sum(),
            Part::Unavailable => Money::default(),
        }
    }
}

/// So many of one product, in a cart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartLine {
    /// Id of the product.
    pub product_id: String,
    /// Its name; `None` while the catalogue is unavailable, and the id is shown.
    pub name: Option<String>,
    /// How many.
    pub quantity: i64,
    /// Price of one, as the cart has it.
    pub unit_price: Money,
    /// Price of all.
    pub total: Money,
}

impl CartLine {
    fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.product_id)
    }
}

/// `GET /checkout`, and `POST /checkout` when a field is wrong.
#[derive(Debug, Template)]
#[template(path = "address.html")]
pub struct AddressPage {
    /// Around it.
    pub frame: Frame,
    /// Of the form.
    pub fields: AddressFields,
}

/// Where a delivery goes, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressFields {
    /// `firstName`
    pub first_name: Field,
    /// `lastName`
    pub last_name: Field,
    /// `email`
    pub email: Field,
    /// `address1`
    pub address1: Field,
    /// `address2`, which may be empty.
    pub address2: Field,
    /// `city`
    pub city: Field,
    /// `state`, which may be empty.
    pub state: Field,
    /// `zipCode`
    pub zip_code: Field,
}

/// `GET /checkout/delivery`, and `POST` of it when nothing was chosen.
#[derive(Debug, Template)]
#[template(path = "delivery.html")]
pub struct DeliveryPage {
    /// Around it.
    pub frame: Frame,
    /// The checkout with its shipping rates; without them the page says that they can't be had now.
    pub checkout: Part<Checkout>,
    /// What is wrong with the choice, as a sentence.
    pub error: Option<String>,
}

impl DeliveryPage {
    fn offers(&self) -> &[DeliveryOption] {
        match &self.checkout {
            Part::Here(Checkout { shipping_rates: Some(offer), .. }) => &offer.rates,
            Part::Here(_) | Part::Unavailable => &[],
        }
    }

    fn chosen(&self) -> Option<(&Checkout, &str)> {
        match &self.checkout {
            Part::Here(checkout) => Some((checkout, checkout.delivery_option_token.as_deref()?)),
            Part::Unavailable => None,
        }
    }

    fn is_chosen(&self, option: &DeliveryOption) -> bool {
        self.chosen().is_some_and(|(_, token)| token == option.token)
    }

    /// What the chosen way costs.
    fn delivery(&self) -> Option<Money> {
        self.chosen().map(|(checkout, _)| checkout.shipping)
    }
}

/// `GET /checkout/payment`, and `POST` of it when the payment was refused.
#[derive(Debug, Template)]
#[template(path = "payment.html")]
pub struct PaymentPage {
    /// Around it.
    pub frame: Frame,
    /// The checkout with its address and its delivery.
    pub checkout: Part<Checkout>,
    /// Of the form.
    pub fields: PaymentFields,
}

/// How a customer pays, as it was typed. Never logged, so it has no `Debug` that says it.
#[derive(Clone, PartialEq, Eq)]
pub struct PaymentFields {
    /// `cardHolder`
    pub card_holder: Field,
    /// `cardNumber`
    pub card_number: Field,
    /// `expiryDate`
    pub expiry_date: Field,
    /// `cvc`
    pub cvc: Field,
}

impl PaymentFields {
    /// The card that the form begins with. It is nobody's.
    pub fn test_card(holder: &str) -> Self {
        Self {
            card_holder: Field::of(holder),
            card_number: Field::of("1234567890123456"),
            expiry_date: Field::of("01/35"),
            cvc: Field::of("123"),
        }
    }
}

impl std::fmt::Debug for PaymentFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentFields")
    }
}

/// `GET /orders/{id}`, and where a checkout ends.
#[derive(Debug, Template)]
#[template(path = "order.html")]
pub struct OrderPage {
    /// Around it.
    pub frame: Frame,
    /// The id that was asked for, shown while the order itself can't be.
    pub order_id: String,
    /// The order.
    pub order: Part<Order>,
    /// Whether the checkout ended just now.
    pub just_placed: bool,
}

impl OrderPage {
    fn address(&self) -> String {
        format!("/orders/{}", encoded(&self.order_id))
    }
}

/// `GET /orders`
#[derive(Debug, Template)]
#[template(path = "orders.html")]
pub struct OrdersPage {
    /// Around it.
    pub frame: Frame,
    /// The customer's orders, in the order in which they are shown.
    pub orders: Part<Vec<Order>>,
}

/// `GET /sign-in`, and `POST` of it when the name is wrong.
#[derive(Debug, Template)]
#[template(path = "sign-in.html")]
pub struct SignInPage {
    /// Around it. While somebody is signed in, the page has the form to sign out, too.
    pub frame: Frame,
    /// Of the form.
    pub name: Field,
}

/// A page that says one thing: that something isn't there, or not now.
#[derive(Debug, Template)]
#[template(path = "message.html")]
pub struct MessagePage {
    /// Around it.
    pub frame: Frame,
    /// The thing, in a few words.
    pub title: String,
    /// What the customer may make of it.
    pub text: String,
    /// Where to go from here: an address of this shop.
    pub href: String,
    /// What the link says.
    pub label: String,
}

/// The steps of the checkout: number, name, address.
const STEPS: [(u8, &str, &str); 3] =
    [(1, "Address", "/checkout"), (2, "Delivery", "/checkout/delivery"), (3, "Payment", "/checkout/payment")];

/// A point in time, written as RFC 3339 has it, for people: `30 November 2026, 14:31 UTC`. What is no point in time is shown as
/// it is.
pub fn day_and_time(text: &str) -> String {
    text.parse::<Timestamp>()
        .map_or_else(|_| text.to_owned(), |time| time.strftime("%-d %B %Y, %H:%M UTC").to_string())
}

const fn status_name(order: &Order) -> &'static str {
    match order.status {
        OrderStatus::Paid => "Paid",
        OrderStatus::Held => "On hold",
        OrderStatus::Sent => "On its way",
        OrderStatus::Cancelled => "Cancelled",
    }
}

const fn status_text(order: &Order) -> &'static str {
    match order.status {
        OrderStatus::Paid => "We are packing it. Until it leaves, you can still change your mind.",
        OrderStatus::Held => "We are looking it over before it goes out. There is nothing for you to do.",
        OrderStatus::Sent => "It has left our shore.",
        OrderStatus::Cancelled => "Nothing will be sent.",
    }
}

const fn status_class(order: &Order) -> &'static str {
    match order.status {
        OrderStatus::Paid | OrderStatus::Sent => "good",
        OrderStatus::Held => "waits",
        OrderStatus::Cancelled => "over",
    }
}

/// Whether single items may be taken out of it.
fn may_change(order: &Order) -> bool {
    order.status == OrderStatus::Paid
}

fn may_cancel(order: &Order) -> bool {
    order.status.may_become(OrderStatus::Cancelled)
}

fn item_label(item: &OrderItem) -> &str {
    item.name.as_deref().unwrap_or(&item.product_id)
}

/// How many things an order has, in words.
fn things(order: &Order) -> String {
    match order.items.iter().map(|item| item.quantity).sum::<i64>() {
        1 => "1 thing".to_owned(),
        count => format!("{count} things"),
    }
}

/// As a part of an address.
fn encoded(text: &str) -> impl std::fmt::Display + '_ {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::{CheckoutItem, OrderAddress, ShippingRates};

    /// What somebody may type.
    const TYPED: &str = r#"<script>alert(1)</script>""#;

    fn frame(customer: Option<&str>) -> Frame {
        Frame {
            region: "sandbox-west".into(),
            customer: customer.map(Into::into),
            cart_count: Some(3),
            notice: None,
        }
    }

    fn told(kind: NoticeKind, text: &str) -> Frame {
        Frame {
            notice: Some(Notice { kind, text: text.into() }),
            cart_count: (kind == NoticeKind::Good).then_some(3),
            ..frame(Some("Robin"))
        }
    }

    fn tags() -> Vec<Tag> {
        serde_json::from_str(include_str!("../catalog/tags.json")).unwrap()
    }

    fn products() -> Vec<Product> {
        let mut products: Value = serde_json::from_str(include_str!("../catalog/products.json")).unwrap();
        for product in products.as_array_mut().unwrap() {
            for tag in product["tags"].as_array_mut().unwrap() {
                let known = tags().into_iter().find(|known| known.name == *tag.as_str().unwrap());
                *tag = json!(known.expect("a tag that is there"));
            }
        }
        serde_json::from_value(products).unwrap()
    }

    /// A product of somebody who means no good.
    fn odd() -> Product {
        let tag = Tag { name: TYPED.into(), display_name: TYPED.into() };
        let [id, name, description] = [TYPED; 3].map(str::to_owned);
        Product { id, name, description, price: Money::whole(7), tags: vec![tag] }
    }

    fn line(product: &Product, quantity: u32, named: bool) -> CartLine {
        CartLine {
            product_id: product.id.clone(),
            name: named.then(|| product.name.clone()),
            quantity: quantity.into(),
            unit_price: product.price,
            total: product.price.times(quantity).unwrap(),
        }
    }

    fn checkout(names: &[&str], chosen: Option<&str>) -> Checkout {
        let items = names.iter().map(|name| CheckoutItem {
            id: "tin-mug".into(),
            name: (*name).into(),
            quantity: 2,
            price: Money::whole(12),
            total_cost: Money::whole(24),
        });
        let option = |name: &str, dollars, token: &str, estimated_days| DeliveryOption {
            name: name.into(),
            amount: Money::whole(dollars),
            token: token.into(),
            estimated_days,
        };
        Checkout {
            id: "7".into(),
            items: items.collect(),
            shipping_address: None,
            delivery_option_token: chosen.map(Into::into),
            shipping_rates: Some(ShippingRates {
                shipment_id: "9".into(),
                rates: vec![
                    option("On foot", 5, "on-foot", 6),
                    option("By boat, at high water", 15, "by-boat", 2),
                    option(names[0], 25, "by-gull", 1),
                ],
            }),
            subtotal: Money::whole(48),
            shipping: Money::whole(15),
            tax: "2.40".parse().unwrap(),
            total: "65.40".parse().unwrap(),
            order_id: None,
        }
    }

    fn order(status: OrderStatus, name: &str, product: &Product) -> Order {
        let item = |line, product: &Product, quantity: u32| OrderItem {
            line,
            product_id: product.id.clone(),
            name: Some(product.name.clone()),
            quantity: quantity.into(),
            unit_cost: product.price,
            total_cost: product.price.times(quantity).unwrap(),
        };
        let [first_name, last_name, email, address1, address2, city, zip_code, state] =
            [name, "Mole", "mole@example.com", "4 Low Water Row", name, "Farshore", "04210", "ME"]
                .map(str::to_owned);
        Order {
            id: "3e8480f7-92fb-4c0a-9d55-0b7c1f6a2e18".into(),
            customer_id: name.into(),
            status,
            created_date: "2026-11-30T14:31:07.5Z".into(),
            updated_date: "2026-11-30T15:02:00Z".into(),
            region: "sandbox-east".into(),
            shipping_address: OrderAddress {
                first_name,
                last_name,
                email,
                address1,
                address2,
                city,
                zip_code,
                state,
            },
            items: vec![item(1, product, 1), item(2, &products()[1], 2)],
            subtotal: Money::whole(176),
            shipping: Money::whole(15),
            tax: "8.80".parse().unwrap(),
            total: "199.80".parse().unwrap(),
        }
    }

    fn catalogue(
        selected: Option<&str>,
        keyword: Option<&str>,
        products: Part<Vec<Product>>,
    ) -> CataloguePage {
        CataloguePage {
            frame: frame(None),
            tags: tags(),
            selected: selected.map(Into::into),
            keyword: keyword.map(Into::into),
            products,
            page: 2,
            pages: 3,
        }
    }

    fn pages_of_goods() -> Vec<(&'static str, String)> {
        let kettle = products().remove(0);
        let home = |products| HomePage { frame: frame(None), tags: tags(), products };
        let product = |frame, product: &Product| ProductPage {
            frame,
            product_id: product.id.clone(),
            product: Part::Here(product.clone()),
        };
        let lost = ProductPage { product: Part::Unavailable, ..product(frame(None), &odd()) };
        let cart = |frame, lines| CartPage { frame, lines };
        let put_in = told(NoticeKind::Good, "Two tin mugs are in your cart.");
        let lines = |named| products().iter().take(3).zip(1..).map(|(p, n)| line(p, n, named)).collect();
        let strange =
            CataloguePage { tags: odd().tags, ..catalogue(Some(TYPED), None, Part::Here(vec![odd()])) };
        vec![
            ("home", home(Part::Here(products()[..6].to_vec())).render().unwrap()),
            ("home-away", home(Part::Unavailable).render().unwrap()),
            ("catalogue", catalogue(Some("camp"), None, Part::Here(products())).render().unwrap()),
            ("catalogue-odd", strange.render().unwrap()),
            ("catalogue-away", catalogue(None, Some(TYPED), Part::Unavailable).render().unwrap()),
            ("catalogue-nothing", catalogue(None, Some(TYPED), Part::Here(Vec::new())).render().unwrap()),
            ("product", product(frame(Some("Robin")), &kettle).render().unwrap()),
            ("product-odd", product(told(NoticeKind::Trouble, TYPED), &odd()).render().unwrap()),
            ("product-away", lost.render().unwrap()),
            ("cart", cart(put_in, Part::Here(lines(true))).render().unwrap()),
            ("cart-nameless", cart(frame(None), Part::Here(lines(false))).render().unwrap()),
            ("cart-odd", cart(frame(Some(TYPED)), Part::Here(vec![line(&odd(), 1, true)])).render().unwrap()),
            ("cart-empty", cart(frame(None), Part::Here(Vec::new())).render().unwrap()),
            ("cart-away", cart(frame(None), Part::Unavailable).render().unwrap()),
        ]
    }

    fn pages_of_the_checkout() -> Vec<(&'static str, String)> {
        let wrong = Field { value: TYPED.into(), error: Some("That is no e-mail address.".into()) };
        let empty = Field { value: String::new(), error: Some("The city is missing.".into()) };
        let kept = AddressFields {
            email: wrong.clone(),
            city: empty,
            address1: Field::of(TYPED),
            ..Default::default()
        };
        let address = |frame, fields| AddressPage { frame, fields };
        let delivery = |checkout, error: Option<&str>| DeliveryPage {
            frame: frame(Some("Robin")),
            checkout,
            error: error.map(Into::into),
        };
        let payment = |checkout, fields| PaymentPage { frame: frame(Some("Robin")), checkout, fields };
        let unrated = Checkout { shipping_rates: None, ..checkout(&["Tin Mug"], None) };
        let things = checkout(&["Tin Mug", "Storm Lantern"], Some("by-boat"));
        let card = PaymentFields::test_card("Robin Mole");
        let refused = PaymentFields { card_number: wrong.clone(), ..PaymentFields::test_card(TYPED) };
        let again = told(NoticeKind::Trouble, "Please look at the fields that are marked.");
        vec![
            ("address", address(frame(Some("Robin")), AddressFields::default()).render().unwrap()),
            ("address-wrong", address(again, kept).render().unwrap()),
            ("delivery", delivery(Part::Here(things.clone()), None).render().unwrap()),
            (
                "delivery-odd",
                delivery(Part::Here(checkout(&[TYPED], None)), Some("Please choose one.")).render().unwrap(),
            ),
            ("delivery-unrated", delivery(Part::Here(unrated), None).render().unwrap()),
            ("delivery-away", delivery(Part::Unavailable, None).render().unwrap()),
            ("payment", payment(Part::Here(things.clone()), card.clone()).render().unwrap()),
            ("payment-refused", payment(Part::Here(things), refused).render().unwrap()),
            ("payment-away", payment(Part::Unavailable, card).render().unwrap()),
        ]
    }

    fn pages_of_orders() -> Vec<(&'static str, String)> {
        let page = |order: Order, just_placed| OrderPage {
            frame: frame(Some("Robin")),
            order_id: order.id.clone(),
            order: Part::Here(order),
            just_placed,
        };
        let plain = |status| order(status, "Robin", &products()[0]);
        let all = || [OrderStatus::Paid, OrderStatus::Held, OrderStatus::Sent, OrderStatus::Cancelled];
        let lost = OrderPage { order: Part::Unavailable, ..page(plain(OrderStatus::Paid), true) };
        let list = |orders| OrdersPage { frame: frame(Some("Robin")), orders };
        let sign_in = |customer, name| SignInPage { frame: frame(customer), name };
        let wrong = Field { value: TYPED.into(), error: Some("A name has letters.".into()) };
        let message = |title: &str| MessagePage {
            frame: frame(None),
            title: title.into(),
            text: "The tide must have taken it. The catalogue has what is there.".into(),
            href: "/catalog".into(),
            label: "To the catalogue".into(),
        };
        let odd = order(OrderStatus::Paid, TYPED, &odd());
        let mut pages = vec![
            ("order-placed", page(plain(OrderStatus::Paid), true).render().unwrap()),
            ("order-odd", page(odd, true).render().unwrap()),
            ("order-away", lost.render().unwrap()),
            ("orders", list(Part::Here(all().map(plain).to_vec())).render().unwrap()),
            ("orders-empty", list(Part::Here(Vec::new())).render().unwrap()),
            ("orders-away", list(Part::Unavailable).render().unwrap()),
            ("sign-in", sign_in(None, Field::default()).render().unwrap()),
            ("sign-in-wrong", sign_in(None, wrong).render().unwrap()),
            ("signed-in", sign_in(Some("Robin"), Field::default()).render().unwrap()),
            ("message", message("There is nothing here").render().unwrap()),
            ("message-odd", message(TYPED).render().unwrap()),
        ];
        let looks = ["order-paid", "order-held", "order-sent", "order-cancelled"];
        pages.extend(looks.into_iter().zip(all().map(|status| page(plain(status), false).render().unwrap())));
        pages
    }

    fn pages() -> Vec<(&'static str, String)> {
        [pages_of_goods(), pages_of_the_checkout(), pages_of_orders()].concat()
    }

    /// The tags of a page: what stands between `<` and `>`.
    fn elements(html: &str) -> impl Iterator<Item = &str> {
        html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(element, _)| element)
    }

    fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
        let (_, rest) = element.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    #[test]
    fn what_was_typed_is_text_and_no_part_of_the_page() {
        let shown =
            ["catalogue-away", "catalogue-nothing", "address-wrong", "payment-refused", "sign-in-wrong"];
        for (page, html) in pages() {
            assert!(
                !html.contains("<script") && !html.contains("alert(1)<") && !html.contains(">\"\""),
                "{page}"
            );
            let escaped = html.contains("&#60;script&#62;alert(1)&#60;/script&#62;&#34;");
            assert_eq!(escaped, page.ends_with("-odd") || shown.contains(&page), "{page}");
        }
    }

    #[test]
    fn a_page_needs_no_script_no_style_of_its_own_and_nothing_from_elsewhere() {
        for (page, html) in pages() {
            assert!(!html.contains("http://") && !html.contains("https://"), "{page}");
            assert!(html.contains("Served from <b>sandbox-west</b>"), "{page}");
            for element in elements(&html) {
                let mut attributes = element.split(' ').skip(1);
                assert!(
                    !attributes.any(|a| a.starts_with("on") || a.starts_with("style=")),
                    "{page}: {element}"
                );
                for address in ["href", "src", "action"].iter().filter_map(|name| attribute(element, name)) {
                    let ours =
                        address.starts_with('#') || address.starts_with('/') && !address.starts_with("//");
                    assert!(ours, "{page}: {element}");
                }
            }
        }
    }

    #[test]
    fn pictures_have_their_size_and_fields_have_their_labels() {
        for (page, html) in pages() {
            assert_eq!(html.matches("<h1").count(), 1, "{page}");
            for element in elements(&html) {
                let kind = element.split(' ').next().unwrap_or_default();
                let has = |names: &[&str]| names.iter().all(|name| attribute(element, name).is_some());
                assert!(
                    kind != "img" || has(&["src", "alt", "width", "height", "loading"]),
                    "{page}: {element}"
                );
                let typed = !matches!(attribute(element, "type"), Some("hidden" | "radio"));
                if matches!(kind, "input" | "select") && typed {
                    let id = attribute(element, "id").expect(element);
                    assert_eq!(html.matches(&format!(" for=\"{id}\"")).count(), 1, "{page}: {element}");
                    assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{page}: {element}");
                }
                if let Some(described) = attribute(element, "aria-describedby") {
                    assert!(html.contains(&format!(" id=\"{described}\"")), "{page}: {element}");
                }
            }
        }
    }

    #[test]
    fn what_is_unavailable_is_said_with_a_way_to_try_again() {
        for (page, html) in pages() {
            let away = page.ends_with("-away")
                || ["delivery-unrated", "cart-nameless", "product-odd"].contains(&page);
            assert_eq!(html.contains(">Try again</a>"), away, "{page}");
        }
        let (_, searched) = pages().into_iter().find(|(page, _)| *page == "catalogue-away").unwrap();
        assert!(
            searched
                .contains("/catalog/search?keyword=%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22&#38;page=2")
        );
    }

    #[test]
    fn an_order_can_be_changed_only_as_long_as_its_status_allows_it() {
        let may = |page: &str| {
            let (_, html) = pages().into_iter().find(|(name, _)| *name == page).unwrap();
            (html.contains("/remove\""), html.contains("/cancel\""))
        };
        assert_eq!(may("order-paid"), (true, true));
        assert_eq!(may("order-held"), (false, true));
        assert_eq!(may("order-sent"), (false, false));
        assert_eq!(may("order-cancelled"), (false, false));
    }

    #[test]
    fn a_date_is_for_people() {
        assert_eq!(day_and_time("2026-11-30T14:31:07.123456Z"), "30 November 2026, 14:31 UTC");
        assert_eq!(day_and_time("2026-03-05T01:04:00+02:00"), "4 March 2026, 23:04 UTC");
        assert_eq!(day_and_time("some time ago"), "some time ago");
    }

    #[test]
    fn each_product_has_a_small_picture() {
        let pictures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/assets/products");
        for product in products() {
            let picture = std::fs::read_to_string(pictures.join(format!("{}.svg", product.id))).unwrap();
            assert!(picture.starts_with("<svg ") && picture.len() < 4096, "{}", product.id);
            assert!(product.name.len() <= 40 && product.description.chars().count() <= 200, "{}", product.id);
            assert!(Money::whole(6) <= product.price && product.price <= Money::whole(320), "{}", product.id);
        }
    }
}
