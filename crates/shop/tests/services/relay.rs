//! From the outbox to RabbitMQ: every order's event arrives, under one id, whatever ends in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use runbook::plan::Engine;
use sandbox::stores::RabbitMq;
use serde_json::{Value, json};
use shop::orders::relay::QUEUE;
use uuid::Uuid;

use crate::orders::whole;
use crate::stage::{Client, Environment, Service, order, until};
use crate::stores::{Database, Databases, Held, Shares, rabbitmq, rabbitmq_to_restart};

/// What a service is told that gives its events to the broker.
fn environment(database: &Database, broker: &RabbitMq) -> Environment {
    let mut environment = database.environment();
    environment.push(("SHOP_BROKER_URL", broker.url()));
    environment
}

/// A broker with nothing in its queue, and a database.
async fn begun(engine: Engine) -> Option<(Shares<RabbitMq>, Database, Held<Databases>)> {
    begun_with(rabbitmq(), engine).await
}

async fn begun_with(
    broker: impl Future<Output = Option<Shares<RabbitMq>>>,
    engine: Engine,
) -> Option<(Shares<RabbitMq>, Database, Held<Databases>)> {
    let (broker, databases) = tokio::join!(broker, Databases::of(engine));
    let (broker, databases) = (broker?, databases?);
    let (_connection, channel) = connected(&broker.server).await;
    // There is none before the first test.
    let _ = channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await;
    Some((broker, databases.database().await, databases))
}

async fn connected(broker: &RabbitMq) -> (Connection, Channel) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// A message of the queue.
struct Message {
    id: String,
    kind: String,
    order: String,
    body: Value,
}

/// Takes messages out of the queue until `enough` says so.
async fn taken(broker: &RabbitMq, seconds: u64, mut enough: impl FnMut(&[Message]) -> bool) -> Vec<Message> {
    let (_connection, channel) = connected(broker).await;
    let declared = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), declared, FieldTable::default()).await.unwrap();
    let consumer =
        channel.basic_consume(QUEUE.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer = consumer.await.unwrap();
    let mut messages = Vec::new();
    let end = tokio::time::Instant::now() + Duration::from_secs(seconds);
    while !enough(&messages) {
        let Ok(delivery) = tokio::time::timeout_at(end, consumer.next()).await else {
            panic!("there are {} messages after {seconds} s", messages.len());
        };
        let delivery = delivery.unwrap().unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        let properties = &delivery.properties;
        assert_eq!(*properties.delivery_mode(), Some(2), "it is kept on disk");
        let text = |text: &Option<lapin::types::ShortString>| text.as_ref().unwrap().to_string();
        let body: Value = serde_json::from_slice(&delivery.data).unwrap();
        let order = body["order"]["id"].as_str().unwrap().to_owned();
        messages.push(Message {
            id: text(properties.message_id()),
            kind: text(properties.kind()),
            order,
            body,
        });
    }
    messages
}

/// By order: the ids of the messages that say that it was placed.
fn created(messages: &[Message]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut orders: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.kind == "OrderCreated") {
        orders.entry(&message.order).or_default().insert(&message.id);
    }
    orders
}

async fn events_arrive(engine: Engine) {
    let Some((broker, database, _databases)) = begun(engine).await else { return };
    let orders = Service::start("orders", &environment(&database, &broker.server)).has_tables().await;
    let mut new = order("robin", 2, "10.50");
    new["items"]
        .as_array_mut()
        .unwrap()
        .push(json!({"productId": "rope-bag", "quantity": 1, "unitCost": 40}));
    let id = orders.post("/orders", new).await.ok(200)["id"].as_str().unwrap().to_owned();
    orders.delete(&format!("/orders/{id}/items/2")).await.ok(200);
    orders.patch(&format!("/orders/{id}"), json!({"status": "CANCELLED"})).await.ok(200);
    let messages = taken(&broker.server, 10, |messages| messages.len() == 3).await;
    let kinds: Vec<&str> = messages.iter().map(|message| message.kind.as_str()).collect();
    assert_eq!(kinds, ["OrderCreated", "OrderChanged", "OrderCancelled"], "in the order of time");
    let first = &messages[0].body["order"];
    assert_eq!(
        (&first["total"], &first["status"], &first["firstName"]),
        (&json!(61), &json!("PAID"), &json!("Robin"))
    );
    let items = json!([
        {"productId": "tin-mug", "quantity": 2, "unitCost": 10.5, "totalCost": 21},
        {"productId": "rope-bag", "quantity": 1, "unitCost": 40, "totalCost": 40},
    ]);
    assert_eq!(first["orderItems"], items);
    let ids: BTreeSet<&str> = messages.iter().map(|message| message.id.as_str()).collect();
    let noted = database.texts("SELECT EVENT_ID FROM ORDER_EVENT").await;
    assert_eq!(ids, noted.iter().map(String::as_str).collect());
    until("what was sent is noted", 5, async || {
        (database.count("SELECT COUNT(*) FROM ORDER_EVENT_SENT").await == 3).then_some(())
    })
    .await;
    let metrics = orders.get("/metrics").await.text;
    for line in ["shop_orders_created_total 1", "shop_events_sent_total 3"] {
        assert!(metrics.contains(line), "{metrics}");
    }

    // Somebody deletes the queue: nothing that comes then is lost.
    let (_connection, channel) = connected(&broker.server).await;
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.unwrap();
    let id = orders.post("/orders", order("robin", 1, "5")).await.ok(200)["id"].clone();
    let messages = taken_when_there(&broker.server, &channel).await;
    assert_eq!(messages[0].order, id.as_str().unwrap());
}

/// The next message, of a queue that is not there yet.
async fn taken_when_there(broker: &RabbitMq, channel: &Channel) -> Vec<Message> {
    until("there is a queue again", 10, async || {
        // Asking for a queue that is not there ends a channel.
        let (_connection, other) = connected(broker).await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        other.queue_declare(QUEUE.into(), passive, FieldTable::default()).await.ok().map(drop)
    })
    .await;
    let messages = taken(broker, 10, |messages| messages.len() == 1).await;
    channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await.unwrap();
    messages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_arrives_with_mariadb() {
    events_arrive(Engine::AuroraMysql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_arrives_with_postgresql() {
    events_arrive(Engine::AuroraPostgresql).await;
}

/// While the broker is away orders are taken, and their events arrive when it is back; what it had is still in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_while_the_broker_is_away() {
    let Some((broker, database, _databases)) = begun_with(rabbitmq_to_restart(), Engine::AuroraMysql).await
    else {
        return;
    };
    let environment = environment(&database, &broker.server);
    let orders = Service::start("orders", &environment).has_tables().await;
    let place = async || {
        orders.post("/orders", order("robin", 1, "5")).await.ok(200)["id"].as_str().unwrap().to_owned()
    };
    let mut placed = BTreeSet::new();
    placed.insert(place().await);
    let sent = async |count: i64| {
        until("it is sent", 15, async || {
            (database.count("SELECT COUNT(*) FROM ORDER_EVENT_SENT").await == count).then_some(())
        })
        .await;
    };
    sent(1).await;
    broker.with(async |broker| broker.stop().await).await;
    for _ in 0..5 {
        placed.insert(place().await);
    }
    // One that is started without a broker takes orders, too.
    let other = Service::start("orders", &environment).has_tables().await;
    placed.insert(
        other.post("/orders", order("mole", 1, "5")).await.ok(200)["id"].as_str().unwrap().to_owned(),
    );
    assert_eq!(database.count("SELECT COUNT(*) FROM ORDER_EVENT_SENT").await, 1);
    broker.with(async |broker| broker.start_again().await.unwrap()).await;
    sent(7).await;
    let messages = taken(&broker.server, 10, |messages| created(messages).len() == 7).await;
    let created = created(&messages);
    assert!(
        created.keys().all(|order| placed.contains(*order)) && created.values().all(|ids| ids.len() == 1)
    );
}

/// A client presses again and again, with one key for each order, while the services are killed: each order that was acknowledged is
/// one order with one event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_event_for_each_order_whoever_is_killed() {
    let Some((broker, database, _databases)) = begun(Engine::AuroraMysql).await else { return };
    let environment = environment(&database, &broker.server);
    let start = || Service::start("orders", &environment);
    let mut services = [start().has_tables().await, start().has_tables().await];
    let (urls, look) = tokio::sync::watch::channel(services.each_ref().map(|service| service.url.clone()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let count = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (client, urls, stopped) = (Client::new(), look.clone(), stopped.clone());
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut placed = Vec::new();
                while !*stopped.borrow() {
                    let key = Uuid::new_v4().to_string();
                    let body = order(&format!("customer-{number}"), 1, "5").to_string();
                    for press in 0.. {
                        assert!(press < 1_000, "nobody takes the order");
                        let url = format!("{}/orders", urls.borrow()[press % 2]);
                        let key = [("idempotency-key", key.as_str())];
                        let asked = client.ask(reqwest::Method::POST, &url, &key, Some(body.clone()));
                        match asked.await {
                            Ok(answer) if answer.status == 200 => {
                                placed.push(answer.json()["id"].as_str().unwrap().to_owned());
                                count.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                            Ok(answer) => drop(answer.problem(503)),
                            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                        }
                    }
                }
                placed
            })
        })
        .collect();
    for round in 0..8 {
        let before = count.load(Ordering::Relaxed);
        until("some are placed", 10, async || (count.load(Ordering::Relaxed) > before + 4).then_some(()))
            .await;
        tokio::time::sleep(Duration::from_millis(rand::random::<u8>().into())).await;
        let service = &mut services[round % 2];
        service.kill();
        *service = start();
        urls.send_modify(|urls| urls[round % 2] = service.url.clone());
    }
    stop.send_replace(true);
    let mut placed = BTreeSet::new();
    for client in clients {
        placed.extend(client.await.unwrap());
    }
    whole(&database, i64::try_from(placed.len()).unwrap()).await;
    let messages = taken(&broker.server, 20, |messages| created(messages).len() == placed.len()).await;
    let created = created(&messages);
    assert!(created.keys().all(|order| placed.contains(*order)));
    assert!(created.values().all(|ids| ids.len() == 1), "an order has two events");
    println!("{} orders, {} messages", placed.len(), messages.len());
}

/// In a Region that stands by, what has come over from the other is not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_stands_by_sends_nothing() {
    let Some((broker, _, databases)) = begun(Engine::AuroraMysql).await else { return };
    let primary = databases.server().await;
    let secondary = databases.follower(&primary).await;
    let east = Service::start("orders", &primary.database.environment()).has_tables().await;
    let west = environment(&secondary.database, &broker.server);
    let west = Service::start("orders", &west).has_tables().await;
    let id = east.post("/orders", order("robin", 1, "5")).await.ok(200)["id"].clone();
    until("it waits", 10, async || west.log().contains("the database is read-only").then_some(())).await;
    until("the order has come over", 10, async || {
        (west.get(&format!("/orders/{}", id.as_str().unwrap())).await.status == 200).then_some(())
    })
    .await;
    let (_connection, channel) = connected(&broker.server).await;
    let queue = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    // Longer than the relay waits between two looks.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let queue = channel.queue_declare(QUEUE.into(), queue, FieldTable::default()).await.unwrap();
    assert_eq!(queue.message_count(), 0);
    secondary.promote().await;
    let messages = taken(&broker.server, 10, |messages| messages.len() == 1).await;
    assert_eq!(messages[0].order, id.as_str().unwrap());
}
