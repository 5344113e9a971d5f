//! Checkouts in Redis, and what they become with `orders`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::join_all;
use redis::AsyncCommands;
use runbook::plan::Engine;
use sandbox::stores::Redis;
use serde_json::{Value, json};

use crate::orders::whole;
use crate::stage::{Environment, Forwarder, Service, Way, nowhere, until};
use crate::stores::{Database, Databases, Held, number, redis, redis_to_restart};

fn environment(redis: &str, orders: &str) -> Environment {
    vec![
        ("RETAIL_CHECKOUT_PERSISTENCE_REDIS_URL", redis.to_owned()),
        ("RETAIL_CHECKOUT_ENDPOINTS_ORDERS", orders.to_owned()),
    ]
}

async fn connected(server: &Redis) -> redis::aio::MultiplexedConnection {
    redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

/// Somebody who has not begun a checkout yet.
fn customer() -> String {
    format!("customer-{}", number())
}

fn address() -> Value {
    json!({
        "firstName": "Robin", "lastName": "Mole", "address1": "4 Low Water Row", "address2": "", "city": "Farshore",
        "state": "ME", "zip": "04210", "email": "robin@example.com",
    })
}

fn complete() -> Value {
    json!({
        "items": [{"id": "tin-mug", "name": "Tin Mug", "quantity": 3, "price": 0.1},
                  {"id": "oak-stool", "name": "Oak Stool", "quantity": 1, "price": 19.99, "totalCost": 1}],
        "shippingAddress": address(),
        "deliveryOptionToken": "express",
    })
}

fn card(number: &str) -> Value {
    json!({"payment": {"cardHolder": "Robin Mole", "cardNumber": number, "expiryDate": "01/35", "cvc": "123"}})
}

/// `orders` on MariaDB, and a checkout that uses it.
struct Stage {
    database: Database,
    orders: Service,
    checkout: Service,
    _databases: Held<Databases>,
}

async fn stage(redis: &Redis) -> Stage {
    let databases = Databases::of(Engine::AuroraMysql).await.unwrap();
    let database = databases.database().await;
    let orders = Service::start("orders", &database.environment()).has_tables().await;
    let checkout = Service::start("checkout", &environment(&redis.url(), &orders.url));
    Stage { database, orders, checkout, _databases: databases }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_becomes_one_order() {
    let Some(redis) = redis().await else { return };
    let Stage { database, orders, checkout, .. } = &stage(&redis.server).await;
    checkout.is_well().await;
    let (customer, mut keys) = (customer(), connected(&redis.server).await);
    let at = format!("/checkout/{customer}");
    checkout.get(&at).await.problem(404);

    let only_items = json!({"items": complete()["items"]});
    let begun = checkout.post(&format!("{at}/update"), only_items).await.ok(201);
    assert_eq!(begun["shippingRates"], Value::Null);
    let sums =
        |checkout: &Value| ["subtotal", "shipping", "tax", "total"].map(|member| checkout[member].clone());
    assert_eq!(sums(&begun), [json!(20.29), json!(0), json!(1.01), json!(21.3)]);
    checkout.post(&format!("{at}/submit"), json!({})).await.names("shippingAddress");

    let mut request = complete();
    request.as_object_mut().unwrap().remove("deliveryOptionToken");
    let with_address = checkout.post(&format!("{at}/update"), request).await.ok(201);
    let rates = json!([
        {"name": "Priority Mail", "amount": 5, "token": "priority-mail", "estimatedDays": 10},
        {"name": "Express", "amount": 15, "token": "express", "estimatedDays": 2},
    ]);
    assert_eq!(with_address["shippingRates"]["rates"], rates);
    assert_eq!(with_address["id"], begun["id"], "it is the same checkout");
    checkout.post(&format!("{at}/submit"), json!({})).await.names("deliveryOptionToken");
    let chosen = checkout.post(&format!("{at}/update"), complete()).await.ok(201);
    assert_eq!(sums(&chosen), [json!(20.29), json!(15), json!(1.01), json!(36.3)]);
    assert_eq!(checkout.get(&at).await.ok(200), chosen);
    let left: i64 = keys.ttl(format!("checkout:{customer}")).await.unwrap();
    assert!((3_500..=3_600).contains(&left), "{left}");

    for (payment, field) in [
        (
            json!({"payment": {"cardHolder": "", "cardNumber": "1234567890123456", "expiryDate": "01/35", "cvc": "123"}}),
            "cardHolder",
        ),
        (card("1234"), "cardNumber"),
        (card("1234567890123456x"), "cardNumber"),
        (
            json!({"payment": {"cardHolder": "R", "cardNumber": "1234567890123456", "expiryDate": "13/35", "cvc": "123"}}),
            "expiryDate",
        ),
        (
            json!({"payment": {"cardHolder": "R", "cardNumber": "1234567890123456", "expiryDate": "01/35", "cvc": "1"}}),
            "cvc",
        ),
        (json!({"payment": {"cardHolder": "R"}}), "cardNumber"),
    ] {
        checkout.post(&format!("{at}/submit"), payment).await.names(field);
    }
    checkout.post(&format!("{at}/submit"), card("4000 0000 0000 0002")).await.problem(402);
    whole(database, 0).await;

    // Pressed many times at once, and once more: one order.
    let path = format!("{at}/submit");
    let pressed = join_all((0..6).map(|_| checkout.post(&path, card("1234567890123456")))).await;
    let submitted = pressed[0].ok(201);
    assert!(pressed.iter().all(|answer| answer.ok(201) == submitted), "{pressed:?}");
    assert_eq!(checkout.post(&path, json!({})).await.ok(201), submitted);
    assert_eq!((&submitted["email"], sums(&submitted)), (&json!("robin@example.com"), sums(&chosen)));
    whole(database, 1).await;
    let order = orders.get(&format!("/orders/{}", submitted["orderId"].as_str().unwrap())).await.ok(200);
    assert_eq!((&order["customerId"], sums(&order)), (&json!(customer), sums(&chosen)));
    assert_eq!(order["shippingAddress"]["zipCode"], "04210");
    assert_eq!(order["items"][1]["totalCost"], json!(19.99));

    // What comes then is another checkout, and another order.
    let next = checkout.post(&format!("{at}/update"), complete()).await.ok(201);
    assert_ne!(next["id"], chosen["id"]);
    assert_ne!(checkout.post(&path, json!({})).await.ok(201)["orderId"], submitted["orderId"]);
    whole(database, 2).await;
    assert!(!checkout.log().contains("Robin") && !checkout.log().contains("1234567890123456"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_in_a_checkout_is_named() {
    let Some(redis) = redis().await else { return };
    let checkout = Service::start("checkout", &environment(&redis.server.url(), "http://127.0.0.1:9"));
    let at = format!("/checkout/{}/update", customer());
    for (pointer, value, field) in [
        ("/items", json!([]), "items"),
        ("/items/1/quantity", json!(0), "items[1].quantity"),
        ("/items/0/quantity", json!(100), "items[0].quantity"),
        ("/items/0/price", json!(-1), "items[0].price"),
        ("/items/0/price", json!(0.001), "items[0].price"),
        ("/items/0/price", json!(99_999_999), "items[0].price"),
        ("/items/0/id", json!("a b"), "items[0].id"),
        ("/items/0/name", json!(""), "items[0].name"),
        ("/shippingAddress/firstName", json!(""), "firstName"),
        ("/shippingAddress/lastName", json!(" "), "lastName"),
        ("/shippingAddress/address1", json!(""), "address1"),
        ("/shippingAddress/city", json!("x".repeat(81)), "city"),
        ("/shippingAddress/zip", json!("a\nb"), "zip"),
        ("/shippingAddress/email", json!("nobody"), "email"),
        ("/deliveryOptionToken", json!("by-gull"), "deliveryOptionToken"),
    ] {
        let mut request = complete();
        *request.pointer_mut(pointer).unwrap() = value;
        checkout.post(&at, request).await.names(field);
    }
    for lacks in ["firstName", "lastName", "address1", "city", "zip", "email"] {
        let mut request = complete();
        request["shippingAddress"].as_object_mut().unwrap().remove(lacks);
        checkout.post(&at, request).await.names(lacks);
    }
    checkout.post(&at, json!({})).await.names("items");
    checkout.get("/checkout/a%20b").await.names("customerId");
    checkout.post("/checkout/%3Cscript%3E/submit", json!({})).await.names("customerId");
    checkout.post(&format!("/checkout/{}/submit", customer()), json!({})).await.problem(404);
}

/// Of changes that are made at once, each is there or was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_changes_at_once_none_is_lost() {
    let Some(redis) = redis().await else { return };
    let checkout = Service::start("checkout", &environment(&redis.server.url(), "http://127.0.0.1:9"));
    let at = format!("/checkout/{}", customer());
    checkout.post(&format!("{at}/update"), complete()).await.ok(201);
    for _ in 0..3 {
        let changes = (1..=20).map(|quantity| {
            let (mut request, path) = (complete(), format!("{at}/update"));
            request["items"][0]["quantity"] = json!(quantity);
            let checkout = &checkout;
            async move { checkout.post(&path, request).await }
        });
        let answers = join_all(changes).await;
        assert!(answers.iter().all(|answer| [201, 409].contains(&answer.status)), "{answers:?}");
        let now = checkout.get(&at).await.ok(200);
        assert!(answers.iter().any(|answer| answer.status == 201 && answer.json() == now));
    }
}

/// Without `orders` nothing is ordered, and the checkout stays as it is.
/// By something before `orders` that changes the checkout while the order is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_that_is_changed_while_it_is_submitted_becomes_another_order() {
    let Some(redis) = redis().await else { return };
    let Stage { orders, .. } = &stage(&redis.server).await;
    let at = format!("/checkout/{}", customer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let between = format!("http://{}", listener.local_addr().unwrap());
    let checkout = Service::start("checkout", &environment(&redis.server.url(), &between));
    let (update, place) = (format!("{}{at}/update", checkout.url), format!("{}/orders", orders.url));
    let client = reqwest::Client::new();
    let asked = client.clone();
    let meddle = axum::routing::post(async move |headers: http::HeaderMap, body: String| {
        let mut changed = complete();
        changed["items"] = json!([{"id": "rain-cape", "name": "Rain Cape", "quantity": 1, "price": 84}]);
        asked.post(update).json(&changed).send().await.unwrap().error_for_status().unwrap();
        asked.post(place).headers(headers).body(body).send().await.unwrap().text().await.unwrap()
    });
    let served =
        tokio::spawn(async { axum::serve(listener, axum::Router::new().route("/orders", meddle)).await });

    checkout.post(&format!("{at}/update"), complete()).await.ok(201);
    let first = checkout.post(&format!("{at}/submit"), json!({})).await.ok(201);
    let placed = orders.get(&format!("/orders/{}", first["orderId"].as_str().unwrap())).await.ok(200);
    assert_eq!(placed["items"].as_array().unwrap().len(), 2, "what was in it when it was submitted");
    // What it was changed to is a checkout of its own, which is not ordered yet.
    let now = checkout.get(&at).await.ok(200);
    assert_eq!((&now["items"][0]["id"], &now["orderId"]), (&json!("rain-cape"), &Value::Null));
    let second = checkout.post(&format!("{at}/submit"), json!({})).await.ok(201);
    assert_ne!(first["orderId"], second["orderId"]);
    served.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_orders_a_checkout_stays_as_it_is() {
    let Some(redis) = redis().await else { return };
    let Stage { database, orders, _databases, .. } = stage(&redis.server).await;
    let listens: SocketAddr = orders.url.trim_start_matches("http://").parse().unwrap();
    let before = Forwarder::start(Way::To(nowhere().await)).await;
    let checkout =
        Service::start("checkout", &environment(&redis.server.url(), &format!("http://{}", before.address)));
    let at = format!("/checkout/{}", customer());
    let begun = checkout.post(&format!("{at}/update"), complete()).await.ok(201);
    checkout.post(&format!("{at}/submit"), card("1234567890123456")).await.problem(503);
    before.turn(Way::Silent);
    let asked = Instant::now();
    checkout.post(&format!("{at}/submit"), json!({})).await.problem(503);
    assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
    assert_eq!(checkout.get(&at).await.ok(200), begun);
    whole(&database, 0).await;
    before.turn(Way::To(listens));
    checkout.post(&format!("{at}/submit"), json!({})).await.ok(201);
    whole(&database, 1).await;
}

/// Redis stopped, silent, a replica, full: unavailable. When it is back, checkouts begin anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_checkouts_are_unavailable() {
    let Some(redis) = redis_to_restart().await else { return };
    let Stage { database, checkout, orders, _databases } = stage(&redis.server).await;
    let at = format!("/checkout/{}", customer());
    let (update, submit) = (format!("{at}/update"), format!("{at}/submit"));
    checkout.post(&update, complete()).await.ok(201);
    let mut server = connected(&redis.server).await;
    let tell = async |server: &mut redis::aio::MultiplexedConnection, words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).query_async::<redis::Value>(server).await.unwrap();
    };

    // As a node that has just become a replica: it can be read.
    tell(&mut server, &["REPLICAOF", "127.0.0.1", "9"]).await;
    checkout.post(&update, complete()).await.problem(503);
    tell(&mut server, &["REPLICAOF", "NO", "ONE"]).await;
    tell(&mut server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    checkout.post(&update, complete()).await.problem(503);
    tell(&mut server, &["CONFIG", "SET", "maxmemory", "64mb"]).await;
    checkout.post(&update, complete()).await.ok(201);

    let silent = Forwarder::start(Way::Silent).await.address;
    let url = redis.server.url();
    let password = url.rsplit_once('@').unwrap().0;
    let behind = Service::start("checkout", &environment(&format!("{password}@{silent}/"), &orders.url));
    let asked = Instant::now();
    behind.get(&at).await.problem(503);
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());

    redis.with(async |redis| redis.stop().await).await;
    for _ in 0..2 {
        let asked = Instant::now();
        checkout.get(&at).await.problem(503);
        checkout.post(&update, complete()).await.problem(503);
        checkout.post(&submit, card("1234567890123456")).await.problem(503);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    assert_ne!(checkout.get("/health").await.ok(200)["dependencies"]["redis"], "up");
    redis.with(async |redis| redis.start_again().await.unwrap()).await;
    let started = Instant::now();
    // It has forgotten everything.
    until("it is not there any more", 5, async || {
        let answer = checkout.get(&at).await;
        assert!([404, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 404).then_some(())
    })
    .await;
    println!("checkouts are there {:?} after the start of Redis", started.elapsed());
    checkout.post(&submit, json!({})).await.problem(404);
    whole(&database, 0).await;
    checkout.post(&update, complete()).await.ok(201);
    checkout.post(&submit, json!({})).await.ok(201);
    whole(&database, 1).await;
    checkout.is_well().await;
}

/// As ElastiCache has it: with TLS, a token, and a certificate of an authority that the system knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_want_tls_and_its_certificate_is_looked_at() {
    let Some(shared) = redis().await else { return };
    drop(shared);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(at("certificate.pem"), signed.cert.pem()).unwrap();
    std::fs::write(at("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let port = nowhere().await.port();
    let mut server = std::process::Command::new("redis-server")
        .args(["--port", "0", "--tls-port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--tls-cert-file", &at("certificate.pem"), "--tls-key-file", &at("key.pem")])
        .args(["--tls-auth-clients", "no", "--requirepass", "token", "--dir", &at("")])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("it listens", 10, async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
    let url = format!("rediss://:token@localhost:{port}");
    let mut known = environment(&url, "http://127.0.0.1:9");
    let unknown = Service::start("checkout", &known);
    unknown.get("/checkout/robin").await.problem(503);
    known.push(("SSL_CERT_FILE", at("certificate.pem")));
    let checkout = Service::start("checkout", &known);
    let answer = checkout.get("/checkout/robin").await.status;
    server.kill().unwrap();
    server.wait().unwrap();
    assert!([200, 404].contains(&answer), "{answer}");
}
