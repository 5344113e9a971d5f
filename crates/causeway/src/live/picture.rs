//! How it looks now: the two Regions, the customers' orders, the story so far, as HTML.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use automation::Status;
use tokio::time::Instant;

use super::story::{Runbook, Step, Story, Told};
use crate::Error;
use crate::outlook::{Database, Look, Region};
use crate::tally::{Count, Tally, Words};
use crate::text::duration;

/// Seconds of writes that are shown, a bar each.
const SECONDS: u64 = 60;
/// Writes that are listed in the end.
const LISTED: usize = 8;
/// The height of the highest bar.
const BAR: u64 = 40;

/// Where it is seen from.
pub struct Source {
    /// The Regions.
    pub outlook: Arc<dyn Look>,
    /// Who knows what was acknowledged.
    pub count: Arc<dyn Count>,
    /// What those who write are called.
    pub words: Words,
    /// What has happened.
    pub story: Arc<Story>,
    /// What it is.
    pub title: String,
    /// The application's address, where it has one.
    pub address: Option<String>,
    /// The Regions and the addresses of their doors, where they have one.
    pub doors: Vec<(String, Option<String>)>,
    /// When it began: the ledger's time, nearly.
    pub began: Instant,
}

/// A Region, as the page shows it.
#[derive(Debug, Clone, PartialEq)]
struct Card {
    name: String,
    door: Option<String>,
    is: Region,
    accepted: usize,
    per_second: String,
    /// Height of each second's bar, of 40, the newest last.
    bars: Vec<(u64, u64)>,
}

/// What changes of the page.
#[derive(Debug, Clone, PartialEq, Template)]
#[template(path = "live-now.html")]
pub struct Picture {
    title: String,
    words: Words,
    address: Option<String>,
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
        let tally = self.count.tally();
        let elapsed = self.began.elapsed();
        let mut cards = Vec::new();
        for (name, door) in &self.doors {
            let is = self.outlook.region(name).await;
            cards.push(card(name, door.as_deref(), is, &tally));
        }
        let mut told = self.story.told();
        if told.headline.is_empty() {
            told.headline = headline(&cards, self.words);
        }
        Picture {
            title: self.title.clone(),
            words: self.words,
            address: self.address.clone(),
            elapsed: format!("{} s", elapsed.as_secs()),
            cards,
            errors: tally.errors,
            is_over: told.end.is_some(),
            told,
        }
    }
}

/// Who has the application, where nobody tells it otherwise.
fn headline(cards: &[Card], words: Words) -> String {
    let names: Vec<&str> =
        cards.iter().filter(|card| card.is.traffic).map(|card| card.name.as_str()).collect();
    match names[..] {
        [] => format!("No Region has the {}.", words.who),
        [name] => format!("{} find {} in {name}.", words.they(), words.what),
        _ => format!("{} find {} in {}.", words.they(), words.what, names.join(" and in ")),
    }
}

fn card(name: &str, door: Option<&str>, is: Region, tally: &Tally) -> Card {
    let accepted: Vec<Duration> = tally.times(name).collect();
    let newest = tally.accepted.iter().map(|(_, at)| at.as_secs()).max().unwrap_or_default();
    let first = (newest + 1).saturating_sub(SECONDS);
    let count = |second: u64| accepted.iter().filter(|at| at.as_secs() == second).count() as u64;
    let highest = (first..=newest).map(count).max().unwrap_or_default();
    // Three for each, as long as there is room for it.
    let height = |count: u64| (count * 3).min(count * BAR / highest.max(1));
    let bars: Vec<(u64, u64)> =
        (first..=newest).map(|second| ((second - first) * 5, height(count(second)))).collect();
    // Of the last two seconds that are over.
    let recent = (newest.saturating_sub(2)..newest).map(count).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let per_second = format!("{:.1}", recent as f64 / 2.0);
    let door = door.map(str::to_owned);
    Card { name: name.into(), door, is, accepted: accepted.len(), per_second, bars }
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
