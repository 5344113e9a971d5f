//! Puts rows back over a connection, in transactions of bounded size, and reports each row's fate.
//!
//! **States.** A [`Cursor`] is a position in the order of rows. Each transaction takes the next rows of one table, checks
//! for each whether it can be inserted, inserts it and commits. Then the sink gets the fates and the cursor after them.
//!
//! **Promises.** A replay may be run again, from any cursor or from none, and inserts no row twice: a row that was put
//! back before is reported as [`Replayed::AlreadyThere`]. This also holds for rows whose transaction was committed when
//! the connection broke or the sink failed. A dry run only reads. It reports the same fates with two exceptions: it can't
//! foresee what only the server's refusal shows, and it assumes that rows which need each other can be inserted.
//!
//! **What a failure leaves behind.** Whole transactions, parents before children. A replay that continues from the last
//! cursor that the sink got puts back the rest.

mod batch;
mod cursor;
mod fate;
mod obstacle;
mod options;
mod sequences;
mod transaction;

use table_diff::{BoxError, Catalogue, Difference, Differences};

use self::batch::Batches;
use self::transaction::Replayer;
use crate::Error;
use crate::order::{Order, Step};
use crate::session::Session;
use crate::table::Table;

pub use self::cursor::Cursor;
pub use self::fate::{Counts, Replayed, ReplayedRow, Summary};
pub use self::options::Options;

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Every row has its fate.
    Finished(Summary),
    /// The caller stopped it at this position.
    Interrupted(Box<Cursor>),
}

/// Stores the fates.
pub trait Sink: Send {
    /// Stores the fates since the last call, and the position of the replay after them.
    ///
    /// # Errors
    /// Ends the replay with [`Error::Sink`].
    fn reached(
        &mut self,
        fates: Vec<ReplayedRow>,
        cursor: &Cursor,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Puts the missing rows back, from `cursor` or from the start. After each transaction `stop` says whether to stop.
///
/// `catalogue` is that of the session's database. If the replay is dropped before it ends, drop the session too.
///
/// # Errors
/// When the server can't be reached or accepts no writes, when differences can't be read, or when the sink fails. A later
/// replay can continue from the last cursor.
pub async fn apply(
    session: &mut Session,
    catalogue: &Catalogue,
    source: &impl Differences,
    options: &Options,
    cursor: Option<Cursor>,
    sink: &mut impl Sink,
    stop: impl Fn() -> bool + Send + Sync,
) -> Result<Progress, Error> {
    let order = Order::read(catalogue, source, options.dry_run).await?;
    let engine = session.engine();
    let mut cursor = cursor.unwrap_or_default();
    cursor.check(&order)?;
    let mut replayer = Replayer { session, order: &order, dry_run: options.dry_run };
    while let Some(Step { table: name, pass }) = order.steps.get(cursor.step) {
        (cursor.table, cursor.pass) = (name.clone(), *pass);
        let table = Table::new(engine, catalogue, name);
        let mut batches = Batches::new(source, &order, &cursor, options, replayer.session.packet());
        while let Some(batch) = batches.next(table.as_ref()).await? {
            let outcome = replayer.put_back(name, table.as_ref(), &batch, &mut cursor).await?;
            cursor.not_replayed.extend(outcome.not_replayed);
            cursor.read = batches.read();
            let counts = cursor.summary.tables.entry(name.clone()).or_default();
            counts.conflicts += batch.conflicts;
            let fates = batch.rows.into_iter().zip(outcome.fates).map(|(row, fate)| {
                counts.add(&fate);
                let Difference { key, source, .. } = row.difference;
                let key = if key.is_empty() { source.unwrap_or_default() } else { key };
                ReplayedRow { table: name.clone(), key, replayed: fate }
            });
            let fates = fates.collect();
            sink.reached(fates, &cursor).await.map_err(Error::Sink)?;
            if stop() {
                return Ok(Progress::Interrupted(Box::new(cursor)));
            }
        }
        cursor.step += 1;
        cursor.read = 0;
    }
    Ok(Progress::Finished(cursor.summary))
}
