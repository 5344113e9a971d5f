//! The shop: its two databases and the clients that place orders through the simulated DNS.
//!
//! What the clients order is decided by the seed alone; when, by the machine.

pub mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runbook::RecoveryPlan;
use runbook::plan::{Engine, Relation, ReportTable};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tokio::time::{Instant, timeout};

use self::ledger::{Ledger, Order, Tagged};

const SCHEMA: &str = include_str!("schema.sql");
const PRODUCTS: i32 = 40;
const TAGS: i32 = 12;
/// How long a client waits for the database before it gives up and asks DNS again.
const PATIENCE: Duration = Duration::from_secs(1);
const ORDER_CLIENTS: u64 = 3;

/// Answers where a Region's database is. The simulated DNS and the world's clusters behind it.
pub trait Places: Send + Sync + 'static {
    /// The Region that DNS answers with now; `None` when every health check fails.
    fn resolve(&self) -> Option<String>;
    /// How to connect to `database` in `region`.
    fn database(&self, region: &str, database: &str) -> Option<Login>;
}

/// How to connect.
#[derive(Clone)]
pub struct Login {
    /// Engine.
    pub engine: Engine,
    /// Host.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl Login {
    /// A connection to `database`.
    pub async fn connect(&self, database: &str) -> Result<AnyConnection, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let (scheme, no_tls) = match self.engine {
            Engine::AuroraMysql => ("mysql", "ssl-mode=disabled"),
            Engine::AuroraPostgresql => ("postgres", "sslmode=disable"),
        };
        let Self { user, password, host, port, .. } = self;
        // The sandbox's users and passwords are letters: nothing of them has to be escaped.
        let url = format!("{scheme}://{user}:{password}@{host}:{port}/{database}?{no_tls}");
        match timeout(PATIENCE, AnyConnection::connect(&url)).await {
            Ok(connection) => connection,
            Err(_) => Err(sqlx::Error::PoolTimedOut),
        }
    }
}

impl Login {
    /// The engine's own client.
    pub fn engine_client(&self) -> &'static str {
        match self.engine {
            Engine::AuroraMysql => "mariadb",
            Engine::AuroraPostgresql => "psql",
        }
    }

    /// The schema in the engine's own words, where they differ.
    fn engine_sql(&self, sql: &str) -> String {
        match self.engine {
            Engine::AuroraMysql => sql.to_owned(),
            Engine::AuroraPostgresql => sql.replace("DATETIME", "TIMESTAMP"),
        }
    }
}

/// Creates the tables and the products of the shop.
pub async fn open(orders: &Login, catalog: &Login) -> Result<(), sqlx::Error> {
    let (_, rest) = SCHEMA.split_once("-- orders").unwrap_or_default();
    let (orders_sql, catalog_sql) = rest.split_once("-- catalog").unwrap_or_default();
    let mut connection = orders.connect("orders").await?;
    connection.execute(AssertSqlSafe(orders.engine_sql(orders_sql))).await?;
    connection.close().await?;
    let mut connection = catalog.connect("catalog").await?;
    connection.execute(AssertSqlSafe(catalog.engine_sql(catalog_sql))).await?;
    let products: Vec<String> = (1..=PRODUCTS)
        .map(|id| format!("({id}, 'Product {id}', {}.{:02}, CURRENT_TIMESTAMP(6))", 5 + id % 90, id % 100))
        .collect();
    let tags: Vec<String> = (1..=TAGS).map(|id| format!("({id}, 'Tag {id}')")).collect();
    // Only numbers made here go into these statements.
    connection.execute(AssertSqlSafe(format!("INSERT INTO product VALUES {}", products.join(",")))).await?;
    connection.execute(AssertSqlSafe(format!("INSERT INTO tag VALUES {}", tags.join(",")))).await?;
    connection.close().await
}

/// Says in the plan what the report has to know of the shop's tables. The machine has one clock, so that no time is too
/// near to another.
pub fn describe(plan: &mut RecoveryPlan) {
    let table = |label: &str| ReportTable { label: Some(label.into()), ..ReportTable::default() };
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let relation = |column: &str, parent: &str| Relation {
        columns: columns(&[column]),
        parent: parent.into(),
        parent_columns: columns(&[column]),
    };
    plan.limits.clock_margin_seconds = 0;
    if let Some(orders) = plan.databases.get_mut("orders") {
        // PostgreSQL keeps a name that is not quoted in small letters.
        let kept = |name: &str| match orders.engine {
            Engine::AuroraMysql => name.to_owned(),
            Engine::AuroraPostgresql => name.to_lowercase(),
        };
        let customer = vec![kept("CUSTOMER_ID")];
        orders.report = BTreeMap::from([
            (kept("CUSTOMER_ORDER"), ReportTable { personal: customer, ..table("orders") }),
            (kept("CUSTOMER_ORDER_ITEM"), table("order items")),
        ]);
    }
    if let Some(catalog) = plan.databases.get_mut("catalog") {
        let relations = vec![relation("product_id", "product"), relation("tag_id", "tag")];
        let tags = ReportTable { relations, part_of: Some("product".into()), ..table("product tags") };
        catalog.report = BTreeMap::from([
            ("product".to_owned(), table("products")),
            ("product_tag".to_owned(), tags),
            ("tag".to_owned(), table("tags")),
        ]);
    }
}

/// The clients, running until [`Clients::stop`].
pub struct Clients {
    stop: tokio::sync::watch::Sender<bool>,
    holding: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    started: Instant,
}

impl Clients {
    /// Starts them.
    pub fn start(seed: u64, ttl: Duration, places: &Arc<dyn Places>, ledger: &Arc<Ledger>) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let started = Instant::now();
        let holding = Arc::new(AtomicBool::new(true));
        let client = |number: u64, database: &'static str| Client {
            random: StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(number)),
            places: Arc::clone(places),
            ledger: Arc::clone(ledger),
            stopped: stopped.clone(),
            holding: Arc::clone(&holding),
            started,
            ttl,
            database,
            resolved: None,
            connection: None,
            orders: Vec::new(),
            shipped: Vec::new(),
        };
        let mut tasks: Vec<_> =
            (0..ORDER_CLIENTS).map(|number| tokio::spawn(client(number, "orders").place_orders())).collect();
        tasks.push(tokio::spawn(client(ORDER_CLIENTS, "catalog").tag_products()));
        Self { stop, holding, tasks, started }
    }

    /// From now on no row of the other Region is changed any more: the comparison sees each as it is in the end.
    pub fn leave_the_others(&self) {
        self.holding.store(false, Ordering::Relaxed);
    }

    /// Time since they started: the ledger's time.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// When that was.
    pub fn started_at(&self) -> jiff::Timestamp {
        jiff::Timestamp::now() - self.elapsed()
    }

    /// Lets each end what it is at, and ends them.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

struct Client {
    random: StdRng,
    places: Arc<dyn Places>,
    ledger: Arc<Ledger>,
    stopped: tokio::sync::watch::Receiver<bool>,
    /// Whether it changes orders of the other Region.
    holding: Arc<AtomicBool>,
    started: Instant,
    ttl: Duration,
    database: &'static str,
    resolved: Option<(String, Instant)>,
    connection: Option<(String, AnyConnection)>,
    /// This client's own acknowledged orders, with the Region that has them.
    orders: Vec<(String, String)>,
    /// Those of them that were shipped.
    shipped: Vec<(String, String)>,
}

/// How a write ended for its client.
enum Written {
    Acknowledged {
        /// By the database of this Region.
        region: String,
        /// Rows that the last statement touched.
        rows: u64,
    },
    /// The commit was sent and not answered.
    InDoubt,
    /// Refused before the commit.
    Not,
}

impl Client {
    async fn place_orders(mut self) {
        while !*self.stopped.borrow() {
            let pause = Duration::from_millis(self.random.random_range(40..120));
            tokio::time::sleep(pause).await;
            match self.random.random_range(0..20) {
                0..4 if !self.orders.is_empty() => self.ship_one().await,
                4 if !self.orders.is_empty() => self.cancel_one().await,
                5 if !self.shipped.is_empty() => self.hold_one().await,
                _ => self.place_one().await,
            }
        }
    }

    async fn place_one(&mut self) {
        let id = uuid::Builder::from_random_bytes(self.random.random()).into_uuid().to_string();
        let items: u16 = self.random.random_range(1..=4);
        let customer = self.random.random_range(1..=500);
        let mut statements = Vec::new();
        let mut total = 0;
        for line in 1..=items {
            let (product, quantity) =
                (self.random.random_range(1..=PRODUCTS), self.random.random_range(1..=3));
            let price = 500 + product * 100;
            total += price * quantity;
            statements.push(format!(
                "INSERT INTO CUSTOMER_ORDER_ITEM VALUES ('{id}', {line}, {product}, {quantity}, {}.{:02})",
                price / 100,
                price % 100
            ));
        }
        statements.insert(0, format!(
            "INSERT INTO CUSTOMER_ORDER VALUES ('{id}', {customer}, 'PAID', {}.{:02}, CURRENT_TIMESTAMP(6), CURRENT_TIMESTAMP(6))",
            total / 100,
            total % 100
        ));
        match self.write(&statements).await {
            Written::Acknowledged { region, .. } => {
                let order = Order {
                    region: region.clone(),
                    at: self.started.elapsed(),
                    items,
                    status: ("PAID".into(), region.clone()),
                    cancelled: None,
                    held: false,
                };
                self.ledger.note(|entries| {
                    entries.orders.insert(id.clone(), order);
                });
                self.orders.push((id, region));
            }
            Written::InDoubt => self.ledger.note(|entries| {
                entries.orders_in_doubt.insert(id);
                entries.failures.push(self.started.elapsed());
            }),
            Written::Not => self.ledger.note(|entries| entries.failures.push(self.started.elapsed())),
        }
    }

    /// Ships one of this client's own orders, where it was placed: a client does not know of orders that its Region lacks.
    async fn ship_one(&mut self) {
        let pick = self.random.random_range(0..self.orders.len());
        if self.resolve().as_ref() != Some(&self.orders[pick].1) {
            return;
        }
        // Shipped once: a second change of the same order would hide whether the first one was lost.
        let (id, _) = self.orders.swap_remove(pick);
        let statement = format!(
            "UPDATE CUSTOMER_ORDER SET STATUS = 'SENT', UPDATED_AT = CURRENT_TIMESTAMP(6) WHERE ORDER_ID = '{id}'"
        );
        match self.write(&[statement]).await {
            Written::Acknowledged { region, .. } => {
                self.ledger.note(|entries| {
                    if let Some(order) = entries.orders.get_mut(&id) {
                        order.status = ("SENT".into(), region.clone());
                    }
                });
                self.shipped.push((id, region));
            }
            Written::InDoubt => self.ledger.note(|entries| {
                entries.statuses_in_doubt.insert(id);
            }),
            Written::Not => {}
        }
    }

    /// Cancels one of this client's own orders: where it was placed, or in the Region that took over, if it is there.
    async fn cancel_one(&mut self) {
        let pick = self.random.random_range(0..self.orders.len());
        let (id, _) = self.orders.swap_remove(pick);
        let statements = ["CUSTOMER_ORDER_ITEM", "CUSTOMER_ORDER"]
            .map(|table| format!("DELETE FROM {table} WHERE ORDER_ID = '{id}'"));
        match self.write(&statements).await {
            Written::Acknowledged { region, rows } if rows > 0 => self.ledger.note(|entries| {
                if let Some(order) = entries.orders.get_mut(&id) {
                    order.cancelled = Some(region);
                }
            }),
            Written::InDoubt => self.ledger.note(|entries| {
                entries.cancellations_in_doubt.insert(id);
            }),
            _ => {}
        }
    }

    /// Holds an order back in the Region that took over, which does not know that it was shipped: its row is in conflict then.
    async fn hold_one(&mut self) {
        let pick = self.random.random_range(0..self.shipped.len());
        let is_own = self.resolve().is_none_or(|region| region == self.shipped[pick].1);
        if is_own || !self.holding.load(Ordering::Relaxed) {
            return;
        }
        let (id, _) = self.shipped.swap_remove(pick);
        let statement = format!(
            "UPDATE CUSTOMER_ORDER SET STATUS = 'HELD', UPDATED_AT = CURRENT_TIMESTAMP(6) WHERE ORDER_ID = '{id}' AND STATUS = 'PAID'"
        );
        match self.write(&[statement]).await {
            Written::Acknowledged { rows, .. } if rows > 0 => self.ledger.note(|entries| {
                if let Some(order) = entries.orders.get_mut(&id) {
                    order.held = true;
                }
            }),
            Written::InDoubt => self.ledger.note(|entries| {
                entries.statuses_in_doubt.insert(id);
            }),
            _ => {}
        }
    }

    async fn tag_products(mut self) {
        while !*self.stopped.borrow() {
            let pause = Duration::from_millis(self.random.random_range(150..400));
            tokio::time::sleep(pause).await;
            // Rows without a key can't be distinguished. Each Region gives tags of its own, so that the ledger knows
            // which were lost even when the same product is tagged again after the failover.
            let (product, pick) =
                (self.random.random_range(1..=PRODUCTS), self.random.random_range(1..=TAGS / 2));
            let tag = if self.resolve().as_deref() == Some(sandbox::EAST) { pick } else { pick + TAGS / 2 };
            match self.write(&[format!("INSERT INTO product_tag VALUES ({product}, {tag})")]).await {
                Written::Acknowledged { region, .. } => {
                    self.ledger.note(|entries| entries.tags.push(Tagged { product, tag, region }));
                }
                Written::InDoubt => self.ledger.note(|entries| entries.tags_in_doubt.push((product, tag))),
                Written::Not => {}
            }
        }
    }

    /// The Region that DNS answers with, remembered for the record's time to live.
    fn resolve(&mut self) -> Option<String> {
        if let Some((region, at)) = &self.resolved
            && at.elapsed() < self.ttl
        {
            return Some(region.clone());
        }
        let region = self.places.resolve()?;
        self.resolved = Some((region.clone(), Instant::now()));
        Some(region)
    }

    /// Writes in one transaction to the database that DNS names.
    async fn write(&mut self, statements: &[String]) -> Written {
        let Some(region) = self.resolve() else { return Written::Not };
        let mut connection = match self.connection.take() {
            Some((known, connection)) if known == region => connection,
            _ => {
                let Some(login) = self.places.database(&region, self.database) else { return Written::Not };
                match login.connect(self.database).await {
                    Ok(connection) => connection,
                    Err(_) => return Written::Not,
                }
            }
        };
        let before_commit = async {
            connection.execute("START TRANSACTION").await?;
            let mut rows = 0;
            for statement in statements {
                // Made of numbers and ids of this module only.
                rows = connection.execute(AssertSqlSafe(statement.clone())).await?.rows_affected();
            }
            Ok::<_, sqlx::Error>(rows)
        };
        let Ok(Ok(rows)) = timeout(PATIENCE, before_commit).await else { return Written::Not };
        match timeout(PATIENCE, connection.execute("COMMIT")).await {
            Ok(Ok(_)) => {
                self.connection = Some((region.clone(), connection));
                Written::Acknowledged { region, rows }
            }
            // A read-only server refuses the commit itself only in theory: be careful all the same.
            _ => Written::InDoubt,
        }
    }
}
