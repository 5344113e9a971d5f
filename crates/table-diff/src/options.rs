//! The limits of a comparison: how much it holds, how long it takes, how much it may ask of the target.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// Limits of a comparison.
#[derive(Debug, Clone)]
pub struct Options {
    /// Rows of the first range.
    pub first_rows: u64,
    /// Rows of a range, or of one pass, at most.
    pub chunk_rows: u64,
    /// How long a pass may take. On PostgreSQL it is made for that, and may take up to four times as long.
    pub pass: Duration,
    /// Rows at most whose hashes are held, of either side; of buckets and chunks that differ a multiple of that.
    pub inspect_rows: u64,
    /// Bytes of differing rows at most that are held, unless one row has more.
    pub fetch_bytes: u64,
    /// Rows of a chunk on average, where a table is scanned; half of those of a bucket.
    pub spread: u64,
    /// Sums of MD5 instead of CRC and the like: no scan, no buckets, see the crate's documentation. Twice the time and more.
    pub strong: bool,
    /// How many connections to either server a table may have at most. With more than one a large table is cut into as
    /// many ranges of its key, which are compared at once; 16 at most.
    pub connections: usize,
    /// Rows of such a range at least, about: a smaller table is not cut.
    pub section_rows: u64,
    /// Permits for a table's connections beyond its first, to share a number of connections with other tables; `None`:
    /// [`Options::connections`] is the only limit.
    pub spare: Option<Arc<Semaphore>>,
    /// When the target is to be left alone for a while.
    pub limits: Limits,
    /// Whether the source is seen as it was when its table was begun. Not where the source is written to and the target
    /// follows it: what had not arrived by then would be reported as a difference.
    pub view: bool,
    /// Columns that are left out, as `table.column`: what the table displays, a dot, the column's name.
    pub exclude_columns: BTreeSet<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_rows: 50_000,
            chunk_rows: 4_000_000,
            pass: Duration::from_secs(5),
            inspect_rows: 5_000,
            fetch_bytes: 4 * 1024 * 1024,
            spread: 24,
            strong: false,
            connections: 1,
            section_rows: 500_000,
            spare: None,
            limits: Limits::default(),
            view: true,
            exclude_columns: BTreeSet::new(),
        }
    }
}

/// What the target may be at while it is read. `None`: whatever it likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Statements that run at once, the comparison's own among them: `Threads_running` on MySQL's family, active sessions
    /// on PostgreSQL.
    pub running: Option<u64>,
    /// How far a replica is behind: the readers of an Aurora cluster, PostgreSQL's standbys; elsewhere the target itself,
    /// where it is a replica.
    pub lag: Option<Duration>,
    /// How long a wait may last.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { running: Some(25), lag: Some(Duration::from_secs(2)), patience: Duration::from_secs(60) }
    }
}
