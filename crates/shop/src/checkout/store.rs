//! Checkouts in Redis: one for each customer, for an hour.
//!
//! A change is optimistic: it is written only where nobody else has written since it was read.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisError, Script};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::api::Checkout;
use crate::problem::Problem;

/// How long a checkout is kept after its last change.
const KEPT: Duration = Duration::from_secs(3_600);
/// How long an answer of Redis is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The checkouts. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    client: Client,
    connection: Arc<OnceCell<ConnectionManager>>,
}

/// What Redis holds, and what it has to hold still for a change to be written.
pub struct Held {
    /// The checkout.
    pub checkout: Checkout,
    text: String,
}

impl Store {
    /// Checkouts in the Redis at `url`. It is connected to when it is first used.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        Ok(Self { client: Client::open(url)?, connection: Arc::default() })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// In a few words, when it does not.
    pub async fn look(&self) -> Result<(), String> {
        let asked = async |mut connection: ConnectionManager| {
            redis::cmd("PING").query_async::<String>(&mut connection).await
        };
        self.ask(asked).await.map(drop).map_err(|_| "does not answer".to_owned())
    }

    /// The checkout of a customer, if there is one.
    ///
    /// # Errors
    /// A 503 when Redis does not answer.
    pub async fn get(&self, customer: &str) -> Result<Option<Held>, Problem> {
        let key = key(customer);
        let text = self.ask(async |mut connection| connection.get::<_, Option<String>>(&key).await).await?;
        let Some(text) = text else { return Ok(None) };
        // What an older version has written in another form is no checkout any more.
        Ok(serde_json::from_str(&text).ok().map(|checkout| Held { checkout, text }))
    }

    /// Writes a checkout in place of what was held.
    ///
    /// # Errors
    /// A 409 when somebody else has written meanwhile, a 503 when Redis does not answer.
    pub async fn put(&self, customer: &str, held: Option<&Held>, checkout: &Checkout) -> Result<(), Problem> {
        let text = serde_json::to_string(checkout).map_err(|error| Problem::fault(&error))?;
        // Of what Redis has nothing of, `get` says false.
        let script = Script::new(
            "if (redis.call('get', KEYS[1]) or '') ~= ARGV[1] then return 0 end \
             redis.call('set', KEYS[1], ARGV[2], 'EX', ARGV[3]) return 1",
        );
        let written = self
            .ask(async |mut connection| {
                let before = held.map_or("", |held| held.text.as_str());
                let mut call = script.key(key(customer));
                call.arg(before).arg(&text).arg(KEPT.as_secs());
                call.invoke_async::<i64>(&mut connection).await
            })
            .await?;
        match written {
            1 => Ok(()),
            _ => Err(Problem::conflict("The checkout was changed meanwhile: look at it again.")),
        }
    }

    async fn ask<T>(
        &self,
        ask: impl AsyncFnOnce(ConnectionManager) -> Result<T, RedisError>,
    ) -> Result<T, Problem> {
        let asked = async {
            let connection = self.connection.get_or_try_init(|| {
                let settings = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE))
                    .set_number_of_retries(1);
                self.client.get_connection_manager_with_config(settings)
            });
            ask(connection.await?.clone()).await
        };
        match timeout(PATIENCE, asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Problem::unavailable("checkout", &error)),
            Err(_) => Err(Problem::unavailable("checkout", &"Redis does not answer")),
        }
    }
}

fn key(customer: &str) -> String {
    format!("checkout:{customer}")
}
