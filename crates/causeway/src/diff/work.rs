//! The work: so many tables at once, each over a connection of its own to either server, or over several when it is large.
//!
//! A worker takes one table after another. It has a permit for its connections, and so has each further one that a large table
//! gets: there are as many permits as connections were asked for. What is wrong with a table is in its result, and the
//! worker continues over new connections. A server that can't be reached, or a folder that can't be written, ends the work:
//! every worker stops where its table's next range ends. So it does when it is interrupted. Either way, all that was found
//! is in the folder.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use table_diff::{
    Address, Counts, Cursor, Difference, Options, Progress, Server, Side, Sink, Table, one_line,
};
use tokio::sync::SemaphorePermit;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::Instant;

use super::output::{Folder, Kept, Opened};
use super::show::Bar;
use super::summary::TableResult;
use crate::Error;
use crate::interrupt::interrupted;

/// What the workers share.
pub struct Work {
    /// One side.
    pub source: Address,
    /// The other.
    pub target: Address,
    /// How long a statement may take.
    pub timeout: Duration,
    /// How the tables are compared.
    pub options: Options,
    /// Where what is found is kept; `None`: it is only counted.
    pub folder: Option<Folder>,
    /// The tables that are to be compared.
    pub queue: Mutex<VecDeque<Table>>,
    /// How many rows they may have.
    pub estimates: BTreeMap<Table, u64>,
    /// What a person sees.
    pub bar: Bar,
    /// No range is begun any more.
    pub stop: AtomicBool,
}

/// How the work ended.
pub enum Ended {
    /// Every table has its result.
    Done(Vec<TableResult>),
    /// The user wanted an end.
    Interrupted,
    /// It can't go on, for a reason in one line.
    Failed(String),
}

type Pair = (Server, Server);

impl Work {
    /// Connects to both servers.
    pub async fn connect(&self) -> Result<Pair, table_diff::Error> {
        tokio::try_join!(
            Server::connect(Side::Source, self.source.clone(), self.timeout),
            Server::connect(Side::Target, self.target.clone(), self.timeout)
        )
    }

    /// Compares what is in the queue. `first` are the connections that are made already.
    pub async fn run(self: &Arc<Self>, connections: usize, first: Pair) -> Ended {
        let mut first = Some(first);
        let mut workers = JoinSet::new();
        for _ in 0..connections {
            let (work, pair) = (Arc::clone(self), first.take());
            workers.spawn(async move {
                let worked = work.worker(pair).await;
                if worked.is_err() {
                    work.stop.store(true, Ordering::Relaxed);
                }
                worked
            });
        }
        let (mut results, mut failure, mut asked) = (Vec::new(), None, false);
        let mut interrupt = Box::pin(interrupted());
        loop {
            tokio::select! {
                // A failure is reported rather than the interrupt that came at the same moment.
                biased;
                worked = workers.join_next() => match worked {
                    None => break,
                    Some(Ok(Ok(of_one))) => results.extend(of_one),
                    Some(Ok(Err(reason))) => failure = failure.or(Some(reason)),
                    Some(Err(error)) => {
                        self.stop.store(true, Ordering::Relaxed);
                        failure = failure.or(Some(format!("a worker ended: {error}")));
                    }
                },
                () = &mut interrupt => {
                    // What is on the disk is right at any moment.
                    if asked {
                        return Ended::Interrupted;
                    }
                    asked = true;
                    interrupt = Box::pin(interrupted());
                    self.stop.store(true, Ordering::Relaxed);
                    self.bar.say("stopping where the next range ends; Ctrl-C again stops at once");
                }
            }
        }
        match failure {
            Some(reason) => Ended::Failed(reason),
            None if asked && !self.is_done() => Ended::Interrupted,
            None => Ended::Done(results),
        }
    }

    /// Whether nothing is left: a table that was stopped is put back.
    fn is_done(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn next(&self) -> Option<Table> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn put_back(&self, table: Table) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_front(table);
    }

    /// A permit for a worker's connections. Where all are in use it gives up those that it has, and waits.
    async fn permit(&self, pair: &mut Option<Pair>) -> Option<SemaphorePermit<'_>> {
        let spare = self.options.spare.as_deref()?;
        match spare.try_acquire() {
            Ok(permit) => Some(permit),
            Err(_) => {
                *pair = None;
                // Never closed.
                spare.acquire().await.ok()
            }
        }
    }

    /// Takes tables until there are none; an error is one that ends the work.
    async fn worker(&self, mut pair: Option<Pair>) -> Result<Vec<TableResult>, String> {
        let mut results = Vec::new();
        loop {
            let _permit = self.permit(&mut pair).await;
            let Some(table) = self.next() else { break };
            match Box::pin(self.compare(&table, &mut pair)).await {
                Ok(Some(result)) => {
                    let estimate = self.estimates.get(&table).copied().unwrap_or_default();
                    self.bar.ended(estimate, result.rows_source.max(result.rows_target).unwrap_or_default());
                    results.push(result);
                }
                Ok(None) => self.put_back(table),
                Err(error) => return Err(format!("table {table}: {}", one_line(&*error))),
            }
        }
        Ok(results)
    }

    /// Compares a table; `None` when it was stopped.
    async fn compare(&self, table: &Table, pair: &mut Option<Pair>) -> Result<Option<TableResult>, Error> {
        let begun = Instant::now();
        let kept = match &self.folder {
            None => None,
            Some(folder) => match block_in_place(|| folder.open(table))? {
                Opened::Done(result) => {
                    self.bar.again(result.rows_source.max(result.rows_target).unwrap_or_default());
                    return Ok(Some(result));
                }
                Opened::UnderWay(kept) => Some(kept),
            },
        };
        let (mut source, mut target) = match pair.take() {
            Some(pair) => pair,
            None => self.connect().await?,
        };
        let cursor = kept.as_ref().and_then(Kept::cursor);
        let counts = cursor.as_ref().map(|cursor| cursor.counts);
        self.bar.again(counts.map_or(0, rows));
        let mut taking = Taking { kept, counts, bar: &self.bar };
        let stop = || self.stop.load(Ordering::Relaxed);
        let options = &self.options;
        let compared =
            table_diff::compare_table(&mut source, &mut target, table, options, cursor, &mut taking, stop)
                .await;
        let Taking { mut kept, counts, .. } = taking;
        let seconds = kept.as_ref().map_or(begun.elapsed().as_secs_f64(), Kept::seconds);
        let name = table.to_string();
        let result = match compared {
            Ok(Progress::Finished(summary)) => {
                *pair = Some((source, target));
                let result = TableResult::compared(name, summary, seconds);
                if let Some(kept) = kept {
                    block_in_place(|| kept.end(&result))?;
                }
                return Ok(Some(result));
            }
            Ok(Progress::Interrupted(_)) => Ok(None),
            // What was found can't be kept.
            Err(table_diff::Error::Sink(error)) => return Err(error),
            Err(error) if error.is_connection() => Err(error.into()),
            // The connections are not kept: nobody knows what is still on its way.
            Err(error) => Ok(Some(TableResult::failed(name, one_line(&error), counts, seconds))),
        };
        if let Some(kept) = &mut kept {
            block_in_place(|| kept.save())?;
        }
        result
    }
}

/// Takes what is found of one table.
struct Taking<'a> {
    kept: Option<Kept>,
    counts: Option<Counts>,
    bar: &'a Bar,
}

impl Sink for Taking<'_> {
    async fn reached(&mut self, found: Vec<Difference>, cursor: &Cursor) -> Result<(), Error> {
        let before = self.counts.map_or(0, rows);
        self.counts = Some(cursor.counts);
        self.bar.rows(rows(cursor.counts).saturating_sub(before));
        match &mut self.kept {
            Some(kept) => block_in_place(|| kept.take(&found, cursor)),
            None => Ok(()),
        }
    }

    fn waiting(&mut self, reason: &str) {
        self.bar.waiting(reason);
    }
}

fn rows(counts: Counts) -> u64 {
    counts.rows_source.max(counts.rows_target)
}
