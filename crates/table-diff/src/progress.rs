//! What a caller is given: what was found, where the comparison stands, how it ended.

use crate::cursor::{Counts, Cursor};
use crate::difference::Difference;

/// A table that is compared to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSummary {
    /// What was counted.
    pub counts: Counts,
    /// The columns rows were matched by; empty when they were counted as a multiset.
    pub key_columns: Vec<String>,
    /// Differences of the schema, and what else a reader has to know.
    pub notes: Vec<String>,
    /// What of the table was not compared, and why: without it, rows that seem alike are known to be only in part.
    pub not_compared: Vec<String>,
}

/// How a comparison ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// At the table's end.
    Finished(TableSummary),
    /// Where the caller stopped it. `None`: before anything was compared.
    Interrupted(Option<Cursor>),
}

/// Takes what is found.
pub trait Sink: Send {
    /// What was found since the last call, and the place that it brings the comparison to. A comparison that continues
    /// from `cursor` finds the rest.
    ///
    /// # Errors
    /// Ends the comparison with [`Error::Sink`].
    fn reached(
        &mut self,
        found: Vec<Difference>,
        cursor: &Cursor,
    ) -> impl Future<Output = Result<(), Box<dyn std::error::Error + Send + Sync>>> + Send;

    /// It waits, for this reason; called again and again while it does.
    fn waiting(&mut self, _reason: &str) {}
}
