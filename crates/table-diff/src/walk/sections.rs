//! A table that is cut into sections: several are compared at once, each over connections of its own, and what they find is
//! handed over as one connection would have found it.
//!
//! Sections are begun in their order, so that the first one that is not done is always under way: the front. What it finds is
//! handed over at once. What a section behind it finds is kept until the front comes there, up to a number of bytes; then
//! that section waits. A section behind the front that finds nothing hands over how far it came, so that this is not
//! lost either.
//!
//! A cursor has the place of each section up to which everything is handed over. What was only kept is found again by a
//! comparison that continues from there: nothing is handed over twice, and nothing is left out.
//!
//! The first error ends the comparison. A hand-over that is under way is waited for, then the others are given up.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Mutex, Semaphore, watch};

use crate::cursor::{Counts, Cursor, KeyPlace, Position, Section, Sections};
use crate::difference::{Base, Difference};
use crate::error::Error;
use crate::progress::Sink;

/// Compares a section at a time.
pub(crate) trait Worker: Send {
    /// Compares the section with this number from a place on, until it is done or stopped. The cursors that `sink` gets count
    /// from there.
    fn compare<S: Sink, F: Fn() -> bool + Send + Sync>(
        &mut self,
        number: usize,
        place: KeyPlace,
        sink: &mut S,
        stop: F,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// What is compared at once, and what is kept of it.
pub(crate) struct Limits<'a> {
    /// Workers beside the first.
    pub(crate) more: usize,
    /// Permits for these.
    pub(crate) spare: Option<&'a Semaphore>,
    /// Bytes at most that are kept of a section behind the front, about; and what it finds at once.
    pub(crate) bytes: u64,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every section is done, and this was counted.
    Finished(Counts),
    /// The caller wanted no more; with what was handed over last.
    Interrupted(Option<Cursor>),
}

/// What a section found that is not handed over yet, and where it stands and what it has counted with it.
struct Ahead {
    found: Vec<Difference>,
    bytes: u64,
    section: Section,
    counts: Counts,
}

/// A section, as it was handed over.
struct Held {
    section: Section,
    /// What it counted in this run.
    counts: Counts,
    ahead: Option<Ahead>,
}

/// What the sections found.
struct Found<'a, S> {
    sink: &'a mut S,
    key_columns: &'a [String],
    /// What was counted before this run.
    before: Counts,
    sections: Vec<Held>,
    /// The first section that is not done.
    front: usize,
    last: Option<Cursor>,
}

/// How far the whole comparison is, as far as a section may have to know.
#[derive(Clone, Copy)]
struct State {
    front: usize,
    /// No section goes on.
    over: bool,
}

/// A comparison under way.
struct Run<'a, S, F> {
    found: Mutex<Found<'a, S>>,
    stop: F,
    /// The sections that are to be compared, and how many of them were begun and ended.
    todo: Vec<(usize, KeyPlace)>,
    begun: AtomicUsize,
    ended: AtomicUsize,
    active: AtomicUsize,
    /// The caller is asked whether it wants more: once something was handed over, so that every run comes further, or while the
    /// target is waited for.
    asks: AtomicBool,
    /// Nothing is handed over any more.
    failed: AtomicBool,
    state: watch::Sender<State>,
    bytes: u64,
}

/// Compares a table's sections: with `first`, and with as many more workers as the limits allow, which `open` makes.
pub(crate) async fn compare_sections<'o, W, O, X, S, F>(
    mut first: W,
    open: O,
    Sections(sections): Sections,
    (before, key_columns): (Counts, &[String]),
    limits: Limits<'_>,
    sink: &mut S,
    stop: F,
) -> Result<Ended, Error>
where
    W: Worker,
    X: Worker,
    O: Fn() -> BoxFuture<'o, Result<X, Error>> + Sync,
    S: Sink,
    F: Fn() -> bool + Send + Sync,
{
    let front = sections.iter().position(|section| !section.done).unwrap_or_default();
    let unfinished = sections.iter().enumerate().filter(|(_, section)| !section.done);
    let todo = unfinished.map(|(number, section)| (number, section.place.clone())).collect::<Vec<_>>();
    let held = |section| Held { section, counts: Counts::default(), ahead: None };
    let sections = sections.into_iter().map(held).collect();
    let run = Run {
        found: Mutex::new(Found { sink, key_columns, before, sections, front, last: None }),
        stop,
        todo,
        begun: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
        active: AtomicUsize::new(0),
        asks: AtomicBool::new(false),
        failed: AtomicBool::new(false),
        state: watch::Sender::new(State { front, over: false }),
        bytes: limits.bytes,
    };
    let mut workers: FuturesUnordered<BoxFuture<'_, Result<(), Error>>> = FuturesUnordered::new();
    workers.push(Box::pin(run.work(&mut first)));
    for _ in 0..limits.more.min(run.todo.len().saturating_sub(1)) {
        workers.push(Box::pin(run.help(&open, limits.spare)));
    }
    while !run.is_ended() {
        match workers.next().await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                run.failed.store(true, Ordering::Relaxed);
                run.end();
                // Whoever is handing something over comes to its end.
                while run.found.try_lock().is_err() && workers.next().await.is_some() {}
                return Err(error);
            }
            None => break,
        }
    }
    drop(workers);
    let Found { before, sections, last, .. } = run.found.into_inner();
    if sections.iter().all(|held| held.section.done) {
        return Ok(Ended::Finished(total(before, &sections)));
    }
    Ok(Ended::Interrupted(last))
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Run<'_, S, F> {
    /// Compares sections until all are begun, or no more are wanted.
    async fn work(&self, worker: &mut impl Worker) -> Result<(), Error> {
        while !self.state.borrow().over {
            let Some((number, place)) = self.todo.get(self.begun.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            self.active.fetch_add(1, Ordering::Relaxed);
            let mut sink = SectionSink { run: self, number: *number };
            let compared = worker.compare(*number, place.clone(), &mut sink, || self.is_stopped()).await;
            self.active.fetch_sub(1, Ordering::Relaxed);
            self.ended.fetch_add(1, Ordering::Relaxed);
            compared?;
        }
        Ok(())
    }

    /// The same with a new worker, once there is a permit for one.
    async fn help<'o, O, X>(&self, open: &O, spare: Option<&Semaphore>) -> Result<(), Error>
    where
        X: Worker,
        O: Fn() -> BoxFuture<'o, Result<X, Error>> + Sync,
    {
        // Never closed: an error is a permit that there is no limit on.
        let _permit = match spare {
            Some(spare) => spare.acquire().await.ok(),
            None => None,
        };
        if self.state.borrow().over || self.begun.load(Ordering::Relaxed) >= self.todo.len() {
            return Ok(());
        }
        let mut worker = open().await?;
        self.work(&mut worker).await
    }

    /// Whether no worker has anything to do any more; some may still wait for a permit.
    fn is_ended(&self) -> bool {
        let is_over = self.state.borrow().over;
        self.ended.load(Ordering::Relaxed) == self.todo.len()
            || is_over && self.active.load(Ordering::Relaxed) == 0
    }

    /// Whether the caller wants no more. Once it does, no section goes on.
    fn is_stopped(&self) -> bool {
        let is_over = self.state.borrow().over;
        if !is_over && self.asks.load(Ordering::Relaxed) && (self.stop)() {
            self.end();
            return true;
        }
        is_over
    }

    fn end(&self) {
        self.state.send_modify(|state| state.over = true);
    }
}

/// Takes what is found in one section.
struct SectionSink<'a, 'b, S, F> {
    run: &'a Run<'b, S, F>,
    number: usize,
}

impl<S: Sink, F: Fn() -> bool + Send + Sync> Sink for SectionSink<'_, '_, S, F> {
    async fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Self { run, number } = *self;
        let mut all = run.found.lock().await;
        if run.failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let kept = all.take(number, found, cursor).await?;
        let front = all.front;
        self.run.asks.fetch_or(all.last.is_some(), Ordering::Relaxed);
        drop(all);
        run.state.send_if_modified(|state| std::mem::replace(&mut state.front, front) != front);
        if kept > run.bytes {
            // The state is there as long as the run is.
            let _ = run.state.subscribe().wait_for(|state| state.over || state.front >= number).await;
        }
        Ok(())
    }

    fn waiting(&mut self, reason: &str) {
        self.run.asks.store(true, Ordering::Relaxed);
        // While something is handed over nobody has to be told.
        if let Ok(mut all) = self.run.found.try_lock() {
            all.sink.waiting(reason);
        }
    }
}

impl<S: Sink> Found<'_, S> {
    /// Takes what a section found up to a place, and hands over what can be. Returns how many bytes are kept of it.
    async fn take(
        &mut self,
        number: usize,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
        let Held { section, ahead, .. } = &mut self.sections[number];
        let (mut all, mut bytes) =
            ahead.take().map_or_else(Default::default, |ahead| (ahead.found, ahead.bytes));
        bytes += found.iter().map(size).sum::<u64>();
        all.extend(found);
        let (place, done) = match &cursor.position {
            Position::AfterKey(place) => (place.clone(), false),
            _ => (KeyPlace::default(), true),
        };
        let section = Section { high: section.high.clone(), place, done };
        let is_empty = all.is_empty();
        *ahead = Some(Ahead { found: all, bytes, section, counts: cursor.counts });
        if number != self.front && !is_empty {
            return Ok(bytes);
        }
        self.hand_over(number).await?;
        while self.sections.get(self.front).is_some_and(|held| held.section.done) {
            self.front += 1;
            if self.sections.get(self.front).is_some_and(|held| held.ahead.is_some()) {
                self.hand_over(self.front).await?;
            }
        }
        Ok(0)
    }

    /// Hands over what a section found.
    async fn hand_over(&mut self, number: usize) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let held = &mut self.sections[number];
        let Some(Ahead { found, section, counts, .. }) = held.ahead.take() else { return Ok(()) };
        (held.section, held.counts) = (section, counts);
        let counts = total(self.before, &self.sections);
        let position = if self.sections.iter().all(|held| held.section.done) {
            Position::End
        } else {
            Position::Sections(Sections(self.sections.iter().map(|held| held.section.clone()).collect()))
        };
        let cursor = Cursor { counts, key_columns: self.key_columns.to_vec(), position };
        self.sink.reached(found, &cursor).await?;
        self.last = Some(cursor);
        Ok(())
    }
}

/// What is counted and handed over.
fn total(before: Counts, sections: &[Held]) -> Counts {
    let mut counts = before;
    sections.iter().for_each(|held| counts += held.counts);
    counts
}

/// Bytes of a difference, about.
fn size(difference: &Difference) -> u64 {
    let base = match &difference.base {
        Some(Base::Other(row)) => Some(row),
        _ => None,
    };
    let rows = [Some(&difference.key), difference.source.as_ref(), difference.target.as_ref(), base];
    let values = rows.into_iter().flatten().flatten();
    let bytes = values.map(|(name, value)| {
        let text = match value {
            serde_json::Value::String(text) => text.len(),
            serde_json::Value::Object(object) => {
                object.values().filter_map(|text| Some(text.as_str()?.len())).sum()
            }
            _ => 8,
        };
        (name.len() + text + 64) as u64
    });
    bytes.sum()
}

#[cfg(test)]
mod tests;
