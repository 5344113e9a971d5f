//! The catalogue on both engines.

use serde_json::{Value, json};

use crate::stage::{Answer, Service, until};
use crate::stores::{Databases, Held, on_each_engine};

on_each_engine!(
    a_catalogue_is_listed_sorted_paged_and_searched,
    what_is_asked_wrongly_is_told,
    two_that_start_at_once_make_one_catalogue,
);

/// What everything there is fits into.
const ALL: &str = "/catalog/products?size=100";
/// Answered once the tables are there and filled.
const ONE: &str = "/catalog/products/river-kettle";

async fn started(databases: &Databases) -> Service {
    Service::start("catalog", &databases.database().await.environment()).has_tables().await
}

fn each<'a>(products: &'a Value, member: &str) -> Vec<&'a str> {
    products.as_array().unwrap().iter().map(|product| product[member].as_str().unwrap()).collect()
}

async fn a_catalogue_is_listed_sorted_paged_and_searched(databases: Held<Databases>) {
    let catalog = started(&databases).await;
    let all = catalog.get(ALL).await.ok(200);
    let names = each(&all, "name");
    assert_eq!(names.len(), 12);
    assert!(names.is_sorted(), "{names:?}");
    let kettle = catalog.get("/catalog/products/river-kettle").await.ok(200);
    assert_eq!((&kettle["name"], &kettle["price"]), (&json!("River Kettle"), &json!(48)));
    let tags = |product: &Value| each(&product["tags"], "name").join(",");
    assert_eq!(tags(&kettle), "camp,kitchen");

    // Pages of five are the list in three pieces.
    let mut paged = Vec::new();
    for page in 1..=4 {
        let page = catalog.get(&format!("/catalog/products?page={page}&size=5")).await.ok(200);
        paged.extend(each(&page, "name").into_iter().map(str::to_owned));
    }
    assert_eq!(paged, names);
    let default = catalog.get("/catalog/products").await.ok(200);
    assert_eq!(each(&default, "name"), names[..10]);

    let prices = |products: &Value| -> Vec<f64> {
        products.as_array().unwrap().iter().map(|product| product["price"].as_f64().unwrap()).collect()
    };
    let up = prices(&catalog.get("/catalog/products?size=100&order=price_asc").await.ok(200));
    let down = prices(&catalog.get("/catalog/products?size=100&order=price_desc").await.ok(200));
    assert!(up.is_sorted() && down.iter().rev().is_sorted() && up.len() == 12, "{up:?}");

    assert_eq!(catalog.get("/catalog/size").await.ok(200), json!({"size": 12}));
    let kitchen = catalog.get("/catalog/products?tags=kitchen&size=100").await.ok(200);
    let both = catalog.get("/catalog/products?tags=kitchen,wayfinding&size=100").await.ok(200);
    let size = catalog.get("/catalog/size?tags=kitchen,wayfinding").await.ok(200);
    assert!(kitchen.as_array().unwrap().iter().all(|product| tags(product).contains("kitchen")));
    assert_eq!(size["size"], both.as_array().unwrap().len());
    assert!(each(&both, "id").len() > each(&kitchen, "id").len());
    assert_eq!(catalog.get("/catalog/products?tags=nothing").await.ok(200), json!([]));
    let tags = catalog.get("/catalog/tags").await.ok(200);
    assert_eq!(each(&tags, "name").len(), 5);
    assert!(tags[0]["displayName"].is_string());
    assert_eq!(catalog.post("/catalog/reindex", json!({})).await.status, 200);

    searched(&catalog).await;
}

async fn searched(catalog: &Service) {
    let found = async |keyword: &str| {
        let escaped = percent_encoding::utf8_percent_encode(keyword, percent_encoding::NON_ALPHANUMERIC);
        let found = catalog.get(&format!("/catalog/search?keyword={escaped}&size=100")).await.ok(200);
        each(&found, "id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("River KETTLE").await, ["river-kettle"]);
    assert_eq!(found("needle for north").await, ["tide-compass"], "the description is searched, too");
    // None of these means anything but itself, and none is in a product.
    for plain in ["%", "_", "!", "\\", "\"", "%%", "a%e", "'; DROP TABLE product_tag; --", "💡", "<script>"]
    {
        assert_eq!(found(plain).await, [] as [&str; 0], "{plain}");
    }
    assert_eq!(found("'").await.len(), with_apostrophe(catalog).await);
}

async fn with_apostrophe(catalog: &Service) -> usize {
    let all = catalog.get(ALL).await.ok(200);
    let has = |product: &&Value| {
        ["name", "description"].iter().any(|member| product[member].as_str().unwrap().contains('\''))
    };
    all.as_array().unwrap().iter().filter(has).count()
}

async fn what_is_asked_wrongly_is_told(databases: Held<Databases>) {
    let database = databases.database().await;
    let catalog = Service::start("catalog", &database.environment()).has_tables().await;
    for (query, field) in [
        ("size=0", "size"),
        ("size=101", "size"),
        ("size=x", "size"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=9223372036854775807", "page"),
        ("page=a%3Cb%3E", "page"),
        ("tags=a%07b", "tags"),
    ] {
        catalog.get(&format!("/catalog/products?{query}")).await.names(field);
    }
    let many: Vec<String> = (0..21).map(|number| format!("t{number}")).collect();
    catalog.get(&format!("/catalog/size?tags={}", many.join(","))).await.names("tags");
    catalog.get("/catalog/search").await.names("keyword");
    catalog.get(&format!("/catalog/search?keyword={}", "x".repeat(81))).await.names("keyword");
    for path in ["/catalog/products/no-such", "/catalog/products/%27%3B--", "/catalog", "/%00"] {
        catalog.get(path).await.problem(404);
    }
    assert_eq!(catalog.delete("/catalog/products").await.status, 405);

    let give = async |product: &str, tag: Value| -> Answer {
        catalog.post(&format!("/catalog/products/{product}/tags"), tag).await
    };
    for _ in 0..2 {
        let given = give("tin-mug", json!({"name": "rain"})).await.ok(201);
        assert_eq!(given, json!({"product": "tin-mug", "name": "rain"}));
    }
    let rows = "SELECT COUNT(*) FROM product_tag pt JOIN tag t ON t.tag_id = pt.tag_id \
                WHERE t.name = 'rain' AND pt.product_id = 'tin-mug'";
    assert_eq!(database.count(rows).await, 2, "given twice, it is there twice");
    let mug = catalog.get("/catalog/products/tin-mug").await.ok(200);
    assert_eq!(each(&mug["tags"], "name").iter().filter(|name| **name == "rain").count(), 1);
    give("tin-mug", json!({"name": "no such"})).await.problem(404);
    give("no-such", json!({"name": "rain"})).await.problem(404);
    give("tin-mug", json!({})).await.names("name");
    give("tin-mug", json!({"name": " "})).await.names("name");
    give("tin-mug", json!({"name": 7})).await.names("name");
    give("a%20b", json!({"name": "rain"})).await.names("id");
    catalog
        .post_with("/catalog/products/tin-mug/tags", &[("content-type", "text/plain")], json!({}))
        .await
        .names("body");
    assert_eq!(database.count("SELECT COUNT(*) FROM product_tag").await, 2 + all_given());
}

/// Tags that the shop's own products begin with.
fn all_given() -> i64 {
    let products: Value = serde_json::from_str(include_str!("../../src/catalog/products.json")).unwrap();
    let tags = products.as_array().unwrap().iter().map(|product| product["tags"].as_array().unwrap().len());
    i64::try_from(tags.sum::<usize>()).unwrap()
}

async fn two_that_start_at_once_make_one_catalogue(databases: Held<Databases>) {
    let database = databases.database().await;
    let both = [(); 3].map(|()| Service::start("catalog", &database.environment()));
    for catalog in &both {
        until("it has its tables", 10, async || (catalog.get(ONE).await.status == 200).then_some(())).await;
        assert_eq!(catalog.get("/catalog/size").await.ok(200), json!({"size": 12}));
    }
    assert_eq!(database.count("SELECT COUNT(*) FROM product_tag").await, all_given());
    drop(both);
    // One that starts later changes nothing of what is there.
    database.execute("DELETE FROM product_tag WHERE product_id = 'tin-mug'").await;
    let left = database.count("SELECT COUNT(*) FROM product_tag").await;
    let later = Service::start("catalog", &database.environment()).has_tables().await;
    assert_eq!(later.is_well().await.get("/catalog/products/tin-mug").await.ok(200)["tags"], json!([]));
    assert_eq!(database.count("SELECT COUNT(*) FROM product_tag").await, left);
}
