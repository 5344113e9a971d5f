//! Gives the outbox's events to the broker.
//!
//! # What it promises
//! An event is sent once its order is committed, and again until the broker has confirmed that it has it on disk: at least once. A
//! message that is sent twice, since the relay ended between the confirmation and its note, has the same id (`message_id`), so that
//! a consumer counts it once. Of several relays of a database only one works: it holds a lock of the database, and another
//! takes over when its connection ends. In a Region that stands by none does: what has come over from the other Region is the other's
//! to send, as long as the database there takes no writes.
//!
//! # What a failure leaves
//! Events that wait. Without the broker, or in a Region that stands by, they wait until it is there again.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, ConnectionProperties, ExchangeKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use sqlx::{AnyConnection, Row};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::event::Event;
use crate::database::{Database, Engine};

/// Where events go: the names of the retail store sample.
pub const EXCHANGE: &str = "orders-exchange";
/// The queue that is bound to it.
pub const QUEUE: &str = "orders-orders-queue";

/// Events that are sent together.
const BATCH: usize = 100;
/// How often the outbox is looked at when nobody says that there is something.
const LOOK: Duration = Duration::from_secs(1);
/// How long the broker or the database is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The relay.
pub struct Relay {
    /// The orders' database.
    pub database: Database,
    /// The broker's URL.
    pub broker: String,
    /// Tells that there may be an event.
    pub news: Arc<Notify>,
    /// Counts what was sent.
    pub sent: Counter,
    /// How many wait.
    pub waiting: Gauge,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Its two ends, while both are there.
struct Open {
    outbox: AnyConnection,
    channel: Channel,
    // The channel lives as long as its connection.
    _connection: lapin::Connection,
}

impl Relay {
    /// Sends for ever.
    pub async fn run(self) {
        let mut said = String::new();
        loop {
            let Err(error) = self.send_until_it_fails().await;
            let now = error.to_string();
            if now != said {
                tracing::info!(cause = now, "events wait");
                said = now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn send_until_it_fails(&self) -> Result<std::convert::Infallible, Error> {
        let mut open = timeout(PATIENCE, self.open()).await??;
        loop {
            let sent = timeout(PATIENCE, self.pass(&mut open)).await??;
            if sent < BATCH {
                // Either is a reason to look.
                let _ = timeout(LOOK, self.news.notified()).await;
            }
        }
    }

    async fn open(&self) -> Result<Open, Error> {
        // Its own for good, so that the lock ends with it.
        let mut outbox = self.database.pool().acquire().await?.detach();
        if self.database.is_read_only(&mut outbox).await? {
            return Err("the database is read-only".into());
        }
        let lock = match self.database.engine {
            // Of the database: the names of MySQL's locks are those of the whole server.
            Engine::Mysql => "SELECT GET_LOCK(CONCAT('relay.', LEFT(DATABASE(), 58)), 0)",
            Engine::Postgres => "SELECT CASE WHEN pg_try_advisory_lock(7467) THEN 1 ELSE 0 END",
        };
        let got = sqlx::query(self.database.sql(lock)).fetch_one(&mut outbox).await?;
        if got.try_get::<Option<i64>, _>(0)? != Some(1) {
            return Err("another relay is at work".into());
        }
        let connection = lapin::Connection::connect(&self.broker, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(EXCHANGE.into(), ExchangeKind::Fanout, durable, FieldTable::default())
            .await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(QUEUE.into(), EXCHANGE.into(), "".into(), bind, FieldTable::default()).await?;
        Ok(Open { outbox, channel, _connection: connection })
    }

    /// Sends what waits, a batch at most; returns how many.
    async fn pass(&self, open: &mut Open) -> Result<usize, Error> {
        let waiting = self.waiting(&mut open.outbox).await?;
        self.waiting.set(i64::try_from(waiting.len()).unwrap_or(i64::MAX));
        let mut confirmations = Vec::new();
        for event in &waiting {
            confirmations.push(publish(&open.channel, event).await?);
        }
        for confirmation in confirmations {
            // What it gives back has reached no queue: opening anew makes that again.
            if !matches!(confirmation.await?, Confirmation::Ack(None)) {
                return Err("the broker did not keep an event".into());
            }
        }
        if !waiting.is_empty() {
            self.note(&mut open.outbox, &waiting).await?;
        }
        self.sent.inc_by(waiting.len() as u64);
        Ok(waiting.len())
    }

    async fn waiting(&self, outbox: &mut AnyConnection) -> Result<Vec<Event>, sqlx::Error> {
        let sql = self.database.sql(&format!(
            "SELECT e.EVENT_ID, e.ORDER_ID, e.KIND, e.BODY FROM ORDER_EVENT e \
             LEFT JOIN ORDER_EVENT_SENT s ON s.EVENT_ID = e.EVENT_ID \
             WHERE s.EVENT_ID IS NULL ORDER BY e.EVENT_ID LIMIT {BATCH}"
        ));
        let rows = sqlx::query(sql).fetch_all(outbox).await?;
        let event = |row: &sqlx::any::AnyRow| {
            let (id, order, kind) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(Event { id, order, kind, body: row.try_get(3)? })
        };
        rows.iter().map(event).collect()
    }

    /// All at once: what is sent twice is what was sent between a confirmation and this.
    async fn note(&self, outbox: &mut AnyConnection, events: &[Event]) -> Result<(), sqlx::Error> {
        let rows = vec!["(?, CURRENT_TIMESTAMP(6))"; events.len()].join(", ");
        let sql =
            self.database.sql(&format!("INSERT INTO ORDER_EVENT_SENT (EVENT_ID, SENT_AT) VALUES {rows}"));
        let mut query = sqlx::query(sql);
        for event in events {
            query = query.bind(event.id.clone());
        }
        query.execute(outbox).await.map(drop)
    }
}

async fn publish(
    channel: &Channel,
    event: &Event,
) -> Result<impl Future<Output = Result<Confirmation, lapin::Error>>, lapin::Error> {
    let properties = BasicProperties::default()
        .with_message_id(event.id.as_str().into())
        .with_type(event.kind.as_str().into())
        .with_content_type("application/json".into())
        // Kept on disk.
        .with_delivery_mode(2);
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    channel.basic_publish(EXCHANGE.into(), "".into(), options, event.body.as_bytes(), properties).await
}
