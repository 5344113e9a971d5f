//! Orders on both engines: what is placed, once, whole, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use runbook::plan::Engine;
use serde_json::{Value, json};

use crate::stage::{Client, Service, order, until};
use crate::stores::{Database, Databases, Held, on_each_engine};

on_each_engine!(
    an_order_is_placed_exactly_and_whole,
    a_key_is_one_order_however_often_it_is_pressed,
    an_order_goes_from_one_state_to_the_next,
    an_item_can_be_taken_out,
    what_is_wrong_in_an_order_is_named,
    a_killed_service_leaves_no_half_of_an_order,
    tables_that_were_begun_are_finished,
    a_full_database_is_unavailable_and_a_fault_says_nothing_of_its_cause,
);

async fn started(databases: &Databases) -> (Database, Service) {
    let database = databases.database().await;
    let orders = Service::start("orders", &database.environment()).has_tables().await;
    (database, orders)
}

async fn an_order_is_placed_exactly_and_whole(databases: Held<Databases>) {
    let (database, orders) = started(&databases).await;
    let mut new = order("robin", 3, "0.10");
    new["items"][0]["totalCost"] = json!(1_000);
    new["items"].as_array_mut().unwrap().push(
        json!({"productId": "wool-blanket", "name": "Wool \"Blanket\" 💡 \\ ' ; --", "quantity": 99, "unitCost": 99.99}),
    );
    new["shipping"] = json!(15);
    new["tax"] = json!(0.53);
    new["shippingAddress"]["city"] = json!("');DROP TABLE ORDER_EVENT;-- <script>alert(1)</script>");
    let placed = orders.post("/orders", new).await.ok(200);
    for (member, amount) in [
        ("subtotal", json!(9899.31)),
        ("shipping", json!(15)),
        ("tax", json!(0.53)),
        ("total", json!(9914.84)),
    ] {
        assert_eq!(placed[member], amount, "{member}");
    }
    assert_eq!(placed["items"][0]["totalCost"], json!(0.3), "what came in as a total does not count");
    assert_eq!((&placed["items"][0]["line"], &placed["items"][1]["line"]), (&json!(1), &json!(2)));
    assert_eq!((&placed["status"], &placed["region"]), (&json!("PAID"), &json!("sandbox-east")));
    assert!(placed["createdDate"].as_str().unwrap().ends_with('Z'));
    let id = placed["id"].as_str().unwrap();
    let found = orders.get(&format!("/orders/{id}")).await.ok(200);
    assert_eq!(found, placed);
    whole(&database, 1).await;

    let theirs = orders.post("/orders", order("mole", 1, "2")).await.ok(200);
    let of = async |customer: &str| {
        let list = orders.get(&format!("/orders{customer}")).await.ok(200);
        list.as_array()
            .unwrap()
            .iter()
            .map(|order| order["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("?customerId=robin").await, [id]);
    assert_eq!(of("?customerId=nobody").await, [] as [&str; 0]);
    assert_eq!(of("").await, [theirs["id"].as_str().unwrap(), id], "the newest first");
    for number in 0..21 {
        orders.post("/orders", order("mole", 1 + number % 3, "1")).await.ok(200);
    }
    assert_eq!(of("?customerId=mole").await.len(), 20);
    whole(&database, 23).await;
    for typed in ["script", "DROP", "Wool", "robin@example.com"] {
        assert!(!orders.log().contains(typed), "{typed} is in the log");
    }
}

/// Holds that there are so many orders, each with its items, its address, its sums and one event of its creation, and nothing else.
pub async fn whole(database: &Database, orders: i64) {
    for (what, query) in [
        ("orders", "SELECT COUNT(*) FROM CUSTOMER_ORDER"),
        (
            "orders with an address",
            "SELECT COUNT(DISTINCT o.ORDER_ID) FROM CUSTOMER_ORDER o JOIN CUSTOMER_ORDER_ADDRESS a ON a.ORDER_ID = o.ORDER_ID",
        ),
        ("addresses", "SELECT COUNT(*) FROM CUSTOMER_ORDER_ADDRESS"),
        (
            "orders with items that make their sum",
            "SELECT COUNT(*) FROM CUSTOMER_ORDER o JOIN (SELECT ORDER_ID, SUM(TOTAL) AS T FROM CUSTOMER_ORDER_ITEM GROUP BY ORDER_ID) i ON i.ORDER_ID = o.ORDER_ID WHERE i.T = o.SUBTOTAL AND o.TOTAL = o.SUBTOTAL + o.SHIPPING + o.TAX",
        ),
        (
            "orders with an event",
            "SELECT COUNT(DISTINCT ORDER_ID) FROM ORDER_EVENT WHERE KIND = 'OrderCreated'",
        ),
        ("events", "SELECT COUNT(*) FROM ORDER_EVENT WHERE KIND = 'OrderCreated'"),
    ] {
        assert_eq!(database.count(query).await, orders, "{what}");
    }
}

async fn a_key_is_one_order_however_often_it_is_pressed(databases: Held<Databases>) {
    let (database, orders) = started(&databases).await;
    let other = Service::start("orders", &database.environment()).has_tables().await;
    let place = async |service: &Service, key: &str, new: Value| {
        service.post_with("/orders", &[("idempotency-key", key)], new).await
    };
    let first = place(&orders, "key-1", order("robin", 1, "5")).await.ok(200);
    let again = place(&other, "key-1", order("robin", 1, "5")).await.ok(200);
    assert_eq!(first["id"], again["id"]);
    place(&orders, "key-1", order("mole", 1, "5")).await.problem(409);
    whole(&database, 1).await;

    for round in 0..3 {
        let key = format!("at-once-{round}");
        let (key, service) = (key.as_str(), |number: u32| if number < 10 { &orders } else { &other });
        let placed =
            join_all((0..20).map(|number| place(service(number), key, order("robin", 2, "7")))).await;
        let mut ids: Vec<Value> = placed.iter().map(|answer| answer.ok(200)["id"].clone()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
    whole(&database, 4).await;
    for bad in ["a b", "ä", "x;--", &"x".repeat(65)] {
        place(&orders, bad, order("robin", 1, "5")).await.names("idempotency-key");
    }
}

async fn an_order_goes_from_one_state_to_the_next(databases: Held<Databases>) {
    let (database, orders) = started(&databases).await;
    let mut events = 0;
    for (path, refused) in [
        (&["SENT"][..], "CANCELLED"),
        (&["HELD", "PAID", "CANCELLED"], "PAID"),
        (&["HELD", "SENT"], "HELD"),
        (&["CANCELLED"], "SENT"),
    ] {
        let id = orders.post("/orders", order("robin", 1, "5")).await.ok(200)["id"].clone();
        let at = format!("/orders/{}", id.as_str().unwrap());
        for status in path {
            // Asked twice, it is done once.
            for _ in 0..2 {
                assert_eq!(orders.patch(&at, json!({"status": status})).await.ok(200)["status"], *status);
            }
        }
        orders.patch(&at, json!({"status": refused})).await.problem(409);
        events += 1 + path.len();
        let said = database.count("SELECT COUNT(*) FROM ORDER_EVENT").await;
        assert_eq!(said, i64::try_from(events).unwrap());
    }
    let kinds = "SELECT DISTINCT KIND FROM ORDER_EVENT ORDER BY KIND";
    assert_eq!(database.texts(kinds).await, ["OrderCancelled", "OrderChanged", "OrderCreated"]);
    let at = "/orders/3e8480f7-92fb-4c0a-9d55-0b7c1f6a2e18";
    orders.patch(at, json!({"status": "SENT"})).await.problem(404);
    orders.get(at).await.problem(404);
    orders.get("/orders/x'%20OR%201=1").await.problem(404);
    orders.patch(at, json!({"status": "GONE"})).await.names("status");
    orders.patch(at, json!({})).await.names("status");
    orders.patch("/orders/a%20b", json!({"status": "SENT"})).await.names("id");
}

async fn an_item_can_be_taken_out(databases: Held<Databases>) {
    let (_, orders) = started(&databases).await;
    let mut new = order("robin", 2, "10.10");
    let items = new["items"].as_array_mut().unwrap();
    items.push(json!({"productId": "rope-bag", "quantity": 1, "unitCost": 40}));
    items.push(json!({"productId": "oak-stool", "quantity": 3, "unitCost": 0.01}));
    new["shipping"] = json!(5);
    new["tax"] = json!(99);
    let placed = orders.post("/orders", new).await.ok(200);
    let at = format!("/orders/{}", placed["id"].as_str().unwrap());
    let left = orders.delete(&format!("{at}/items/2")).await.ok(200);
    let amounts = ["subtotal", "shipping", "tax", "total"].map(|member| left[member].clone());
    assert_eq!(amounts, [json!(20.23), json!(5), json!(1.01), json!(26.24)]);
    assert_eq!(left["items"].as_array().unwrap().len(), 2);
    let changed = |order: &Value| order["updatedDate"].as_str().unwrap().to_owned();
    assert!(changed(&left) > changed(&placed));
    orders.delete(&format!("{at}/items/2")).await.problem(404);
    orders.delete(&format!("{at}/items/x")).await.names("path");
    // Two at once: the second finds that it is the last.
    let [first, third] = [1, 3].map(|line| format!("{at}/items/{line}"));
    let both = tokio::join!(orders.delete(&first), orders.delete(&third));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    orders.patch(&at, json!({"status": "CANCELLED"})).await.ok(200);
    let line = orders.get(&at).await.ok(200)["items"][0]["line"].clone();
    orders.delete(&format!("{at}/items/{line}")).await.problem(409);
}

async fn what_is_wrong_in_an_order_is_named(databases: Held<Databases>) {
    let (database, orders) = started(&databases).await;
    let long = "x".repeat(121);
    for (pointer, value, field) in [
        ("/customerId", json!("a b"), "customerId"),
        ("/items", json!([]), "items"),
        ("/items", json!("none"), "items"),
        ("/items/0/quantity", json!(0), "items[0].quantity"),
        ("/items/0/quantity", json!(100), "items[0].quantity"),
        ("/items/0/quantity", json!("two"), "items[0].quantity"),
        ("/items/0/unitCost", json!(-1), "items[0].unitCost"),
        ("/items/0/unitCost", json!(0.001), "items[0].unitCost"),
        ("/items/0/unitCost", json!(1e300), "items[0].unitCost"),
        ("/items/0/unitCost", json!(99_999_999), "items[0].unitCost"),
        ("/items/0/productId", json!("<b>"), "items[0].productId"),
        ("/items/0/name", json!("x".repeat(81)), "items[0].name"),
        ("/shippingAddress/firstName", json!(" "), "firstName"),
        ("/shippingAddress/lastName", json!("a\u{0}b"), "lastName"),
        ("/shippingAddress/email", json!(""), "email"),
        ("/shippingAddress/address1", json!(long), "address1"),
        ("/shippingAddress/address2", json!(long), "address2"),
        ("/shippingAddress/city", json!(""), "city"),
        ("/shippingAddress/zipCode", json!(""), "zipCode"),
        ("/shippingAddress/state", json!("x".repeat(41)), "state"),
        ("/shippingAddress", Value::Null, "shippingAddress"),
    ] {
        let mut new = order("robin", 2, "5");
        *new.pointer_mut(pointer).unwrap() = value;
        orders.post("/orders", new).await.names(field);
    }
    for (member, value) in [("shipping", json!(-1)), ("tax", json!(-0.01)), ("tax", json!("x"))] {
        let mut new = order("robin", 1, "5");
        new[member] = value;
        orders.post("/orders", new).await.names(member);
    }
    let mut lacking = order("robin", 1, "5");
    lacking["shippingAddress"].as_object_mut().unwrap().remove("zipCode");
    orders.post("/orders", lacking).await.names("zipCode");
    let many: Vec<Value> = (0..51).map(|_| order("robin", 1, "5")["items"][0].clone()).collect();
    let mut new = order("robin", 1, "5");
    new["items"] = json!(many);
    orders.post("/orders", new).await.names("items");
    let (client, url) = (Client::new(), format!("{}/orders", orders.url));
    for body in ["", "{", "[1]", "null"] {
        let asked = client.ask(reqwest::Method::POST, &url, &[], Some(body.into()));
        assert_eq!(asked.await.unwrap().problem(400)["title"], "Bad input", "{body}");
    }
    orders.get("/orders?customerId=%3Cb%3E").await.names("customerId");
    whole(&database, 0).await;

    // As much as may be typed fits.
    let mut new = order(&"c".repeat(64), 99, "1");
    new["items"] = json!(vec![
        json!({"productId": "x".repeat(64), "name": "💡".repeat(80), "quantity": 1, "unitCost": 1});
        50
    ]);
    for (member, most) in [("firstName", 60), ("email", 120), ("address2", 120), ("state", 40)] {
        new["shippingAddress"][member] = json!("💡".repeat(most));
    }
    orders.post("/orders", new).await.ok(200);
    whole(&database, 1).await;
}

/// Killed in the middle of many placements, again and again: what was acknowledged is there, and what is there is whole.
async fn a_killed_service_leaves_no_half_of_an_order(databases: Held<Databases>) {
    let database = databases.database().await;
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut orders = Service::start("orders", &database.environment()).has_tables().await;
        let count = Arc::new(AtomicUsize::new(0));
        let clients: Vec<_> = (0..6)
            .map(|_| {
                let (client, url) = (Client::new(), format!("{}/orders", orders.url));
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let mut placed = Vec::new();
                    loop {
                        let body = order("robin", 1, "5").to_string();
                        match client.ask(reqwest::Method::POST, &url, &[], Some(body)).await {
                            Ok(answer) => placed.push(answer.ok(200)["id"].as_str().unwrap().to_owned()),
                            Err(_) => return placed,
                        }
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        until("some are placed", 10, async || (count.load(Ordering::Relaxed) > 8).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        orders.kill();
        for client in clients {
            acknowledged.extend(client.await.unwrap());
        }
    }
    // A transaction that was open is given up once the server notes that nobody is there any more.
    let there = database.texts("SELECT ORDER_ID FROM CUSTOMER_ORDER").await;
    assert!(acknowledged.iter().all(|id| there.contains(id)), "an acknowledged order is lost");
    assert!(there.len() <= acknowledged.len() + 4 * 6);
    whole(&database, i64::try_from(there.len()).unwrap()).await;
}

/// As a service that was killed while it made its tables leaves them.
async fn tables_that_were_begun_are_finished(databases: Held<Databases>) {
    let statements: Vec<&str> = include_str!("../../src/orders/schema.sql").split(';').collect();
    for made in [1, 2, 4] {
        let database = databases.database().await;
        for statement in &statements[..made] {
            let statement = match database.engine {
                Engine::AuroraMysql => statement.to_string(),
                Engine::AuroraPostgresql => statement.replace("DATETIME(6)", "TIMESTAMP(6)"),
            };
            database.execute(&statement).await;
        }
        let both = [(); 2].map(|()| Service::start("orders", &database.environment()));
        for orders in &both {
            until("it takes an order", 10, async || {
                let answer = orders.post("/orders", order("robin", 1, "5")).await;
                assert!([200, 503].contains(&answer.status), "{answer:?}");
                (answer.status == 200).then_some(())
            })
            .await;
        }
        whole(&database, 2).await;
    }
}

async fn a_full_database_is_unavailable_and_a_fault_says_nothing_of_its_cause(databases: Held<Databases>) {
    let (database, orders) = started(&databases).await;
    let place = async || {
        let mut new = order("robin", 1, "5");
        new["shippingAddress"]["city"] = json!("secret words");
        orders.post("/orders", new).await
    };
    let accepted = match database.engine {
        Engine::AuroraMysql => {
            // A table that takes a row or two.
            for statement in [
                "DROP TABLE ORDER_EVENT",
                "SET SESSION max_heap_table_size = 16384",
                "CREATE TABLE ORDER_EVENT (EVENT_ID VARCHAR(36), ORDER_ID VARCHAR(36), KIND VARCHAR(32), \
                 BODY VARCHAR(2000), CREATED_AT DATETIME(6)) ENGINE = MEMORY",
            ] {
                database.execute(statement).await;
            }
            let mut accepted = 0;
            until("it is full", 5, async || {
                let answer = place().await;
                accepted += i64::from(answer.status == 200);
                (answer.status != 200).then(|| answer.problem(503))
            })
            .await;
            database.execute("ALTER TABLE CUSTOMER_ORDER_ADDRESS DROP COLUMN CITY").await;
            database.execute("ALTER TABLE CUSTOMER_ORDER_ADDRESS ADD COLUMN CITY INT").await;
            accepted
        }
        Engine::AuroraPostgresql => {
            // Full, no memory, no disk, another transaction in the way that never ends, the end of the server; then a fault.
            for (code, status) in [
                ("53100", 503),
                ("53200", 503),
                ("58030", 503),
                ("40P01", 503),
                ("57P01", 503),
                ("22001", 500),
            ] {
                says(&database, code).await;
                place().await.problem(status);
            }
            0
        }
    };
    let answer = place().await;
    assert_eq!(answer.problem(500)["detail"], "This is a fault of ours.");
    assert!(!answer.text.contains("secret") && !orders.log().contains("secret"), "{}", orders.log());
    assert!(orders.log().contains("\"fault\""));
    if accepted == 0 {
        whole(&database, 0).await;
    } else {
        assert_eq!(database.count("SELECT COUNT(*) FROM CUSTOMER_ORDER").await, accepted);
    }
}

/// Makes PostgreSQL refuse addresses with an error of its own.
async fn says(database: &Database, code: &str) {
    for statement in [
        &format!(
            "CREATE OR REPLACE FUNCTION says() RETURNS trigger LANGUAGE plpgsql AS \
             $$BEGIN RAISE EXCEPTION 'secret words' USING ERRCODE = '{code}'; END$$"
        ),
        "DROP TRIGGER IF EXISTS says ON CUSTOMER_ORDER_ADDRESS",
        "CREATE TRIGGER says BEFORE INSERT ON CUSTOMER_ORDER_ADDRESS FOR EACH ROW EXECUTE FUNCTION says()",
    ] {
        database.execute(statement).await;
    }
}

/// A metric filter reads these lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_how_many_orders_were_placed() {
    let Some(databases) = Databases::of(Engine::AuroraMysql).await else { return };
    let mut environment = databases.database().await.environment();
    environment.push(("SHOP_METRIC_SECONDS", "1".into()));
    let orders = Service::start("orders", &environment).has_tables().await;
    for _ in 0..3 {
        orders.post("/orders", order("robin", 1, "5")).await.ok(200);
    }
    let counted = async || {
        let log = orders.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let counts = lines
            .filter(|line| line["metric"] == "OrdersCreated")
            .map(|line| line["value"].as_u64().unwrap());
        (counts.sum::<u64>() == 3).then_some(())
    };
    until("three were counted", 10, counted).await;
}
