//! A service as its own process, those who ask it, and what may stand between it and others.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is set in a service's environment.
pub type Environment = Vec<(&'static str, String)>;

/// A service of the built binary. It ends when this is dropped.
pub struct Service {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where it listens.
    pub url: String,
    client: Client,
}

impl Service {
    /// Starts `shop SERVICE` with nothing else in its environment, and waits until it listens.
    pub fn start(service: &str, environment: &Environment) -> Self {
        Self::start_with(service, &[], environment)
    }

    /// The same with arguments.
    pub fn start_with(service: &str, arguments: &[&str], environment: &Environment) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shop"))
            .arg(service)
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (log, (tell, told)) = (Arc::new(Mutex::new(String::new())), mpsc::channel());
        let (lines, kept) = (BufReader::new(child.stdout.take().unwrap()).lines(), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                writeln!(kept.lock().unwrap(), "{line}").unwrap();
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "listening" {
                    let _ = tell.send(said["address"].as_str().unwrap().to_owned());
                }
            }
        });
        let address = told.recv_timeout(Duration::from_secs(20));
        let address =
            address.unwrap_or_else(|_| panic!("{service} does not listen: {}", log.lock().unwrap()));
        Self { child, log, url: format!("http://{address}"), client: Client::new() }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        let id = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
    }

    /// How it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the process ends", 15, async || self.child.try_wait().unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.client.ask(Method::GET, &format!("{}{path}", self.url), &[], None).await.unwrap()
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.client.ask(Method::DELETE, &format!("{}{path}", self.url), &[], None).await.unwrap()
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.client
            .ask(Method::POST, &format!("{}{path}", self.url), headers, Some(body.to_string()))
            .await
            .unwrap()
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.client
            .ask(Method::PATCH, &format!("{}{path}", self.url), &[], Some(body.to_string()))
            .await
            .unwrap()
    }

    /// Waits until its health check says that all it depends on is there.
    pub async fn is_well(&self) -> &Self {
        until("the service has what it depends on", 20, async || {
            let health = self.get("/health").await.json();
            let dependencies = health["dependencies"].as_object()?;
            dependencies.values().all(|said| said == "up").then_some(())
        })
        .await;
        self
    }

    /// Waits until it has made its tables in a database that has just been made, or found them.
    pub async fn has_tables(self) -> Self {
        until("the tables are there", 20, async || self.log().contains("the tables are there").then_some(()))
            .await;
        self
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let told: Vec<&str> = log.lines().filter(|line| !line.contains("\"INFO\"")).collect();
            println!("{} has logged:\n{}", self.url, told.join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Holds that it has this status, and gives what it says.
    #[track_caller]
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Holds that it is a problem document with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        assert_eq!(status == 503, self.headers.contains_key(RETRY_AFTER), "{self:?}");
        problem
    }

    /// Holds that it is a 400 that names this field.
    #[track_caller]
    pub fn names(&self, field: &str) {
        assert_eq!(self.problem(400)["field"], field, "{self:?}");
    }
}

/// An HTTP client that follows nothing and uses no proxy.
#[derive(Clone)]
pub struct Client(reqwest::Client);

impl Client {
    pub fn new() -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self(client.timeout(Duration::from_secs(20)).build().unwrap())
    }

    /// Asks; an error is that nothing was answered.
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answer, reqwest::Error> {
        let mut all = HeaderMap::new();
        if body.is_some() {
            all.insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            all.insert(name, value.parse().unwrap());
        }
        let answer = self.0.request(method, url).headers(all).body(body.unwrap_or_default()).send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, text: answer.text().await? })
    }
}

/// Somebody with a browser: keeps cookies, sends forms, and follows where it is sent when asked to.
pub struct Browser {
    client: Client,
    url: String,
    pub cookies: BTreeMap<String, String>,
    pub request_id: Option<&'static str>,
}

impl Browser {
    pub fn new(ui: &Service) -> Self {
        Self { client: Client::new(), url: ui.url.clone(), cookies: BTreeMap::new(), request_id: None }
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<String>) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = vec![("cookie", cookies.as_str())];
        if body.is_some() {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        if let Some(id) = self.request_id {
            headers.push(("x-request-id", id));
        }
        let answer = self.client.ask(method, &format!("{}{path}", self.url), &headers, body).await.unwrap();
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let fields: Vec<String> =
            form.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        self.ask(Method::POST, path, Some(fields.join("&"))).await
    }

    /// Sends a form and looks at the page that it leads to, which is where.
    pub async fn follow(&mut self, path: &str, form: &[(&str, &str)]) -> (String, Answer) {
        let answer = self.post(path, form).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let to = answer.headers[LOCATION].to_str().unwrap().to_owned();
        let page = self.get(&to).await;
        (to, page)
    }
}

/// Asks again and again, for so many seconds at most, until there is an answer.
pub async fn until<T>(what: &str, seconds: u64, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < end, "it took longer than {seconds} s until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a [`Forwarder`] does with connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// New connections lead there; those that there are stay where they are.
    To(SocketAddr),
    /// Connections are taken, and nothing is ever answered, neither on those that there are.
    Silent,
}

/// Stands in front of a server, as a name that leads to one, later to another.
pub struct Forwarder {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Forwarder {
    pub async fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, look) = watch::channel(way);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, look.clone()));
            }
        });
        Self { address, way }
    }

    pub fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn forward(mut client: TcpStream, mut way: watch::Receiver<Way>) {
    let to = way.borrow_and_update().clone();
    if let Way::To(address) = to {
        let Ok(mut server) = TcpStream::connect(address).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = way.wait_for(|way| *way == Way::Silent) => {}
        }
    }
    // Until the client goes away.
    let mut nothing = [0; 1_024];
    while client.read(&mut nothing).await.is_ok_and(|count| count > 0) {}
}

/// A service that answers each request with 200 and `body` after a time, and nothing else.
pub async fn slow(after: Duration, body: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    tokio::time::sleep(after).await;
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// An address where nothing listens.
pub async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// An order as a client sends it, of one product: so many for this price each.
pub fn order(customer: &str, quantity: u32, price: &str) -> Value {
    json!({
        "customerId": customer,
        "shippingAddress": {
            "firstName": "Robin", "lastName": "O'Mole", "email": "robin@example.com", "address1": "4 Low Water Row",
            "address2": "", "city": "Farshore", "zipCode": "04210", "state": "ME",
        },
        "items": [{"productId": "tin-mug", "name": "Tin Mug", "quantity": quantity, "unitCost": price}],
    })
}
