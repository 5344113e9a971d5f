//! The stores that the services are tested against. Databases, Redis and RabbitMQ are servers that tests share: started for the
//! first that needs one, and ended when nobody uses it any more.

use std::any::Any;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateReplicationGroupMemberAction, KeySchemaElement, KeyType,
    ReplicationGroupUpdate, ScalarAttributeType,
};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rehearsals::parts::missing;
use runbook::plan::Engine;
use sandbox::account::{SHOP, access_key_id};
use sandbox::clock::Clock;
use sandbox::databases::real::RealServers;
use sandbox::databases::{Address, Afterwards, NewDatabase, NoServers, Servers};
use sandbox::folder::Folder;
use sandbox::stores::{RabbitMq, Redis, rabbitmq};
use sandbox::wire::server::{Listeners, Server};
use sandbox::wire::{SECRET, Wire};
use sandbox::world::World;
use sandbox::{EAST, WEST};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};
use tokio::task::LocalSet;

use crate::stage::Environment;

type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// Where servers are started: a thread that lives as long as the process, since a server ends with the thread that started it.
static KEEPER: LazyLock<mpsc::UnboundedSender<Job>> = LazyLock::new(|| {
    let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async move {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job());
            }
        });
    });
    sender
});

/// Does something there, and gives what came of it.
fn there<T: Send + 'static, F: Future<Output = T> + 'static>(
    work: impl FnOnce() -> F + Send + 'static,
) -> oneshot::Receiver<T> {
    let (tell, told) = oneshot::channel();
    let job = move || {
        let work = work();
        async move {
            let _ = tell.send(work.await);
        }
        .boxed_local()
    };
    KEEPER.send(Box::new(job)).unwrap();
    told
}

/// The same, and waits for it where nothing can be awaited.
fn to_its_end<F: Future<Output = ()> + 'static>(work: impl FnOnce() -> F + Send + 'static) {
    let done = there(work);
    let _ = std::thread::spawn(move || done.blocking_recv()).join();
}

/// Every server that was started. A test that uses one keeps all, so that they are started once.
#[derive(Default)]
struct All(std::sync::Mutex<Vec<Arc<dyn Any + Send + Sync>>>);

/// A server that tests share as long as one of them has any.
pub struct Held<T> {
    one: Arc<T>,
    all: Arc<All>,
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        Self { one: Arc::clone(&self.one), all: Arc::clone(&self.all) }
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.one
    }
}

/// Where a server is found by the next test.
struct Shared<T>(Mutex<Weak<T>>);

impl<T: Send + Sync + 'static> Shared<T> {
    const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    async fn get<F: Future<Output = T> + 'static>(
        &self,
        start: impl FnOnce() -> F + Send + 'static,
    ) -> Held<T> {
        static ALL: std::sync::Mutex<Weak<All>> = std::sync::Mutex::new(Weak::new());
        let all = {
            let mut kept = ALL.lock().unwrap();
            let all = kept.upgrade().unwrap_or_default();
            *kept = Arc::downgrade(&all);
            all
        };
        let mut kept = self.0.lock().await;
        if let Some(one) = kept.upgrade() {
            return Held { one, all };
        }
        let one = Arc::new(there(start).await.unwrap());
        *kept = Arc::downgrade(&one);
        all.0.lock().unwrap().push(Arc::clone(&one) as _);
        Held { one, all }
    }
}

/// The servers of one engine, with a primary that every test may use.
pub struct Databases {
    pub engine: Engine,
    pub servers: Arc<RealServers>,
    address: Address,
    _folder: Folder,
}

/// Who the services are to a database.
pub const USER: &str = "app";
/// The password, with what a URL would take amiss.
pub const PASSWORD: &str = "it's \\secret/?";
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Another number for each that asks.
pub fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

impl Databases {
    /// Those of an engine; `None` where it is not installed, which is said.
    pub async fn of(engine: Engine) -> Option<Held<Self>> {
        static MARIADB: Shared<Databases> = Shared::new();
        static POSTGRES: Shared<Databases> = Shared::new();
        if engine == Engine::AuroraPostgresql && !std::path::Path::new("/usr/lib/postgresql").exists() {
            missing("postgres", "there is no server below /usr/lib/postgresql");
            return None;
        }
        let shared = if engine == Engine::AuroraMysql { &MARIADB } else { &POSTGRES };
        Some(shared.get(move || Self::start(engine)).await)
    }

    async fn start(engine: Engine) -> Self {
        let folder = Folder::create("shop-").unwrap();
        let servers = Arc::new(RealServers::new(&folder.path().join("servers"), &[engine]).unwrap());
        let new = NewDatabase { engine, name: "shop", user: USER, password: PASSWORD };
        let address = servers.create_primary("shared", new).await.unwrap();
        Self { engine, servers, address, _folder: folder }
    }

    /// A new and empty database.
    pub async fn database(&self) -> Database {
        let name = format!("shop{}", number());
        let database = self.at(&self.address, name.clone());
        let mut connection = self.at(&self.address, "shop".into()).connect().await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        database
    }

    fn at(&self, address: &Address, name: String) -> Database {
        let endpoint = SocketAddr::new(address.host.parse().unwrap(), address.port);
        let (authorities, connection) = (self.servers.authority(), Arc::default());
        Database { engine: self.engine, endpoint, name, authorities, connection }
    }

    /// Does something with the servers where they live.
    pub async fn with<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        work: impl FnOnce(Arc<RealServers>) -> F + Send + 'static,
    ) -> T {
        let servers = Arc::clone(&self.servers);
        there(move || work(servers)).await.unwrap()
    }
}

impl Held<Databases> {
    /// A server of its own.
    pub async fn server(&self) -> OwnServer {
        let name = format!("cluster{}", number());
        let (engine, cluster) = (self.engine, name.clone());
        let started = self.with(async move |servers| {
            let new = NewDatabase { engine, name: "shop", user: USER, password: PASSWORD };
            servers.create_primary(&cluster, new).await.unwrap()
        });
        let database = self.at(&started.await, "shop".into());
        OwnServer { databases: self.clone(), name, database }
    }

    /// A server that follows another.
    pub async fn follower(&self, primary: &OwnServer) -> OwnServer {
        let name = format!("cluster{}", number());
        let names = [name.clone(), primary.name.clone()];
        let started = self
            .with(async move |servers| servers.create_secondary(&names[0], &names[1]).await.unwrap())
            .await;
        OwnServer { databases: self.clone(), name, database: self.at(&started, "shop".into()) }
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        let servers = Arc::clone(&self.servers);
        to_its_end(move || async move { servers.shutdown().await });
    }
}

/// A server that one test has for itself.
pub struct OwnServer {
    databases: Held<Databases>,
    name: String,
    pub database: Database,
}

impl OwnServer {
    /// It takes writes, and follows nobody any more.
    pub async fn promote(&self) {
        let name = self.name.clone();
        self.databases.with(async move |servers| servers.promote(&name).await.unwrap()).await;
    }

    /// The other, which follows it, takes writes from now on, and it follows the other.
    pub async fn switch_over_to(&self, other: &Self) {
        let [old, new] = [self.name.clone(), other.name.clone()];
        self.databases.with(async move |servers| servers.switch_over(&old, &new).await.unwrap()).await;
    }

    pub async fn stop(&self) {
        let (name, kept) = (self.name.clone(), format!("kept-{}", self.name));
        let stopped = async move |servers: Arc<RealServers>| {
            servers.snapshot(&name, &kept, Afterwards::StaysStopped).await.unwrap();
        };
        self.databases.with(stopped).await;
    }

    /// Starts it again, with what it had.
    pub async fn start_again(&self) {
        let (name, kept) = (self.name.clone(), format!("kept-{}", self.name));
        let started = async move |servers: Arc<RealServers>| {
            servers.restore(&kept, &name).await.unwrap();
        };
        self.databases.with(started).await;
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let (servers, name) = (Arc::clone(&self.databases.servers), self.name.clone());
        to_its_end(move || async move {
            // What can't be removed now goes with all servers.
            let _ = servers.delete(&name).await;
            let _ = servers.delete_snapshot(&format!("kept-{name}")).await;
        });
    }
}

/// A database, and how a service gets to it.
#[derive(Clone)]
pub struct Database {
    pub engine: Engine,
    pub endpoint: SocketAddr,
    pub name: String,
    authorities: PathBuf,
    /// The test's own, kept: making one takes a while.
    connection: Arc<Mutex<Option<AnyConnection>>>,
}

impl Database {
    /// What a service is told of it. Its connections are encrypted, and the server's certificate is looked at.
    pub fn environment(&self) -> Environment {
        let engine = if self.engine == Engine::AuroraMysql { "mysql" } else { "postgres" };
        vec![
            ("SHOP_DATABASE_ENGINE", engine.into()),
            ("SHOP_DATABASE_ENDPOINT", self.endpoint.to_string()),
            ("SHOP_DATABASE_NAME", self.name.clone()),
            ("SHOP_DATABASE_USER", USER.into()),
            ("SHOP_DATABASE_PASSWORD", PASSWORD.into()),
            ("SHOP_DATABASE_AUTHORITIES", self.authorities.display().to_string()),
            // Each takes a tenth of a second here: PostgreSQL's passwords are hashed 4096 times, by a program that is not optimised.
            ("SHOP_DATABASE_CONNECTIONS", "5".into()),
            ("AWS_REGION", EAST.into()),
        ]
    }

    /// The same with user and password in a secret of this account.
    pub fn environment_with_secret(&self, secret: &str, account: &Dynamo) -> Environment {
        let own = ["SHOP_DATABASE_USER", "SHOP_DATABASE_PASSWORD"];
        let mut environment: Environment =
            self.environment().into_iter().filter(|(name, _)| !own.contains(name)).collect();
        environment.extend([
            ("SHOP_DATABASE_SECRET", secret.to_owned()),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", account.url.clone()),
            ("AWS_ACCESS_KEY_ID", sandbox::account::OPERATOR.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", account.secret.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ]);
        environment
    }

    /// The same through something that stands before it.
    pub fn behind(&self, endpoint: SocketAddr) -> Self {
        Self { endpoint, connection: Arc::default(), ..self.clone() }
    }

    pub async fn connect(&self) -> Result<AnyConnection, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let scheme = if self.engine == Engine::AuroraMysql { "mysql" } else { "postgres" };
        let password = "it%27s%20%5Csecret%2F%3F";
        AnyConnection::connect(&format!("{scheme}://{USER}:{password}@{}/{}", self.endpoint, self.name)).await
    }

    /// The only number that a query gives.
    pub async fn count(&self, query: &str) -> i64 {
        let mut kept = self.connection.lock().await;
        let connection = self.connected(&mut kept).await;
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(connection).await.unwrap()
    }

    /// The texts of a query's first column.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let mut kept = self.connection.lock().await;
        let connection = self.connected(&mut kept).await;
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(connection).await.unwrap()
    }

    pub async fn execute(&self, statement: &str) {
        let mut kept = self.connection.lock().await;
        let connection = self.connected(&mut kept).await;
        connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    }

    /// The connection that is kept, or a new one where the server was restarted.
    async fn connected<'a>(&self, kept: &'a mut Option<AnyConnection>) -> &'a mut AnyConnection {
        let alive = match kept {
            Some(connection) => connection.ping().await.is_ok(),
            None => false,
        };
        if !alive {
            *kept = Some(self.connect().await.unwrap());
        }
        kept.as_mut().unwrap()
    }
}

/// Tests that are the same on either engine: a module for each, with a test for either.
macro_rules! on_each_engine {
    ($($test:ident),* $(,)?) => {
        $(mod $test {
            use runbook::plan::Engine;

            use crate::stores::Databases;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_mariadb() {
                if let Some(databases) = Databases::of(Engine::AuroraMysql).await {
                    super::$test(databases).await;
                }
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgresql() {
                if let Some(databases) = Databases::of(Engine::AuroraPostgresql).await {
                    super::$test(databases).await;
                }
            }
        })*
    };
}
pub(crate) use on_each_engine;

/// A server that tests share: at once, or one after the other.
pub struct Shares<T: Send + Sync + 'static> {
    pub server: Arc<T>,
    _kept: Held<Kept<T>>,
    _alone: Option<OwnedMutexGuard<()>>,
}

struct Kept<T> {
    server: Arc<T>,
    turn: Arc<Mutex<()>>,
    _folder: Folder,
}

impl<T: Send + Sync + 'static> Shares<T> {
    fn beside_others(kept: Held<Kept<T>>) -> Self {
        Self { server: Arc::clone(&kept.server), _kept: kept, _alone: None }
    }

    async fn alone(kept: Held<Kept<T>>) -> Self {
        let alone = Arc::clone(&kept.turn).lock_owned().await;
        Self { _alone: Some(alone), ..Self::beside_others(kept) }
    }

    /// Does something with the server where it lives.
    pub async fn with<F: Future<Output = ()> + 'static>(
        &self,
        work: impl FnOnce(Arc<T>) -> F + Send + 'static,
    ) {
        let server = Arc::clone(&self.server);
        there(move || work(server)).await.unwrap();
    }
}

/// Redis; `None` where it is not installed, which is said.
pub async fn redis() -> Option<Shares<Redis>> {
    static REDIS: Shared<Kept<Redis>> = Shared::new();
    Some(Shares::beside_others(of_redis(&REDIS).await?))
}

/// Another, for the test that stops it.
pub async fn redis_to_restart() -> Option<Shares<Redis>> {
    static REDIS: Shared<Kept<Redis>> = Shared::new();
    Some(Shares::alone(of_redis(&REDIS).await?).await)
}

async fn of_redis(shared: &Shared<Kept<Redis>>) -> Option<Held<Kept<Redis>>> {
    let installed = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(sandbox::stores::redis::REDIS).is_file())
    });
    if !installed {
        missing("redis", "redis-server is not on PATH");
        return None;
    }
    let started = || async {
        let folder = Folder::create("shop-").unwrap();
        let server = Arc::new(Redis::start(&folder.path().join("redis")).await.unwrap());
        Kept { server, turn: Arc::default(), _folder: folder }
    };
    Some(shared.get(started).await)
}

/// RabbitMQ, for one test at a time: its queue has one name. `None` where it is not installed, which is said.
pub async fn rabbitmq() -> Option<Shares<RabbitMq>> {
    static RABBITMQ: Shared<Kept<RabbitMq>> = Shared::new();
    of_rabbitmq(&RABBITMQ).await
}

/// Another, for the test that restarts it: the others need not wait for that.
pub async fn rabbitmq_to_restart() -> Option<Shares<RabbitMq>> {
    static RABBITMQ: Shared<Kept<RabbitMq>> = Shared::new();
    of_rabbitmq(&RABBITMQ).await
}

async fn of_rabbitmq(shared: &Shared<Kept<RabbitMq>>) -> Option<Shares<RabbitMq>> {
    if !rabbitmq::is_installed() {
        missing("rabbitmq", "there is no server below /usr/lib/rabbitmq");
        return None;
    }
    let started = || async {
        let folder = Folder::create("shop-").unwrap();
        let server = Arc::new(RabbitMq::start(&folder.path().join("rabbitmq")).await.unwrap());
        Kept { server, turn: Arc::default(), _folder: folder }
    };
    Some(Shares::alone(shared.get(started).await).await)
}

/// DynamoDB in one or two Regions.
pub struct Dynamo {
    url: String,
    regions: [&'static str; 2],
    secret: &'static str,
    /// The sandbox's.
    pub world: Option<Arc<World>>,
    // Served as long as this lives.
    _server: Option<(Server, tempfile::TempDir)>,
}

/// The table of the carts.
pub const TABLE: &str = "carts";

impl Dynamo {
    /// The sandbox's, with the table in both Regions.
    pub async fn of_the_sandbox() -> Self {
        // Writes are under way to the other Region for up to seconds, as long as nobody makes that shorter.
        let world = World::new(Clock::new(10.0), Arc::new(NoServers));
        let objects = tempfile::tempdir().unwrap();
        let wire = Arc::new(Wire::new(Arc::clone(&world) as _, objects.path()).unwrap());
        let server = Listeners::bind().await.unwrap().serve(&wire);
        let dynamo = Self {
            url: server.url.clone(),
            regions: [EAST, WEST],
            secret: SECRET,
            world: Some(world),
            _server: Some((server, objects)),
        };
        dynamo.create_table().await;
        let action = CreateReplicationGroupMemberAction::builder().region_name(WEST).build().unwrap();
        let update = ReplicationGroupUpdate::builder().create(action).build();
        dynamo.client(EAST).update_table().table_name(TABLE).replica_updates(update).send().await.unwrap();
        dynamo
    }

    /// An emulator's, which somebody else wrote, with the table in one Region.
    pub async fn of_an_emulator(url: &str) -> Self {
        let regions = ["us-east-1", "us-west-2"];
        let dynamo = Self { url: url.to_owned(), regions, secret: "any", world: None, _server: None };
        dynamo.create_table().await;
        dynamo
    }

    async fn create_table(&self) {
        let mut create = self.client(self.regions[0]).create_table().table_name(TABLE);
        for (name, kind) in [("customerId", KeyType::Hash), ("itemId", KeyType::Range)] {
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
            create = create.key_schema(key).attribute_definitions(attribute);
        }
        create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
    }

    /// A client of whoever sets the account up.
    pub fn client(&self, region: &'static str) -> aws_sdk_dynamodb::Client {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(&self.url)
            .region(Region::new(region))
            .credentials_provider(Credentials::new(
                sandbox::account::OPERATOR,
                self.secret,
                None,
                None,
                "test",
            ))
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    /// Gives a secret of the first Region another value.
    pub fn set_secret(&self, name: &str, text: &str) {
        self.world.as_ref().unwrap().rotate_secret(self.regions[0], name, text);
    }

    /// What the carts' service of one of the two Regions is told.
    pub fn environment(&self, region: usize) -> Environment {
        environment(&self.url, self.regions[region], self.secret)
    }
}

/// The same at an address where there may be nothing.
pub fn environment(url: &str, region: &str, secret: &str) -> Environment {
    vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()),
        ("AWS_REGION", region.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key_id(region, SHOP)),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".into()),
        ("RETAIL_CART_PERSISTENCE_DYNAMODB_TABLE_NAME", TABLE.into()),
    ]
}
