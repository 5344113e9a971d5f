//! Where a rehearsal takes place, as the story needs it: two Regions, of which one breaks and comes back, runbooks, reports, databases.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runbook::RecoveryPlan;
use runbook::names::keys;
use table_diff::Target;

use crate::Error;

pub use crate::rig::Ended;

/// A Region's two ends of a time without an accepted write, as RFC 3339 says them; empty where there was none.
pub type Outage = [String; 2];

/// What the story asks the operator's hand to do.
pub enum Move<'a> {
    /// Move the application to the Region that takes over.
    FailOver,
    /// Bring the old primary back, compare it and report.
    Reconcile(&'a Outage),
    /// Put the rows back that the reconciliation of this id found missing.
    Replay(&'a str),
}

impl Move<'_> {
    /// The runbook's name.
    pub const fn runbook(&self) -> &'static str {
        match self {
            Self::FailOver => "failover",
            Self::Reconcile(_) => "reconcile",
            Self::Replay(_) => "replay",
        }
    }
}

/// Where a rehearsal takes place.
pub trait World {
    /// The plan that is rehearsed.
    fn plan(&self) -> &RecoveryPlan;

    /// The Region that has the application at first.
    fn from(&self) -> &str;

    /// The Region that takes over.
    fn to(&self) -> &str;

    /// Breaks the first Region, and says what was done.
    ///
    /// # Errors
    /// When it could not be broken, or nobody wanted it.
    async fn break_region(&self) -> Result<String, Error>;

    /// How long it takes until somebody starts the failover.
    fn detection(&self) -> Duration;

    /// How long it may take after the failover until a write is accepted again.
    fn patience(&self) -> Duration;

    /// Lets the first Region come back, and says what was done.
    ///
    /// # Errors
    /// When it could not be done.
    async fn mend_region(&self) -> Result<String, Error>;

    /// Starts a runbook in the Region that takes over, approves what it asks to approve, and waits for its end; `meanwhile` is called
    /// often.
    ///
    /// # Errors
    /// When it could not be started or followed.
    async fn run(&self, what: Move<'_>, meanwhile: &dyn Fn()) -> Result<Ended, Error>;

    /// Keys in the report bucket of the Region that takes over.
    ///
    /// # Errors
    /// When the bucket does not answer.
    async fn list_reports(&self, prefix: &str) -> Result<Vec<String>, Error>;

    /// An object of that bucket.
    ///
    /// # Errors
    /// When it does not answer.
    async fn read_report(&self, key: &str) -> Result<Vec<u8>, Error>;

    /// How to connect to a database of the plan in a Region.
    ///
    /// # Errors
    /// When it can't be found out.
    async fn database(&self, region: &str, database: &str) -> Result<Target, Error>;

    /// What a reconciliation has restored and not removed.
    ///
    /// # Errors
    /// When it can't be found out.
    async fn left_behind(&self) -> Result<Vec<String>, Error>;

    /// What AWS's own part of a failover takes, where that is known.
    fn modelled_failover(&self) -> Option<Duration>;
}

/// The prefix of the reports of an execution.
pub fn reports_of(world: &impl World, execution: &str) -> String {
    keys::reports(&world.plan().name, execution)
}

/// Copies an execution's reports to a folder; returns the path of the page.
///
/// # Errors
/// When the bucket does not answer, or the folder can't be written.
pub async fn fetch_reports(world: &impl World, execution: &str, folder: &Path) -> Result<PathBuf, Error> {
    let prefix = reports_of(world, execution);
    let mut page = folder.to_owned();
    for key in world.list_reports(&prefix).await? {
        let path = folder.join(key.strip_prefix(&prefix).unwrap_or(&key));
        crate::files::write(&path, &world.read_report(&key).await?)?;
        if path.extension().is_some_and(|extension| extension == "html") {
            page = path;
        }
    }
    Ok(page)
}
