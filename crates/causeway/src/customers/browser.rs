//! A customer's browser: cookies, the Region that DNS answers with, and pages.
//!
//! No page runs a script, so a browser is little: it follows the address that a form leads to only where it is told to.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use tokio::time::Instant;

/// Where things are: DNS, and what each Region has.
pub trait Places: Send + Sync + 'static {
    /// The Region that DNS answers with now; `None` when every health check fails.
    fn resolve(&self) -> Option<String>;
    /// The shop's front door in a Region.
    fn door(&self, region: &str) -> Option<String>;
    /// A service of this name in a Region, for who works there.
    fn service(&self, region: &str, name: &str) -> Option<String>;
}

/// The header in which the shop says which Region answered.
pub const SERVED_BY: &str = "x-served-by";
/// How long a customer waits for a page.
const PATIENCE: Duration = Duration::from_secs(4);

/// An answer, as its customer sees it.
#[derive(Debug)]
pub struct Page {
    /// The Region that answered.
    pub region: String,
    /// Its status.
    pub status: StatusCode,
    /// Where it leads.
    pub location: Option<String>,
    /// What it says.
    pub text: String,
}

impl Page {
    /// Whether it is what was asked for.
    pub fn is_good(&self) -> bool {
        self.status.is_success() || self.status.is_redirection()
    }
}

/// A browser.
pub struct Browser {
    client: Client,
    places: Arc<dyn Places>,
    ttl: Duration,
    known: Option<(String, Instant)>,
    visitor: Option<String>,
}

impl Browser {
    /// A new one, which remembers DNS's answer for `ttl`.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new(places: &Arc<dyn Places>, ttl: Duration) -> Result<Self, reqwest::Error> {
        let client = Client::builder().redirect(Policy::none()).timeout(PATIENCE).build()?;
        Ok(Self { client, places: Arc::clone(places), ttl, known: None, visitor: None })
    }

    /// Begins a new session, as somebody else.
    pub fn forget(&mut self) {
        self.visitor = None;
    }

    /// Goes on as the customer of a session.
    pub fn be(&mut self, visitor: &str) {
        self.visitor = Some(visitor.to_owned());
    }

    /// Whose session it is, once there is one.
    pub fn visitor(&self) -> Option<&str> {
        self.visitor.as_deref()
    }

    /// The Region that DNS answers with, remembered for the record's time to live.
    pub fn region(&mut self) -> Option<String> {
        if let Some((region, at)) = &self.known
            && at.elapsed() < self.ttl
        {
            return Some(region.clone());
        }
        let region = self.places.resolve()?;
        self.known = Some((region.clone(), Instant::now()));
        Some(region)
    }

    /// Opens a page. `None`: nothing answered.
    pub async fn get(&mut self, path: &str) -> Option<Page> {
        self.ask(Method::GET, path, |request| request).await
    }

    /// Sends a form. `None`: nothing answered, and what was asked may have been done.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Option<Page> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = "application/x-www-form-urlencoded";
        self.ask(Method::POST, path, |request| request.header("content-type", kind).body(form)).await
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        filled: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Option<Page> {
        let region = self.region()?;
        let door = self.places.door(&region)?;
        let mut request = self.client.request(method, format!("{door}{path}"));
        if let Some(visitor) = &self.visitor {
            request = request.header(COOKIE, format!("visitor={visitor}"));
        }
        let answer = filled(request).send().await.ok()?;
        self.keep(&answer);
        // Behind a name that leads to either Region, only the answer says which it was.
        let said = answer.headers().get(SERVED_BY).and_then(|region| region.to_str().ok());
        let region = said.map_or(region, str::to_owned);
        let location =
            answer.headers().get(LOCATION).and_then(|place| place.to_str().ok()).map(str::to_owned);
        Some(Page { region, status: answer.status(), location, text: answer.text().await.ok()? })
    }

    /// Keeps the session that an answer begins.
    fn keep(&mut self, answer: &Response) {
        for cookie in answer.headers().get_all(SET_COOKIE) {
            let value = cookie.to_str().ok().and_then(|text| text.strip_prefix("visitor="));
            if let Some(value) = value.and_then(|text| text.split(';').next()) {
                self.visitor = Some(value.to_owned());
            }
        }
    }

    /// Makes a call to a service of the Region, as who works there. `None`: nothing answered.
    pub async fn call(
        &self,
        region: &str,
        service: &str,
        (method, path): (Method, &str),
        body: &serde_json::Value,
    ) -> Option<StatusCode> {
        let url = self.places.service(region, service)?;
        let asked = self.client.request(method, format!("{url}{path}")).json(body).send().await;
        asked.ok().map(|answer| answer.status())
    }
}
