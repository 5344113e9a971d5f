//! The caller's side of a comparison: what is counted, what was handed over, and whether to continue.

use crate::cursor::{Counts, Cursor, Position};
use crate::difference::Difference;
use crate::error::Error;
use crate::options::Limits;
use crate::progress::{Progress, Sink, TableSummary};
use crate::schema::Paired;
use crate::server::Server;
use crate::throttle;

/// The caller: its sink, whether it wants to stop, how busy it lets the target be.
pub(crate) struct Caller<'a, S, F> {
    sink: &'a mut S,
    stop: F,
    limits: Limits,
    paired: &'a Paired,
    /// What is counted so far, by earlier comparisons of the table too.
    counts: Counts,
    /// The place that was handed over last.
    last: Option<Cursor>,
}

impl<'a, S: Sink, F: Fn() -> bool + Send + Sync> Caller<'a, S, F> {
    /// `counts`: what was counted before the place where the comparison continues.
    pub(crate) fn new(sink: &'a mut S, stop: F, limits: Limits, paired: &'a Paired, counts: Counts) -> Self {
        Self { sink, stop, limits, paired, counts, last: None }
    }

    /// Hands over what was found up to `position`, behind so many `rows` of either side; the differences are counted
    /// here. Returns whether to continue.
    pub(crate) async fn hand_over(
        &mut self,
        rows: Counts,
        found: Vec<Difference>,
        position: Position,
    ) -> Result<bool, Error> {
        self.counts += rows;
        for difference in &found {
            self.counts.add(difference.kind);
        }
        let key_columns = self.paired.key_columns.clone();
        let cursor = Cursor { counts: self.counts, key_columns, position };
        self.sink.reached(found, &cursor).await.map_err(Error::Sink)?;
        self.last = Some(cursor);
        Ok(!(self.stop)())
    }

    /// Waits while the target is busy; returns whether to continue.
    pub(crate) async fn wait(&mut self, target: &mut Server) -> Result<bool, Error> {
        let Self { limits, sink, stop, .. } = self;
        throttle::wait(target, limits, &*stop, |reason| sink.waiting(reason)).await
    }

    /// The place that was handed over last; `None` before the first.
    pub(crate) fn position(&self) -> Option<&Position> {
        self.last.as_ref().map(|cursor| &cursor.position)
    }

    /// The end of a comparison that the caller stopped.
    pub(crate) fn interrupted(self) -> Progress {
        Progress::Interrupted(self.last)
    }

    /// The end of a comparison that reached the table's end.
    pub(crate) fn finished(self) -> Progress {
        finished(self.counts, self.paired)
    }
}

/// The end of a comparison that counted this much.
pub(crate) fn finished(counts: Counts, paired: &Paired) -> Progress {
    Progress::Finished(TableSummary {
        counts,
        key_columns: paired.key_columns.clone(),
        notes: paired.notes.clone(),
        not_compared: paired.not_compared.clone(),
    })
}
