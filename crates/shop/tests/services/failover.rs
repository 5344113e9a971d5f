//! What a failover of the database is to the services: read-only, stopped, silent, elsewhere. On both engines.
//!
//! Times are of the built binary without optimisation. They are printed, and bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::orders::whole;
use crate::stage::{Client, Forwarder, Service, Way, order, until};
use crate::stores::{Databases, Held, on_each_engine};

on_each_engine!(
    a_region_that_stands_by_takes_over,
    a_database_that_stops_or_is_silent_is_unavailable_and_comes_back,
    connections_follow_the_database,
);

/// Clients that place orders one after the other, each with a key, until they are told to stop.
struct Customers {
    stop: Arc<AtomicBool>,
    /// How often each status was answered.
    statuses: Arc<Mutex<BTreeMap<u16, usize>>>,
    slowest: Arc<Mutex<Duration>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Customers {
    fn start(orders: &Service) -> Self {
        let (stop, statuses, slowest) = (Arc::default(), Arc::default(), Arc::default());
        let mut customers = Self { stop, statuses, slowest, tasks: Vec::new() };
        for _ in 0..3 {
            let (client, url) = (Client::new(), format!("{}/orders", orders.url));
            let (stop, statuses) = (Arc::clone(&customers.stop), Arc::clone(&customers.statuses));
            let slowest = Arc::clone(&customers.slowest);
            customers.tasks.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let (asked, body) = (Instant::now(), order("robin", 1, "5").to_string());
                    let answer = client.ask(Method::POST, &url, &[], Some(body)).await.unwrap();
                    if answer.status == 503 {
                        answer.problem(503);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    *statuses.lock().unwrap().entry(answer.status).or_default() += 1;
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = asked.elapsed().max(*slowest);
                }
            }));
        }
        customers
    }

    fn count(&self, status: u16) -> usize {
        self.statuses.lock().unwrap().get(&status).copied().unwrap_or_default()
    }

    /// Waits until more orders are accepted than are now.
    async fn are_served(&self) -> Duration {
        let (since, before) = (Instant::now(), self.count(200));
        until("an order is accepted", 20, async || (self.count(200) > before).then_some(())).await;
        since.elapsed()
    }

    /// Stops them; holds that nothing but acceptance and unavailability was answered, the latter with its problem document.
    async fn end(self) -> i64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        let statuses = self.statuses.lock().unwrap();
        assert!(statuses.keys().all(|status| [200, 503].contains(status)), "{statuses:?}");
        let slowest = *self.slowest.lock().unwrap();
        assert!(slowest < Duration::from_secs(4), "an answer took {slowest:?}");
        i64::try_from(statuses[&200]).unwrap()
    }
}

async fn a_region_that_stands_by_takes_over(databases: Held<Databases>) {
    let primary = databases.server().await;
    let secondary = databases.follower(&primary).await;
    let (east, west) = (primary.database.environment(), secondary.database.environment());
    // The Region that stands by starts first: its tables come over from the other.
    let standby = [Service::start("catalog", &west), Service::start("orders", &west)];
    standby[0].get("/catalog/products").await.problem(503);
    let [catalog, orders] = [Service::start("catalog", &east), Service::start("orders", &east)];
    let placed = orders.has_tables().await.post("/orders", order("robin", 1, "5")).await.ok(200);
    drop(catalog.has_tables().await);
    let [catalog, orders] = standby;
    let (catalog, orders) = (catalog.has_tables().await, orders.has_tables().await);
    let id = placed["id"].as_str().unwrap();
    until("the order has come over", 10, async || {
        (orders.get(&format!("/orders/{id}")).await.status == 200).then_some(())
    })
    .await;

    // It can be read, and takes nothing.
    assert_eq!(catalog.get("/catalog/size").await.ok(200), json!({"size": 12}));
    assert_eq!(catalog.get("/catalog/search?keyword=kettle").await.ok(200)[0]["id"], "river-kettle");
    let health = catalog.get("/health").await.ok(200);
    assert_eq!(health["dependencies"]["database"], "read-only");
    let tag = json!({"name": "rain"});
    catalog.post("/catalog/products/tin-mug/tags", tag.clone()).await.problem(503);
    orders.post("/orders", order("robin", 1, "5")).await.problem(503);
    orders.patch(&format!("/orders/{id}"), json!({"status": "CANCELLED"})).await.problem(503);
    orders.delete(&format!("/orders/{id}/items/1")).await.problem(503);
    assert_eq!(orders.get(&format!("/orders/{id}")).await.ok(200)["status"], "PAID");

    let customers = Customers::start(&orders);
    secondary.promote().await;
    let took = customers.are_served().await;
    println!("{:?}: the first order was accepted {took:?} after the promotion", databases.engine);
    assert!(took < Duration::from_secs(3), "{took:?}");
    let given = catalog.post("/catalog/products/tin-mug/tags", tag).await;
    assert_eq!(given.status, 201, "{given:?}");
    catalog.is_well().await;
    let accepted = customers.end().await;
    whole(&secondary.database, 1 + accepted).await;
}

async fn a_database_that_stops_or_is_silent_is_unavailable_and_comes_back(databases: Held<Databases>) {
    let server = databases.server().await;
    let database = &server.database;
    let forwarder = Forwarder::start(Way::To(database.endpoint)).await;
    let direct = Service::start("orders", &database.environment()).has_tables().await;
    let behind =
        Service::start("orders", &database.behind(forwarder.address).environment()).has_tables().await;
    let (customers, others) = (Customers::start(&direct), Customers::start(&behind));
    customers.are_served().await;
    others.are_served().await;

    forwarder.turn(Way::Silent);
    for path in ["/orders", "/orders/3e8480f7-92fb-4c0a-9d55-0b7c1f6a2e18"] {
        let asked = Instant::now();
        behind.get(path).await.problem(503);
        assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    }
    let health = behind.get("/health").await.ok(200);
    assert_ne!(health["dependencies"]["database"], "up", "{health}");
    customers.are_served().await;
    forwarder.turn(Way::To(database.endpoint));
    let took = others.are_served().await;
    println!("{:?}: the first order was accepted {took:?} after a silence", databases.engine);

    server.stop().await;
    let asked = Instant::now();
    direct.post("/orders", order("robin", 1, "5")).await.problem(503);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    direct.get("/orders").await.problem(503);
    server.start_again().await;
    let took = customers.are_served().await;
    println!("{:?}: the first order was accepted {took:?} after the start", databases.engine);
    assert!(took < Duration::from_secs(4), "{took:?}");
    others.are_served().await;
    direct.is_well().await;
    let accepted = customers.end().await + others.end().await;
    let there = database.count("SELECT COUNT(*) FROM CUSTOMER_ORDER").await;
    // An order whose commit was not answered any more may be there all the same.
    assert!((accepted..=accepted + 12).contains(&there), "{accepted} were accepted, {there} are there");
    whole(database, there).await;
}

/// A name that leads to the old writer, and then to the new one: nobody restarts anything.
async fn connections_follow_the_database(databases: Held<Databases>) {
    let old = databases.server().await;
    let new = databases.follower(&old).await;
    let forwarder = Forwarder::start(Way::To(old.database.endpoint)).await;
    let orders =
        Service::start("orders", &old.database.behind(forwarder.address).environment()).has_tables().await;
    let customers = Customers::start(&orders);
    customers.are_served().await;
    old.switch_over_to(&new).await;
    let refused = customers.count(503);
    until("the old writer refuses", 10, async || (customers.count(503) > refused).then_some(())).await;
    forwarder.turn(Way::To(new.database.endpoint));
    let took = customers.are_served().await;
    println!(
        "{:?}: the first order was accepted {took:?} after the name led to the new writer",
        databases.engine
    );
    assert!(took < Duration::from_secs(3), "{took:?}");
    let accepted = customers.end().await;
    // Nothing lost, nothing twice, and nothing that the old writer had alone.
    let there = new.database.count("SELECT COUNT(*) FROM CUSTOMER_ORDER").await;
    assert!((accepted..=accepted + 6).contains(&there), "{accepted} were accepted, {there} are there");
    whole(&new.database, there).await;
}
