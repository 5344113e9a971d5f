//! How it looks now: the two Regions, the customers' orders, the story so far, as HTML.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use automation::Status;
use tokio::time::Instant;

use super::story::{Runbook, Step, Story, Told};
use crate::Error;
use crate::customers::ledger::{Entries, Ledger};
use crate::rig::{Database, Outlook, Region};
use crate::text::duration;

/// Seconds of orders that are shown, a bar each.
const SECONDS: u64 = 60;
/// Orders that are listed in the end.
const LISTED: usize = 8;

/// Where it is seen from.
pub struct Source {
    /// The Regions.
    pub outlook: Outlook,
    /// The customers.
    pub ledger: Arc<Ledger>,
    /// What has happened.
    pub story: Arc<Story>,
    /// What it is.
    pub title: String,
    /// The shop's address.
    pub shop: String,
    /// The Regions and the addresses of their doors.
    pub doors: Vec<(String, String)>,
    /// When it began: the ledger's time, nearly.
    pub began: Instant,
}

/// A Region, as the page shows it.
#[derive(Debug, Clone, PartialEq)]
struct Card {
    name: String,
    door: String,
    is: Region,
    orders: usize,
    per_second: String,
    /// Height of each second's bar, of 40, the newest last.
    bars: Vec<(u64, u64)>,
}

/// What changes of the page.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(path = "live-now.html")]
pub struct Picture {
    title: String,
    shop: String,
    elapsed: String,
    cards: Vec<Card>,
    told: Told,
    errors: usize,
    /// The page alone can't be live.
    is_over: bool,
}

/// The page.
#[derive(Template)]
#[template(path = "live.html")]
struct Page<'a> {
    title: &'a str,
    now: String,
    style: &'static str,
    is_over: bool,
}

impl Source {
    /// How it looks now.
    pub async fn picture(&self) -> Picture {
        let entries = self.ledger.entries();
        let elapsed = self.began.elapsed();
        let mut cards = Vec::new();
        for (name, door) in &self.doors {
            let is = self.outlook.region(name).await;
            cards.push(card(name, door, is, &entries));
        }
        let mut told = self.story.told();
        if told.headline.is_empty() {
            told.headline = headline(&cards);
        }
        Picture {
            title: self.title.clone(),
            shop: self.shop.clone(),
            elapsed: format!("{} s", elapsed.as_secs()),
            cards,
            errors: entries.failures.len(),
            is_over: told.end.is_some(),
            told,
        }
    }
}

/// Where the shop is, where nobody tells it otherwise.
fn headline(cards: &[Card]) -> String {
    let names: Vec<&str> =
        cards.iter().filter(|card| card.is.traffic).map(|card| card.name.as_str()).collect();
    match names[..] {
        [] => "No Region has the customers.".to_owned(),
        [name] => format!("Customers find the shop in {name}."),
        _ => format!("Customers find the shop in {}.", names.join(" and in ")),
    }
}

fn card(name: &str, door: &str, is: Region, entries: &Entries) -> Card {
    let orders: Vec<Duration> =
        entries.orders.values().filter(|order| order.region == name).map(|order| order.at).collect();
    let newest = entries.orders.values().map(|order| order.at.as_secs()).max().unwrap_or_default();
    let first = (newest + 1).saturating_sub(SECONDS);
    let count = |second: u64| orders.iter().filter(|at| at.as_secs() == second).count() as u64;
    let bars: Vec<(u64, u64)> =
        (first..=newest).map(|second| ((second - first) * 5, (count(second) * 3).min(40))).collect();
    // Of the last two seconds that are over.
    let recent = (newest.saturating_sub(2)..newest).map(count).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let per_second = format!("{:.1}", recent as f64 / 2.0);
    Card { name: name.into(), door: door.into(), is, orders: orders.len(), per_second, bars }
}

impl Picture {
    /// The whole page.
    ///
    /// # Errors
    /// When a template fails, which none does.
    pub fn page(&self) -> Result<String, Error> {
        let now = self.render()?;
        let style = include_str!("live.css");
        Ok(Page { title: &self.title, now, style, is_over: self.is_over }.render()?)
    }
}

fn lag(database: &Database) -> String {
    match (database.writer, database.lag) {
        (true, _) => "takes writes".to_owned(),
        (false, Some(seconds)) => format!("follows, {seconds:.1} s behind"),
        (false, None) => "reads only, nothing arrives".to_owned(),
    }
}

fn state(step: &Step) -> &'static str {
    match step.ended {
        None => "runs",
        Some((Status::Success, _)) => "done",
        Some(_) => "failed",
    }
}

fn took(step: &Step) -> String {
    step.ended.map(|(_, took)| duration(took)).unwrap_or_default()
}

fn ended(runbook: &Runbook) -> &'static str {
    runbook.ended.map_or("runs", Status::name)
}
