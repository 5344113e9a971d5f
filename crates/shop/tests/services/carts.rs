//! Carts on DynamoDB: the sandbox's, in two Regions, and an emulator's that nobody here wrote, in one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rehearsals::emulator::Emulator;
use rehearsals::root;
use sandbox::{EAST, WEST};
use serde_json::{Value, json};

use crate::stage::{Answer, Forwarder, Service, Way, nowhere, until};
use crate::stores::{Dynamo, environment};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_in_the_sandbox() {
    let dynamo = Dynamo::of_the_sandbox().await;
    in_one_region(&dynamo).await;
    let carts = Service::start("carts", &dynamo.environment(0));
    what_is_added_at_once_is_all_there(&carts).await;
    merges_at_once_are_one(&carts).await;
    a_cart_has_an_end(&carts).await;
}

/// One after the other: it answers each request in a thread of its own, and locks nothing, so that writes at once are lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_in_an_emulator_that_nobody_here_wrote() {
    if !root().join("target/emulators/bin/moto_server").is_file() {
        rehearsals::parts::missing("emulators", "there is no target/emulators");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start("moto_server", &["-H", "127.0.0.1", "-p", "0"], folder.path()).unwrap();
    in_one_region(&Dynamo::of_an_emulator(&emulator.url).await).await;
}

async fn in_one_region(dynamo: &Dynamo) {
    let carts = Service::start("carts", &dynamo.environment(0));
    carts.is_well().await;
    items_are_put_in_changed_and_taken_out(&carts).await;
    a_visitors_cart_goes_along(&carts).await;
    what_is_wrong_is_named(&carts).await;
}

fn item(product: &str, quantity: i64) -> Value {
    json!({"itemId": product, "quantity": quantity, "unitPrice": 12})
}

/// The quantities of a cart, by product.
async fn quantities(carts: &Service, customer: &str) -> Vec<(String, i64)> {
    let items = carts.get(&format!("/carts/{customer}/items")).await.ok(200);
    let items = items.as_array().unwrap().iter();
    items
        .map(|item| (item["itemId"].as_str().unwrap().to_owned(), item["quantity"].as_i64().unwrap()))
        .collect()
}

fn pairs(expected: &[(&str, i64)]) -> Vec<(String, i64)> {
    expected.iter().map(|(product, quantity)| ((*product).to_owned(), *quantity)).collect()
}

async fn items_are_put_in_changed_and_taken_out(carts: &Service) {
    let empty = carts.get("/carts/robin").await.ok(200);
    assert_eq!(empty, json!({"customerId": "robin", "items": []}));
    let mut dear = item("tin-mug", 2);
    dear["unitPrice"] = json!(12.25);
    let added = carts.post("/carts/robin/items", dear).await.ok(201);
    assert_eq!(
        (&added["quantity"], &added["unitPrice"], &added["version"]),
        (&json!(2), &json!(12.25), &json!(1))
    );
    let again = carts.post("/carts/robin/items", item("tin-mug", 3)).await.ok(201);
    assert_eq!(
        (&again["quantity"], &again["unitPrice"], &again["version"]),
        (&json!(5), &json!(12), &json!(2))
    );
    assert!(again["updatedAt"].as_str().unwrap() > added["updatedAt"].as_str().unwrap());
    assert!(again["region"].is_string());
    assert_eq!(carts.get("/carts/robin/items/tin-mug").await.ok(200), again);
    carts.get("/carts/robin/items/rope-bag").await.problem(404);
    carts.get("/carts/mole/items/tin-mug").await.problem(404);

    // 99 of one product at most.
    carts.post("/carts/robin/items", item("tin-mug", 95)).await.problem(409);
    assert_eq!(carts.post("/carts/robin/items", item("tin-mug", 94)).await.ok(201)["quantity"], 99);
    carts.post("/carts/robin/items", item("tin-mug", 1)).await.problem(409);

    // A change with the version that was seen, and with one that somebody else has changed.
    let version = carts.get("/carts/robin/items/tin-mug").await.ok(200)["version"].clone();
    let mut change = item("tin-mug", 7);
    change["version"] = version;
    assert_eq!(carts.patch("/carts/robin/items", change.clone()).await.ok(202)["quantity"], 7);
    change["quantity"] = json!(8);
    carts.patch("/carts/robin/items", change).await.problem(409);
    assert_eq!(carts.patch("/carts/robin/items", item("tin-mug", 9)).await.ok(202)["quantity"], 9);
    carts.patch("/carts/robin/items", item("rope-bag", 1)).await.problem(404);

    carts.post("/carts/robin/items", item("rope-bag", 1)).await.ok(201);
    assert_eq!(quantities(carts, "robin").await, pairs(&[("rope-bag", 1), ("tin-mug", 9)]));
    for _ in 0..2 {
        assert_eq!(carts.delete("/carts/robin/items/tin-mug").await.status, 202);
    }
    assert_eq!(quantities(carts, "robin").await, pairs(&[("rope-bag", 1)]));
    for customer in ["robin", "nobody"] {
        carts.delete(&format!("/carts/{customer}")).await.ok(202);
        assert_eq!(quantities(carts, customer).await, []);
    }
}

async fn what_is_added_at_once_is_all_there(carts: &Service) {
    let added = join_all((0..20).map(|_| carts.post("/carts/crowd/items", item("tin-mug", 2)))).await;
    let mut versions: Vec<i64> = added.iter().map(|item| item.ok(201)["version"].as_i64().unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    assert_eq!(quantities(carts, "crowd").await, pairs(&[("tin-mug", 40)]));
    // As many as fit, and not one more.
    let more = join_all((0..20).map(|_| carts.post("/carts/crowd/items", item("tin-mug", 5)))).await;
    assert_eq!(more.iter().filter(|answer| answer.status == 201).count(), 11);
    assert_eq!(more.iter().filter(|answer| answer.status == 409).count(), 9);
    assert_eq!(quantities(carts, "crowd").await, pairs(&[("tin-mug", 95)]));
}

async fn a_visitors_cart_goes_along(carts: &Service) {
    let merge =
        async |from: &str, into: &str| carts.get(&format!("/carts/{into}/merge?sessionId={from}")).await;
    for (customer, product, quantity) in [
        ("visitor", "tin-mug", 60),
        ("visitor", "rope-bag", 2),
        ("member", "tin-mug", 50),
        ("member", "oak-stool", 1),
    ] {
        carts.post(&format!("/carts/{customer}/items"), item(product, quantity)).await.ok(201);
    }
    assert_eq!(merge("visitor", "member").await.status, 202);
    let all = pairs(&[("oak-stool", 1), ("rope-bag", 2), ("tin-mug", 99)]);
    assert_eq!(quantities(carts, "member").await, all);
    assert_eq!(quantities(carts, "visitor").await, []);
    // Asked again, or of oneself, there is nothing to be done.
    assert_eq!(merge("visitor", "member").await.status, 202);
    assert_eq!(merge("member", "member").await.status, 202);
    assert_eq!(quantities(carts, "member").await, all);
}

/// Fifty products, and no more by another merge: neither cart is changed.
async fn a_cart_has_an_end(carts: &Service) {
    join_all((0..50).map(|number| async move {
        carts.post("/carts/full/items", item(&format!("product-{number}"), 1)).await.ok(201)
    }))
    .await;
    carts.post("/carts/full/items", item("product-50", 1)).await.problem(409);
    carts.post("/carts/full/items", item("product-7", 1)).await.ok(201);
    carts.post("/carts/other/items", item("product-50", 1)).await.ok(201);
    carts.get("/carts/full/merge?sessionId=other").await.problem(409);
    carts.get("/carts/other/merge?sessionId=full").await.problem(409);
    assert_eq!((quantities(carts, "full").await.len(), quantities(carts, "other").await.len()), (50, 1));
    carts.delete("/carts/full").await.ok(202);
    assert_eq!(quantities(carts, "full").await, []);
}

/// All or nothing: a product is in one of the carts, and moved once.
async fn merges_at_once_are_one(carts: &Service) {
    for product in 0..10 {
        carts.post("/carts/early/items", item(&format!("product-{product}"), 3)).await.ok(201);
    }
    let merges = join_all((0..5).map(|_| carts.get("/carts/late/merge?sessionId=early"))).await;
    assert!(merges.iter().all(|answer| [202, 409].contains(&answer.status)), "{merges:?}");
    assert!(merges.iter().any(|answer| answer.status == 202));
    assert_eq!(quantities(carts, "early").await, []);
    let late = quantities(carts, "late").await;
    assert!(late.len() == 10 && late.iter().all(|(_, quantity)| *quantity == 3), "{late:?}");
}

async fn what_is_wrong_is_named(carts: &Service) {
    for (member, value, field) in [
        ("quantity", json!(0), "quantity"),
        ("quantity", json!(100), "quantity"),
        ("quantity", json!(-1), "quantity"),
        ("quantity", json!("2"), "quantity"),
        ("unitPrice", json!(-1), "unitPrice"),
        ("unitPrice", json!("free"), "unitPrice"),
        ("itemId", json!("<script>"), "itemId"),
        ("itemId", Value::Null, "itemId"),
        ("version", json!(-1), "version"),
    ] {
        let mut wrong = item("tin-mug", 1);
        wrong[member] = value;
        carts.post("/carts/robin/items", wrong.clone()).await.names(field);
        carts.patch("/carts/robin/items", wrong).await.names(field);
    }
    carts.post("/carts/robin/items", json!({"itemId": "tin-mug"})).await.names("quantity");
    let long = "x".repeat(65);
    for bad in ["a%20b", "%3Cb%3E", "a:b", long.as_str()] {
        carts.get(&format!("/carts/{bad}")).await.names("customerId");
        carts.delete(&format!("/carts/{bad}")).await.names("customerId");
        carts.get(&format!("/carts/robin/items/{bad}")).await.names("itemId");
        carts.delete(&format!("/carts/robin/items/{bad}")).await.names("itemId");
        carts.get(&format!("/carts/robin/merge?sessionId={bad}")).await.names("sessionId");
    }
    carts.get("/carts/robin/merge").await.names("sessionId");
    carts.get("/carts/%FF").await.names("path");
}

/// Two Regions write to the same item: both agree in the end on what was written last, and see by whom.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_writer_wins_in_both_regions() {
    let dynamo = Dynamo::of_the_sandbox().await;
    let [east, west] = [0, 1].map(|region| Service::start("carts", &dynamo.environment(region)));
    east.post("/carts/robin/items", item("tin-mug", 1)).await.ok(201);
    let at = "/carts/robin/items/tin-mug";
    arrives(&west, at, |answer| answer.status == 200).await;
    let written = tokio::join!(
        east.patch("/carts/robin/items", item("tin-mug", 5)),
        west.patch("/carts/robin/items", item("tin-mug", 7)),
    );
    let (in_east, in_west) = (written.0.ok(202), written.1.ok(202));
    // Each saw its own Region only.
    assert_eq!((&in_east["version"], &in_west["version"]), (&json!(2), &json!(2)));
    let agreed = until("both agree", 10, async || {
        let both = (east.get(at).await.ok(200), west.get(at).await.ok(200));
        (both.0 == both.1).then_some(both.0)
    })
    .await;
    assert!(agreed == in_east || agreed == in_west, "{agreed}");
    let winner = if agreed["region"] == EAST { &in_east } else { &in_west };
    assert_eq!(agreed, *winner, "the item says who wrote it");

    // Well after one another it is the later one.
    east.patch("/carts/robin/items", item("tin-mug", 3)).await.ok(202);
    arrives(&west, at, |answer| answer.json()["quantity"] == 3).await;
    let last = west.patch("/carts/robin/items", item("tin-mug", 4)).await.ok(202);
    arrives(&east, at, |answer| answer.json() == last).await;
    assert_eq!((&last["region"], &last["version"]), (&json!(WEST), &json!(4)));
    // A removal arrives, too.
    assert_eq!(east.delete("/carts/robin").await.status, 202);
    arrives(&west, at, |answer| answer.status == 404).await;
}

async fn arrives(carts: &Service, at: &str, enough: impl Fn(&Answer) -> bool) {
    until("it arrives", 10, async || enough(&carts.get(at).await).then_some(())).await;
}

/// A Region that is cut off goes on with its own carts; what was written there arrives late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_is_cut_off_goes_on_and_its_writes_arrive_late() {
    let dynamo = Dynamo::of_the_sandbox().await;
    let world = dynamo.world.clone().unwrap();
    let [east, west] = [0, 1].map(|region| Service::start("carts", &dynamo.environment(region)));
    east.is_well().await;
    world.isolate(EAST).await;
    let added = east.post("/carts/robin/items", item("tin-mug", 2)).await.ok(201);
    west.post("/carts/mole/items", item("rope-bag", 1)).await.ok(201);
    east.is_well().await;
    // Longer than a write is under way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    west.get("/carts/robin/items/tin-mug").await.problem(404);
    east.get("/carts/mole/items/rope-bag").await.problem(404);
    world.rejoin(EAST).await;
    arrives(&west, "/carts/robin/items/tin-mug", |answer| answer.status == 200 && answer.json() == added)
        .await;
    arrives(&east, "/carts/mole/items/rope-bag", |answer| answer.status == 200).await;
}

/// DynamoDB that is silent, gone, or without the table is unavailable, in bounded time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_dynamodb_carts_are_unavailable() {
    let silent = Forwarder::start(Way::Silent).await.address;
    let without_table = Dynamo::of_the_sandbox().await;
    without_table.client(WEST).delete_table().table_name(crate::stores::TABLE).send().await.unwrap();
    let all = [
        ("silent", environment(&format!("http://{silent}"), EAST, "any")),
        ("gone", environment(&format!("http://{}", nowhere().await), EAST, "any")),
        ("without the table", without_table.environment(1)),
    ];
    join_all(all.map(async |(what, environment)| {
        let carts = Service::start("carts", &environment);
        let asked = Instant::now();
        let removed = join_all(["/carts/robin", "/carts/robin/items/tin-mug"].map(|path| carts.delete(path)));
        let read = ["/carts/robin", "/carts/robin/items/tin-mug", "/carts/robin/merge?sessionId=visitor"];
        let read = join_all(read.map(|path| carts.get(path)));
        let added = carts.post("/carts/robin/items", item("tin-mug", 1));
        let (removed, read, added) = tokio::join!(removed, read, added);
        for answer in removed.iter().chain(&read).chain([&added]) {
            answer.problem(503);
        }
        assert!(asked.elapsed() < Duration::from_secs(6), "{what}: {:?}", asked.elapsed());
        assert_ne!(carts.get("/health").await.ok(200)["dependencies"]["table"], "up", "{what}");
    }))
    .await;
}
