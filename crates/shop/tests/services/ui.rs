//! The pages over all services, as somebody with a browser sees them.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::header::LOCATION;
use runbook::plan::Engine;
use sandbox::stores::Redis;
use serde_json::json;

use crate::stage::{Answer, Browser, Environment, Forwarder, Service, Way, until};
use crate::stores::{Databases, Dynamo, Held, Shares, redis};

/// All six services, on real stores.
pub struct Shop {
    pub ui: Service,
    pub catalog: Service,
    pub carts: Service,
    pub checkout: Service,
    pub orders: Service,
    pub assets: Service,
    _dynamo: Dynamo,
    _redis: Shares<Redis>,
    _databases: Held<Databases>,
}

impl Shop {
    /// `None` where a store is not installed, which is said.
    pub async fn open() -> Option<Self> {
        let (redis, databases) = (redis().await?, Databases::of(Engine::AuroraMysql).await?);
        let dynamo = Dynamo::of_the_sandbox().await;
        let chaos = |service: &str, environment: &Environment| {
            Service::start_with(service, &["--chaos"], environment)
        };
        let catalog = chaos("catalog", &databases.database().await.environment());
        let orders = chaos("orders", &databases.database().await.environment());
        let carts = chaos("carts", &dynamo.environment(0));
        let assets = chaos("assets", &Vec::new());
        let checkout = vec![
            ("RETAIL_CHECKOUT_PERSISTENCE_REDIS_URL", redis.server.url()),
            ("RETAIL_CHECKOUT_ENDPOINTS_ORDERS", orders.url.clone()),
        ];
        let checkout = chaos("checkout", &checkout);
        let ui = chaos(
            "ui",
            &environment(&[&catalog, &carts, &checkout, &orders, &assets].map(|one| one.url.clone())),
        );
        let catalog = catalog.has_tables().await;
        let orders = orders.has_tables().await;
        ui.is_well().await;
        let (_dynamo, _redis, _databases) = (dynamo, redis, databases);
        Some(Self { ui, catalog, carts, checkout, orders, assets, _dynamo, _redis, _databases })
    }

    /// What all of them have logged.
    fn log(&self) -> String {
        let all = [&self.ui, &self.catalog, &self.carts, &self.checkout, &self.orders, &self.assets];
        all.map(Service::log).concat()
    }
}

/// What `ui` is told: where catalog, carts, checkout, orders and assets are.
fn environment(urls: &[String; 5]) -> Environment {
    let names = [
        "RETAIL_UI_ENDPOINTS_CATALOG",
        "RETAIL_UI_ENDPOINTS_CARTS",
        "RETAIL_UI_ENDPOINTS_CHECKOUT",
        "RETAIL_UI_ENDPOINTS_ORDERS",
        "RETAIL_UI_ENDPOINTS_ASSETS",
    ];
    let mut environment: Environment = names.into_iter().zip(urls.iter().cloned()).collect();
    environment.push(("AWS_REGION", "sandbox-east".into()));
    environment
}

/// Holds that it is a page, with this status and these words, and what every page has.
#[track_caller]
fn is_page(page: &Answer, status: u16, words: &[&str]) {
    assert_eq!(page.status, status, "{}", page.text);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'none';"), "{page:?}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert_eq!(status == 503, !page.header("retry-after").is_empty(), "{page:?}");
    for word in words.iter().chain(&["Served from <b>sandbox-east</b>", "</html>"]) {
        assert!(page.text.contains(word), "{word} is not in\n{}", page.text);
    }
}

const ADDRESS: [(&str, &str); 8] = [
    ("firstName", "Robin"),
    ("lastName", "Mole"),
    ("email", "robin@example.com"),
    ("address1", "4 Low Water Row"),
    ("address2", ""),
    ("city", "Farshore"),
    ("state", "ME"),
    ("zipCode", "04210"),
];
const CARD: [(&str, &str); 4] = [
    ("cardHolder", "Robin Mole"),
    ("cardNumber", "1234567890123456"),
    ("expiryDate", "01/35"),
    ("cvc", "123"),
];

/// The id of an order, from the address of its page.
fn order_in(address: &str) -> &str {
    address.trim_start_matches("/orders/").split('?').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_looks_around_orders_and_changes_it() {
    let Some(shop) = Shop::open().await else { return };
    let mut robin = Browser::new(&shop.ui);
    for home in ["/", "/home"] {
        is_page(&robin.get(home).await, 200, &["See the whole catalogue", "/catalog/"]);
    }
    assert!(robin.cookies.contains_key("visitor"), "{:?}", robin.cookies);
    let visitor = robin.cookies.clone();
    is_page(&robin.get("/catalog").await, 200, &["Page 1 of 2", "rel=\"next\""]);
    assert_eq!(robin.cookies, visitor, "a visitor stays the same");
    is_page(&robin.get("/catalog?tag=kitchen").await, 200, &["River Kettle"]);
    is_page(&robin.get("/catalog/search?keyword=needle").await, 200, &["Tide Compass"]);
    is_page(&robin.get("/catalog/tin-mug").await, 200, &["Tin Mug", "Put in the cart"]);
    is_page(&robin.get("/catalog/no-such").await, 404, &["We don’t have that"]);
    is_page(&robin.get("/no/such/page").await, 404, &["We don’t have that"]);
    let picture = robin.get("/assets/products/tin-mug.svg").await;
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));

    is_page(&robin.get("/cart").await, 200, &["There is nothing in it yet."]);
    assert_eq!(robin.get("/checkout").await.header("location"), "/cart");
    let (to, page) = robin.follow("/cart", &[("productId", "tin-mug")]).await;
    assert_eq!(to, "/cart");
    is_page(&page, 200, &["Tin Mug", "value=\"1\""]);
    robin.follow("/cart", &[("productId", "tin-mug"), ("quantity", "2")]).await;
    robin.follow("/cart", &[("productId", "river-kettle")]).await;
    let (_, page) = robin.follow("/cart/change", &[("productId", "river-kettle"), ("quantity", "3")]).await;
    is_page(&page, 200, &["River Kettle", "value=\"3\""]);
    robin.follow("/cart", &[("productId", "rope-bag")]).await;
    let (_, page) = robin.follow("/cart/remove", &[("productId", "rope-bag")]).await;
    assert!(!page.text.contains("Rope Bag"));
    assert_eq!(robin.post("/cart", &[("productId", "no-such")]).await.status, 404);
    is_page(
        &robin.post("/cart", &[("productId", "tin-mug"), ("quantity", "100")]).await,
        400,
        &["quantity has to be"],
    );
    is_page(
        &robin.post("/cart", &[("productId", "tin-mug"), ("quantity", "97")]).await,
        409,
        &["99 of one product"],
    );

    let page = robin.post("/checkout", &[("firstName", "Robin"), ("email", "nobody")]).await;
    is_page(&page, 400, &["value=\"Robin\"", "Please fill this in.", "Please give an e-mail address"]);
    let (to, page) = robin.follow("/checkout", &ADDRESS).await;
    assert_eq!(to, "/checkout/delivery");
    is_page(&page, 200, &["Priority Mail", "Express"]);
    is_page(&robin.post("/checkout/delivery", &[]).await, 400, &["Please choose one of these."]);
    let (to, page) = robin.follow("/checkout/delivery", &[("token", "express")]).await;
    assert_eq!(to, "/checkout/payment");
    // 3 mugs at 12 and 3 kettles at 48 are 180; 5 % of it and 15.
    is_page(&page, 200, &["Place the order for $204.00", "value=\"Robin Mole\""]);
    let mut declined = CARD;
    declined[1].1 = "4000000000000002";
    is_page(
        &robin.post("/checkout/payment", &declined).await,
        402,
        &["The card was declined. Nothing was ordered."],
    );
    is_page(&robin.get("/orders").await, 200, &["You have ordered nothing yet."]);
    let (to, page) = robin.follow("/checkout/payment", &CARD).await;
    assert!(to.ends_with("?placed=1"), "{to}");
    is_page(&page, 200, &["Thank you, Robin.", "$204.00", "4 Low Water Row", "Cancel the whole order"]);
    is_page(&robin.get("/cart").await, 200, &["There is nothing in it yet."]);
    // Pressed again, it is the same order.
    assert_eq!(robin.post("/checkout/payment", &CARD).await.header("location"), to);

    let order = order_in(&to);
    let at = format!("/orders/{order}");
    let mut other = Browser::new(&shop.ui);
    is_page(&other.get(&at).await, 404, &["We can’t find this order"]);
    is_page(&other.post(&format!("{at}/cancel"), &[]).await, 404, &["We don’t have that"]);
    is_page(&other.post(&format!("{at}/remove"), &[("line", "1")]).await, 404, &["We don’t have that"]);
    is_page(&other.get("/orders").await, 200, &["You have ordered nothing yet."]);
    is_page(&robin.get("/orders").await, 200, &[order, "6 things", "$204.00"]);
    let item = |order: &str| order.matches("/remove\"").count();
    assert_eq!(item(&robin.get(&at).await.text), 2);
    for _ in 0..2 {
        let (_, page) = robin.follow(&format!("{at}/remove"), &[("line", "1")]).await;
        assert_eq!(item(&page.text), 1);
    }
    let (_, page) = robin.follow(&format!("{at}/cancel"), &[]).await;
    is_page(&page, 200, &["Cancelled.", "Nothing will be sent."]);
    is_page(&robin.post(&format!("{at}/remove"), &[("line", "2")]).await, 409, &["The order is CANCELLED"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_takes_the_cart_along() {
    let Some(shop) = Shop::open().await else { return };
    let (mut here, mut there) = (Browser::new(&shop.ui), Browser::new(&shop.ui));
    let name = [("name", " Ada Løvelace ")];
    there.follow("/sign-in", &name).await;
    there.follow("/cart", &[("productId", "tin-mug"), ("quantity", "2")]).await;
    here.follow("/cart", &[("productId", "tin-mug")]).await;
    here.follow("/cart", &[("productId", "rope-bag")]).await;
    let (to, page) = here.follow("/sign-in", &[("name", "ada løvelace")]).await;
    assert_eq!(to, "/cart");
    is_page(&page, 200, &["Rope Bag", "value=\"3\""]);
    is_page(&there.get("/cart").await, 200, &["Rope Bag", "Ada Løvelace"]);
    // Where it is ordered is no matter.
    there.follow("/checkout", &ADDRESS).await;
    there.follow("/checkout/delivery", &[("token", "priority-mail")]).await;
    let (to, _) = there.follow("/checkout/payment", &CARD).await;
    is_page(&here.get(&format!("/orders/{}", order_in(&to))).await, 200, &["Paid."]);
    let (_, page) = here.follow("/sign-out", &[]).await;
    assert!(!here.cookies.contains_key("customer") && page.text.contains("Sign in"));
    is_page(&here.get("/cart").await, 200, &["There is nothing in it yet."]);
    is_page(&here.get(&format!("/orders/{}", order_in(&to))).await, 404, &["We can’t find this order"]);
    is_page(&here.post("/sign-in", &[("name", "")]).await, 400, &["Please give a name"]);
}

/// What is typed comes back as text, and is in no log, whatever field it is typed into.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_typed_is_only_ever_text() {
    const TYPED: &str = "<script>alert(1)</script>\"'";
    let Some(shop) = Shop::open().await else { return };
    let mut robin = Browser::new(&shop.ui);
    let escaped =
        percent_encoding::utf8_percent_encode(TYPED, percent_encoding::NON_ALPHANUMERIC).to_string();
    let mut pages = Vec::new();
    for path in [
        "/?page={}",
        "/catalog?tag={}",
        "/catalog?page={}",
        "/catalog/search?keyword={}",
        "/catalog/{}",
        "/orders/{}",
        "/orders/x?placed={}",
        "/assets/{}",
        "/{}",
    ] {
        pages.push(robin.get(&path.replace("{}", &escaped)).await);
    }
    for (path, field) in [
        ("/cart", "productId"),
        ("/cart", "quantity"),
        ("/cart/change", "productId"),
        ("/cart/remove", "productId"),
        ("/orders/x/remove", "line"),
        ("/checkout/delivery", "token"),
        ("/sign-in", "name"),
    ] {
        pages.push(robin.post(path, &[("productId", "tin-mug"), (field, TYPED)]).await);
    }
    // By now the customer is called so.
    assert!(robin.cookies["customer"].contains("script"));
    pages.push(robin.follow("/cart", &[("productId", "tin-mug")]).await.1);
    let all = ADDRESS.map(|(field, value)| {
        (
            field,
            if field == "email" {
                "a@b.<script>\"'"
            } else if value.is_empty() {
                ""
            } else {
                TYPED
            },
        )
    });
    pages.push(
        robin
            .post(
                "/checkout",
                &all.map(|(field, value)| (field, if field == "zipCode" { "" } else { value })),
            )
            .await,
    );
    let all = all.map(|(field, value)| (field, if field == "zipCode" { "<b>\"'&" } else { value }));
    pages.push(robin.follow("/checkout", &all).await.1);
    pages.push(robin.get("/checkout").await);
    pages.push(robin.post("/checkout/delivery", &[("token", TYPED)]).await);
    pages.push(robin.follow("/checkout/delivery", &[("token", "express")]).await.1);
    for wrong in CARD.map(|(field, _)| field) {
        pages.push(
            robin
                .post(
                    "/checkout/payment",
                    &CARD.map(|(field, value)| (field, if field == wrong { TYPED } else { value })),
                )
                .await,
        );
    }
    let mut holder = CARD;
    holder[0].1 = TYPED;
    // The holder may be called so, and has paid with that: it is one order.
    let (to, page) = robin.follow("/checkout/payment", &holder).await;
    is_page(&page, 200, &["&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;"]);
    pages.push(page);
    pages.push(robin.get(&format!("/orders/{}", order_in(&to))).await);
    pages.push(robin.get("/orders").await);

    for page in &pages {
        // A problem document is no page: its quotes are JSON's.
        let is_html = page.header("content-type").starts_with("text/html");
        assert!(page.status < 500, "{page:?}");
        if is_html {
            assert!(!page.text.contains("<script") && !page.text.contains("<b>\"'&"), "{}", page.text);
        } else {
            assert!(["", "application/problem+json"].contains(&page.header("content-type")), "{page:?}");
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{page:?}");
        }
    }
    let log = shop.log();
    for typed in ["script", "alert", "1234567890123456", "%3C", "a@b."] {
        assert!(!log.contains(typed), "{typed} is in a log");
    }
}

/// Each part that is away says so in its place; what does not need it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_is_away_says_so_in_its_place() {
    let Some(mut shop) = Shop::open().await else { return };
    let mut robin = Browser::new(&shop.ui);
    robin.follow("/cart", &[("productId", "tin-mug")]).await;
    robin.follow("/checkout", &ADDRESS).await;
    robin.follow("/checkout/delivery", &[("token", "express")]).await;

    shop.orders.kill();
    let page = robin.post("/checkout/payment", &CARD).await;
    is_page(&page, 503, &["pressed twice, it is still one order", "Place the order for $27.60"]);
    is_page(&robin.get("/orders").await, 503, &["Our order book is out of reach", "Try again"]);
    is_page(&robin.get("/orders/x?placed=1").await, 503, &["Our order book is out of reach"]);
    is_page(&robin.get("/").await, 200, &[]);

    shop.catalog.kill();
    is_page(&robin.get("/").await, 503, &["The catalogue is having a break. Your cart is safe"]);
    is_page(&robin.get("/catalog").await, 503, &["The catalogue is having a break"]);
    is_page(&robin.get("/catalog/search?keyword=mug").await, 503, &["The catalogue is having a break"]);
    is_page(&robin.get("/catalog/tin-mug").await, 503, &["The catalogue is having a break"]);
    is_page(&robin.get("/cart").await, 200, &["tin-mug", "we can’t show every name", "$12.00"]);
    is_page(&robin.post("/cart", &[("productId", "tin-mug")]).await, 503, &["Nothing of yours is lost"]);
    is_page(&robin.get("/checkout/payment").await, 200, &["Place the order"]);

    shop.carts.kill();
    is_page(&robin.get("/cart").await, 503, &["Your cart is out of reach just now", "(on a break)"]);
    is_page(&robin.get("/checkout").await, 503, &["Nothing of yours is lost"]);
    is_page(&robin.post("/sign-in", &[("name", "Robin")]).await, 503, &["Nothing of yours is lost"]);
    shop.checkout.kill();
    is_page(&robin.get("/checkout/delivery").await, 503, &["The checkout is having a break"]);
    is_page(&robin.post("/checkout/payment", &CARD).await, 503, &["We could not take your order just now"]);
    shop.assets.kill();
    robin.get("/assets/shop.css").await.problem(503);
    let health = shop.ui.get("/health").await.ok(200);
    let dependencies = health["dependencies"].as_object().unwrap();
    assert_eq!(dependencies.len(), 5);
    assert!(dependencies.values().all(|said| said == "does not answer"), "{health}");
    is_page(&robin.get("/sign-in").await, 200, &["Who is walking?"]);
}

/// What does not answer at all is not waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_does_not_wait_for_who_is_silent() {
    let silent = Forwarder::start(Way::Silent).await.address;
    let ui = Service::start("ui", &environment(&[(); 5].map(|()| format!("http://{silent}"))));
    let pages = [
        ("/", "The catalogue is having a break"),
        ("/cart", "Your cart is out of reach"),
        ("/orders", "Our order book is out of reach"),
        ("/checkout/delivery", "The checkout is having a break"),
    ];
    join_all(pages.map(async |(path, words)| {
        let asked = Instant::now();
        is_page(&Browser::new(&ui).get(path).await, 503, &[words]);
        assert!(asked.elapsed() < Duration::from_secs(3), "{path}: {:?}", asked.elapsed());
    }))
    .await;
}

/// A request's id goes along to every service that is asked for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requests_id_goes_along() {
    let Some(shop) = Shop::open().await else { return };
    let mut robin = Browser::new(&shop.ui);
    robin.request_id = Some("cart-7f");
    robin.post("/cart", &[("productId", "tin-mug")]).await;
    robin.post("/checkout", &ADDRESS).await;
    robin.post("/checkout/delivery", &[("token", "express")]).await;
    robin.request_id = Some("pay-8a");
    let answer = robin.post("/checkout/payment", &CARD).await;
    assert!(answer.headers.contains_key(LOCATION), "{answer:?}");
    assert_eq!(answer.header("x-request-id"), "pay-8a");
    for (service, id) in [
        (&shop.ui, "pay-8a"),
        (&shop.catalog, "cart-7f"),
        (&shop.carts, "cart-7f"),
        (&shop.checkout, "pay-8a"),
        (&shop.orders, "pay-8a"),
    ] {
        until("its log has the id", 5, async || service.log().contains(&format!("\"{id}\"")).then_some(()))
            .await;
    }
    // The other services answer to what is asked of them by the chaos of one: it is passed on as unavailable, and no more.
    shop.orders.post("/chaos/status/500", json!({})).await.ok(200);
    is_page(&robin.get("/orders").await, 503, &["Our order book is out of reach"]);
}
