//! Keeps the comparison from being a burden: waits while the target is busy or its replicas are behind.
//!
//! Asked for between two statements, once a second at most. A wait ends when the target is calm, when the caller wants to
//! stop, or after [`Limits::patience`]: then one more piece is compared before the next wait, so that a target which is
//! always busy makes a comparison slow, and never endless. Where several connections compare one table, it is asked once for
//! all of them, and all of them wait. What a server does not report, or not to this user, is not
//! watched.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::cells::number;
use crate::engine::Engine;
use crate::error::Error;
use crate::options::Limits;
use crate::server::Server;
use crate::server::watch::{LagSource, Watch};

/// How often the load is asked for.
const EVERY: Duration = Duration::from_secs(1);
/// How long it waits before it asks a busy server again.
const WAIT: Duration = Duration::from_millis(500);

/// What the target is at. `None`: not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Load {
    running: Option<u64>,
    lag: Option<Duration>,
}

impl Limits {
    /// Why to wait.
    fn passed(&self, load: Load) -> Option<String> {
        let over = |limit: Option<u64>, is: Option<u64>| Some((limit?, is?)).filter(|(limit, is)| is > limit);
        if let Some((limit, running)) = over(self.running, load.running) {
            return Some(format!("the target runs {running} statements at once, more than {limit}"));
        }
        let milliseconds = |lag: Duration| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
        let (limit, lag) = over(self.lag.map(milliseconds), load.lag.map(milliseconds))?;
        Some(format!("a replica is {lag} ms behind, more than {limit}"))
    }
}

/// Waits while `target` is busy; `waiting` is called with the reason. False: the caller wants to stop.
///
/// Connections that were made from one wait together: one of them asks, and the others wait for what it finds.
pub(crate) async fn wait(
    target: &mut Server,
    limits: &Limits,
    stop: impl Fn() -> bool,
    mut waiting: impl FnMut(&str),
) -> Result<bool, Error> {
    let watch = Arc::clone(&target.watch);
    let mut watch = match watch.try_lock() {
        Ok(watch) => watch,
        Err(_) => {
            let watch = watch.lock().await;
            if stop() {
                return Ok(false);
            }
            watch
        }
    };
    if watch.asked.is_some_and(|asked| asked.elapsed() < EVERY) {
        return Ok(true);
    }
    let begun = Instant::now();
    loop {
        let load = load(target, &mut watch, limits).await?;
        watch.asked = Some(Instant::now());
        let Some(reason) = limits.passed(load) else { return Ok(true) };
        if begun.elapsed() >= limits.patience {
            return Ok(true);
        }
        waiting(&reason);
        if stop() {
            return Ok(false);
        }
        tokio::time::sleep(WAIT.min(limits.patience)).await;
    }
}

async fn load(target: &mut Server, watch: &mut Watch, limits: &Limits) -> Result<Load, Error> {
    let mut load = Load::default();
    if limits.running.is_some() {
        load.running = first(target, running(target.engine())).await?;
    }
    if limits.lag.is_some() {
        let source = match watch.lag {
            Some(source) => source,
            None => lag_source(target).await?,
        };
        watch.lag = Some(source);
        load.lag = lag(target, source).await?.map(Duration::from_millis);
    }
    Ok(load)
}

fn running(engine: Engine) -> &'static str {
    match engine {
        Engine::MySql => "SHOW GLOBAL STATUS LIKE 'Threads_running'",
        // Other users' sessions have no state for one who is not of pg_monitor: they are not counted.
        Engine::Postgres => "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active'",
    }
}

async fn lag_source(target: &mut Server) -> Result<LagSource, Error> {
    if target.engine() == Engine::Postgres {
        // The readers of a cluster share its storage and are no standbys: see "Aurora PostgreSQL functions reference".
        let aurora = "SELECT count(*)::text FROM pg_catalog.pg_proc WHERE proname = 'aurora_replica_status'";
        let there = first(target, aurora).await?.unwrap_or_default() > 0;
        return Ok(if there { LagSource::AuroraPostgres } else { LagSource::Standbys });
    }
    if target.dialect().mariadb {
        return Ok(LagSource::Itself);
    }
    // See "Aurora MySQL-specific information_schema tables" in the user guide of Amazon Aurora.
    let aurora = "SELECT CAST(COUNT(*) AS CHAR) FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA = 'information_schema' AND UPPER(TABLE_NAME) = 'REPLICA_HOST_STATUS'";
    let there = first(target, aurora).await?.unwrap_or_default() > 0;
    Ok(if there { LagSource::AuroraMySql } else { LagSource::Itself })
}

/// Milliseconds.
async fn lag(target: &mut Server, source: LagSource) -> Result<Option<u64>, Error> {
    match source {
        LagSource::AuroraMySql => {
            let statement = "SELECT CAST(CAST(MAX(REPLICA_LAG_IN_MILLISECONDS) AS UNSIGNED) AS CHAR) \
                             FROM information_schema.REPLICA_HOST_STATUS WHERE SESSION_ID <> 'MASTER_SESSION_ID'";
            first(target, statement).await
        }
        LagSource::AuroraPostgres => {
            let statement = "SELECT max(replica_lag_in_msec)::bigint::text FROM aurora_replica_status() \
                             WHERE session_id <> 'MASTER_SESSION_ID'";
            first(target, statement).await
        }
        LagSource::Standbys => {
            let statement =
                "SELECT (max(extract(epoch FROM replay_lag)) * 1000)::bigint::text FROM pg_stat_replication";
            first(target, statement).await
        }
        LagSource::Itself => {
            let (statement, column) = if target.dialect().mariadb {
                ("SHOW ALL SLAVES STATUS", "Seconds_Behind_Master")
            } else {
                ("SHOW REPLICA STATUS", "Seconds_Behind_Source")
            };
            let seconds = asked(target, statement, Some(column)).await?.into_iter().max();
            Ok(seconds.map(|seconds| seconds.saturating_mul(1000)))
        }
    }
}

async fn first(target: &mut Server, statement: &str) -> Result<Option<u64>, Error> {
    Ok(asked(target, statement, None).await?.into_iter().next())
}

/// The numbers in a column, or in the last one. None where the server does not know the statement or refuses it.
async fn asked(target: &mut Server, statement: &str, column: Option<&str>) -> Result<Vec<u64>, Error> {
    match target.column(statement.to_owned(), column, "asking for the server's load").await {
        Ok(cells) => Ok(cells.into_iter().flatten().map(|cell| number(Some(&cell))).collect()),
        Err(Error::Query { cause: sqlx::Error::Database(_), .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_only_for_what_is_known_and_limited() {
        let limits = Limits {
            running: Some(3),
            lag: Some(Duration::from_millis(500)),
            patience: Duration::from_secs(1),
        };
        let load = |running, lag: Option<u64>| Load { running, lag: lag.map(Duration::from_millis) };
        assert_eq!(limits.passed(load(Some(3), Some(500))), None);
        assert_eq!(limits.passed(load(None, None)), None);
        let busy = limits.passed(load(Some(4), Some(900))).unwrap();
        assert_eq!(busy, "the target runs 4 statements at once, more than 3");
        assert_eq!(
            limits.passed(load(None, Some(501))).unwrap(),
            "a replica is 501 ms behind, more than 500"
        );
        let open = Limits { running: None, lag: None, ..limits };
        assert_eq!(open.passed(load(Some(4000), Some(u64::MAX))), None);
    }
}
